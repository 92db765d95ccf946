from pathlib import Path

import pytest

from mlops.errors import InvalidRequest
from services import folders
from services.schema import Definition, Parameter

MINIMAL = """
name = "churn"
runtime = "Python"
code = "score.py"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "score.py").write_text("answer = x\n")
    (tmp_path / "service.toml").write_text(MINIMAL)
    return tmp_path


def write(folder: Path, toml: str) -> None:
    (folder / "service.toml").write_text(toml)


def refusal(folder: Path) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        folders.read(folder)
    assert caught.value.message.startswith(str(folder / "service.toml"))
    return caught.value


def test_the_least_that_a_folder_must_say(folder: Path) -> None:
    read = folders.read(folder)
    assert (read.name, read.version, read.runtime) == ("churn", None, "Python")
    assert read.definition.code == "answer = x\n"
    assert read.definition.init_code is None
    assert read.definition.inputs == read.definition.outputs == read.definition.output_files == []
    assert (read.models, read.files) == ({}, {})


def test_everything_that_a_folder_can_say(folder: Path) -> None:
    (folder / "init.py").write_text("import math\n")
    (folder / "model.pkl").touch()
    (folder / "data").mkdir()
    (folder / "data" / "zones.csv").touch()
    write(
        folder,
        """
        name = "churn"
        version = "1.0"
        runtime = "Python"
        code = "score.py"
        init = "init.py"
        alias = "predict"
        description = "Who leaves?"
        files = ["./data/zones.csv"]
        artifacts = ["plot.png"]
        inputs = {z = "numeric", a = "dataframe"}
        outputs.answer = "string"
        [models]
        model = "model.pkl"
        """,
    )
    read = folders.read(folder)
    definition = read.definition
    assert read.version == "1.0"
    assert definition.init_code == "import math\n"
    assert (definition.operation_id, definition.description) == ("predict", "Who leaves?")
    assert definition.inputs == [Parameter("z", "numeric"), Parameter("a", "data.frame")]
    assert definition.outputs == [Parameter("answer", "character")]
    assert definition.output_files == ["plot.png"]
    assert read.models == {"model": folder / "model.pkl"}
    assert read.files == {"data/zones.csv": folder / "data" / "zones.csv"}


@pytest.mark.parametrize("suffix", ["RData", "rda", "rds", "RDS"])
def test_r_models_have_rs_own_formats(folder: Path, suffix: str) -> None:
    (folder / f"model.{suffix}").touch()
    write(folder, f'name="a"\nruntime="R"\ncode="score.py"\nmodels={{m="model.{suffix}"}}')
    assert folders.read(folder).models == {"m": folder / f"model.{suffix}"}


@pytest.mark.parametrize(("runtime", "name"), [("Python", "m.joblib"), ("R", "m.pkl")])
def test_a_model_that_a_shell_cannot_bind_is_refused_with_a_way_out(
    folder: Path, runtime: str, name: str
) -> None:
    (folder / name).touch()
    write(folder, f'name="a"\nruntime="{runtime}"\ncode="score.py"\nmodels={{m="{name}"}}')
    error = refusal(folder)
    assert error.fields == "models.m"
    assert "load them in the init code" in error.message


def test_a_folder_without_a_service_toml_is_refused(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal(tmp_path).message
    assert "cannot be read" in refusal(tmp_path / "absent").message


@pytest.mark.parametrize("content", [b"name = ", b"\xff", b"a = 1\na = 2"])
def test_what_is_no_toml_is_refused(folder: Path, content: bytes) -> None:
    (folder / "service.toml").write_bytes(content)
    assert "not valid TOML" in refusal(folder).message


@pytest.mark.parametrize("key", ["name", "runtime", "code"])
def test_a_missing_key_is_named(folder: Path, key: str) -> None:
    write(folder, "\n".join(line for line in MINIMAL.splitlines() if not line.startswith(key)))
    assert refusal(folder).fields == key


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("verison = '1'", "verison"),
        ("version = 1.0", "version"),
        ("version = ''", "version"),
        ("version = 'a/b'", "version"),
        ("alias = 'a\tb'", "alias"),
        ("description = ['x']", "description"),
        ("files = 'x'", "files"),
        ("files = [1]", "files"),
        ("files = ['absent.csv']", "files"),
        ("files = ['.']", "files"),
        ("files = ['../score.py']", "files"),
        ("files = ['/etc/passwd']", "files"),
        ('files = ["a\\u0000"]', "files"),
        ("init = 'absent.py'", "init"),
        ("artifacts = ['../x']", "artifacts.0"),
        ("artifacts = ['x', 'x']", "artifacts"),
        ("inputs = ['x']", "inputs"),
        ("inputs = {x = 1}", "inputs"),
        ("inputs = {x = 'float'}", "inputs.0.type"),
        ("outputs = {'' = 'numeric'}", "outputs.0.name"),
        ("models = {m = 'absent.pkl'}", "models.m"),
        ("row_independent = 'yes'", "row_independent"),
        ("row_independent = true", "row_independent"),  # there are no rows
    ],
)
def test_a_wrong_value_is_refused_and_its_key_named(folder: Path, line: str, key: str) -> None:
    write(folder, MINIMAL + line)
    error = refusal(folder)
    assert error.fields == key
    assert key.split(".")[0] in error.message


@pytest.mark.parametrize("name", ["..", "a/b", "x" * 129])
def test_a_name_that_cannot_be_published_is_refused(folder: Path, name: str) -> None:
    write(folder, MINIMAL.replace("churn", name))
    assert refusal(folder).fields == "name"


def test_another_runtime_is_refused(folder: Path) -> None:
    write(folder, MINIMAL.replace("Python", "Julia"))
    assert "R, Python or Realtime" in refusal(folder).message


def test_blank_code_is_refused(folder: Path) -> None:
    (folder / "score.py").write_text("\n")
    assert refusal(folder).fields == "code"


def test_code_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / "score.py").write_bytes(b"\xff\xfe")
    assert refusal(folder).fields == "code"


REALTIME = """
name = "iris"
runtime = "Realtime"
model = "iris.onnx"
"""


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    (tmp_path / "iris.onnx").touch()
    write(tmp_path, REALTIME)
    return tmp_path


def test_a_realtime_folder_has_a_model_and_no_code(model_folder: Path) -> None:
    write(model_folder, REALTIME + "alias = 'predict'\ndescription = 'Flowers'")
    read = folders.read(model_folder)
    assert (read.runtime, read.model) == ("Realtime", model_folder / "iris.onnx")
    assert read.definition == Definition(operation_id="predict", description="Flowers")


@pytest.mark.parametrize(
    ("line", "key"), [("code = 'x'", "code"), ("files = []", "files"), ("[inputs]", "inputs")]
)
def test_a_realtime_folder_says_nothing_of_code(model_folder: Path, line: str, key: str) -> None:
    write(model_folder, REALTIME + line)
    error = refusal(model_folder)
    assert error.fields == key
    assert "no key of a version that runs on Realtime" in error.message


def test_a_folder_of_code_has_no_one_model(folder: Path) -> None:
    write(folder, MINIMAL + "model = 'iris.onnx'")
    assert refusal(folder).fields == "model"


def test_a_model_that_is_not_there_is_named(model_folder: Path) -> None:
    (model_folder / "iris.onnx").unlink()
    assert refusal(model_folder).fields == "model"


def test_a_folder_may_hold_an_example(folder: Path) -> None:
    (folder / "example.json").write_text('{"x": [1, 2]}')
    write(folder, MINIMAL + 'example = "example.json"')
    assert folders.read(folder).definition.example == {"x": [1, 2]}


@pytest.mark.parametrize("text", ["[1]", "{", "", '{"x": NaN}'])
def test_an_example_is_a_json_object(folder: Path, text: str) -> None:
    (folder / "example.json").write_text(text)
    write(folder, MINIMAL + 'example = "example.json"')
    assert refusal(folder).fields == "example"
