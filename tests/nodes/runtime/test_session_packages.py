"""Packages installed into a session: found at once, kept by snapshots, nobody else's."""

import base64
import hashlib
import io
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.nodes.runtime.open_sessions import OpenSession, open_session
from tests.nodes.runtime.running import RunningNode, zip_of

PIP = "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', *{!r}], check=True)\n"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of a package with a script that needs pandas, and a newer inflection."""
    folder = tmp_path_factory.mktemp("wheels")
    for number in ("1.0", "2.0"):
        write_wheel(folder, "greeter", number, "Requires-Dist: pandas\n")
    write_wheel(folder, "inflection", "99.0")
    return folder


@pytest.fixture(scope="module")
def equipped(node: RunningNode, wheels: Path) -> Iterator[OpenSession]:
    """A session with the older version of the package."""
    with open_session(node) as session:
        session.run(PIP.format(install(wheels, "greeter==1.0")) + "import greeter")
        yield session


def test_a_package_is_there_in_the_block_that_installs_it_and_later(equipped: OpenSession) -> None:
    assert equipped.run("v = greeter.VERSION", outputs=["v"]) == {"v": "1.0"}


def test_its_script_runs_and_other_interpreters_find_it(equipped: OpenSession) -> None:
    code = "import os, sys\nos.system('greet')\nos.system('python -c \"import greeter, pandas\"')"
    assert equipped.printed(code) == "greeter 1.0\n0\n"


def test_no_file_of_it_is_among_those_of_the_user(equipped: OpenSession) -> None:
    assert equipped.files() == []
    assert equipped.run("import os\nn = os.listdir()", outputs=["n"]) == {"n": []}


def test_other_sessions_and_services_do_not_have_it(
    node: RunningNode, equipped: OpenSession
) -> None:
    code = "import importlib.util\nfound = importlib.util.find_spec('greeter') is not None"
    assert equipped.run(code, outputs=["found"]) == {"found": True}
    with open_session(node) as other:
        assert other.run(code, outputs=["found"]) == {"found": False}
    assert node.publish(code, outputs=[("found", "logical")]).outputs() == {"found": False}


def test_a_snapshot_takes_it_into_another_session_and_into_a_service(
    node: RunningNode, equipped: OpenSession
) -> None:
    equipped.run("thing = greeter.Thing()")
    snapshot = equipped.snapshot()
    names = zipfile.ZipFile(io.BytesIO(snapshot)).namelist()
    assert all(name == ".dill" or name.startswith(".packages/") for name in names)
    assert not [name for name in names if name.endswith((".pyc", ".cfg", "/pip", "/python"))]
    with open_session(node) as other:
        assert other.load(snapshot).status_code == 200
        code = "import os\ns = str(thing)\nos.system('greet')"
        assert other.run(code, outputs=["s"]) == {"s": "thing of 1.0"}
        assert other.console() == "greeter 1.0\n0\n"
        assert set(other.snapshot_names()) == set(names)
    service = node.publish(
        "import greeter\ns = f'{greeter.VERSION} {thing}'",
        outputs=[("s", "character")],
        payload=snapshot,
    )
    result = service.score()
    assert result["outputParameters"] == {"s": "1.0 thing of 1.0"}
    assert result["changedFiles"] == []
    assert service.outputs() == {"s": "1.0 thing of 1.0"}


def test_an_upgrade_replaces_it_and_hides_what_the_node_has_without_touching_that(
    node: RunningNode, wheels: Path
) -> None:
    with open_session(node) as session:
        for wishes in (["greeter==1.0"], ["--upgrade", "greeter", "inflection"]):
            command = " ".join(["pip", *install(wheels, *wishes)])
            session.run(f"import os\nassert os.system({command!r}) == 0")
        code = "import greeter, inflection\nv = [greeter.VERSION, inflection.VERSION]"
        assert session.run(code, outputs=["v"]) == {"v": ["2.0", "99.0"]}
        names = {name for name in session.snapshot_names() if "greeter-" in name}
        assert names
        assert all("greeter-2.0.dist-info" in name for name in names)
        session.run("assert os.system('pip uninstall -q -y greeter inflection') == 0")
        code = "python -c 'import inflection; print(inflection.__version__)'"
        assert session.printed(f"os.system({code!r})") == f"{version('inflection')}\n0\n"
        assert session.snapshot_names() == [".dill"]  # the list above


def test_a_session_that_removed_its_environment_gets_a_new_one(shared: OpenSession) -> None:
    shared.run("import os, shutil, sys\nshutil.rmtree(os.environ['VIRTUAL_ENV'])")
    assert shared.printed("os.system('pip --version > /dev/null')") == "0\n"


def test_packages_alone_make_a_snapshot(node: RunningNode, shared: OpenSession) -> None:
    path = f".packages/lib/{python_folder()}/site-packages/alone.py"
    assert shared.load(zip_of({path: b"x = 1"})).status_code == 200
    assert shared.run("import alone\nx = alone.x", outputs=["x"]) == {"x": 1}


def install(wheels: Path, *wishes: str) -> list[str]:
    return ["install", "--no-index", "--find-links", str(wheels), *wishes]


def python_folder() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def write_wheel(folder: Path, name: str, number: str, needs: str = "") -> None:
    module = (
        f"VERSION = {number!r}\n"
        f"class Thing:\n    def __str__(self): return 'thing of ' + VERSION\n"
        f"def main(): print({name!r}, VERSION)\n"
    )
    info = f"{name}-{number}.dist-info"
    files = {
        f"{name}.py": module,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if name == "greeter":
        files[f"{info}/entry_points.txt"] = "[console_scripts]\ngreet = greeter:main\n"
    record = "".join(f"{path},sha256={digest(text)},{len(text)}\n" for path, text in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    content = zip_of({path: text.encode() for path, text in files.items()})
    (folder / f"{name}-{number}-py3-none-any.whl").write_bytes(content)


def digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
