# Every recipe uses relative paths and `python -m`, so that blanks in this folder's path do no harm.
PYTHON := .venv/bin/python

.PHONY: run test lint format

# Start everything on this machine; Ctrl-C stops it.
run:
	@mlops/onebox/install.sh run
	@exec $(PYTHON) manage.py onebox

# What differs by database is checked on SQLite and on PostgreSQL. Left out of the second run is what
# looks at programs from outside, as clients and supervisors do; `pytest --database=postgresql` has it.
FROM_OUTSIDE := tests/clients $(addprefix tests/e2e/test_,dying.py hostile_requests.py pools.py starting.py)
PYTEST := $(PYTHON) -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

# Check everything.
test:
	@mlops/onebox/install.sh test
	@$(MAKE) --no-print-directory lint
	$(PYTEST)
	$(PYTEST) --database=postgresql $(addprefix --ignore=,$(FROM_OUTSIDE))

# Check style and types only.
lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

# Mend what can be mended by itself.
format:
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .
