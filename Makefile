# Every recipe uses relative paths and `python -m`, so that blanks in this folder's path do no harm.
PYTHON := .venv/bin/python

.PHONY: run test lint format bench cluster

# Start everything on this machine; Ctrl-C stops it.
run:
	@mlops/onebox/install.sh run
	@exec $(PYTHON) manage.py onebox

PYTEST := $(PYTHON) -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

# Check everything.
test:
	@mlops/onebox/install.sh test
	@$(MAKE) --no-print-directory lint
	$(PYTEST)
	$(PYTEST) --database=postgresql

# Check style and types only.
lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

# Mend what can be mended by itself.
format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

# Measure, beside limits and peers, and write docs/benchmarks.md; half an hour on a machine that
# does nothing else. `make bench ONLY="realtime mlserver"` takes only targets that begin so.
bench:
	@mlops/onebox/install.sh bench
	@exec $(PYTHON) -m tests.benchmarks $(if $(ONLY),--only "$(ONLY)")

# Build a cluster in network namespaces, make its parts fail, and write docs/failures.md; as root,
# ten minutes on a machine that does nothing else. `make cluster ONLY="kill mute"` takes only these.
cluster:
	@mlops/onebox/install.sh cluster
	@exec $(PYTHON) -m tests.cluster $(if $(ONLY),--only "$(ONLY)",--output docs/failures.md)
