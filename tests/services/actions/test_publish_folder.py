import pickle
import shutil
import subprocess
from pathlib import Path

import pytest

from mlops.accounts.models import User
from mlops.blobs import storage
from mlops.errors import Busy, Conflict, Forbidden, InvalidRequest
from nodes.models import Session, Snapshot
from services import folders
from services.actions.publish_folder import publish_folder
from services.models import Version
from tests.nodes.runtime.realtime.models import adding, contained
from tests.nodes.runtime.running import RunningNode
from tests.services.create import published
from tests.services.results import outputs_of

# Sessions and scoring read the database on several threads.
pytestmark = pytest.mark.django_db(transaction=True)

TOML = """
name = "churn"
version = "v1"
runtime = "Python"
code = "score.py"
[outputs]
answer = "numeric"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, TOML, code="answer = 1")
    return tmp_path


def write(folder: Path, toml: str, *, code: str) -> None:
    (folder / "service.toml").write_text(toml)
    (folder / "score.py").write_text(code)


def publish(user: User, folder: Path, *, replace: bool = False) -> Version:
    return publish_folder(user=user, folder=folders.read(folder), replace=replace)


def refused(error: type[Exception], user: User, folder: Path, *, replace: bool = False) -> str:
    """The message; fails if anything is published or left over."""
    before = published()
    with pytest.raises(error) as caught:
        publish(user, folder, replace=replace)
    assert published() == before
    assert not Snapshot.objects.exists()
    assert not Session.objects.exists()
    return str(caught.value)


def test_code_alone_needs_no_node(alice: User, folder: Path) -> None:
    version = publish(alice, folder)
    assert (str(version), version.published_by) == ("churn/v1", "alice")
    assert version.code == "answer = 1"
    assert version.payload is None


def test_without_a_version_it_gets_a_guid(alice: User, folder: Path) -> None:
    write(folder, TOML.replace('version = "v1"', ""), code="answer = 1")
    assert len(publish(alice, folder).version) == 36


def test_files_are_in_the_working_directory(
    alice: User, folder: Path, declared_node: RunningNode
) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "rate.txt").write_text("1.5")
    write(
        folder,
        'files = ["data/rate.txt"]' + TOML,
        code="answer = float(open('data/rate.txt').read())",
    )
    assert outputs_of(publish(alice, folder)) == {"answer": 1.5}
    assert not Snapshot.objects.exists()


def test_the_same_folder_gives_the_same_bundle(alice: User, folder: Path) -> None:
    (folder / "rate.txt").write_text("1.5")
    write(folder, 'files = ["rate.txt"]' + TOML, code="answer = 1")
    before = publish(alice, folder).bundle_id
    (folder / "rate.txt").touch()
    assert publish(alice, folder, replace=True).bundle_id == before


def test_models_are_bound_to_their_variables(
    alice: User, folder: Path, declared_node: RunningNode
) -> None:
    (folder / "model.pkl").write_bytes(pickle.dumps({"rate": 1.5}))
    (folder / "scale.txt").write_text("2")
    write(
        folder,
        'files = ["scale.txt"]' + TOML + '[models]\nmodel = "model.pkl"\nother = "model.pkl"',
        code="answer = (model['rate'] + other['rate']) * float(open('scale.txt').read())",
    )
    assert outputs_of(publish(alice, folder)) == {"answer": 6.0}
    assert not Snapshot.objects.exists()
    assert not Session.objects.exists()


@pytest.mark.r
@pytest.mark.parametrize("write_model", ["save(model, file='m.RData')", "saveRDS(model, 'm.rds')"])
def test_r_models_are_bound_to_their_variables(
    alice: User, folder: Path, declared_node: RunningNode, write_model: str
) -> None:
    rscript = shutil.which("Rscript")
    assert rscript is not None
    subprocess.run(
        [rscript, "-e", f"model <- list(rate=1.5); {write_model}"], cwd=folder, check=True
    )
    (model,) = folder.glob("m.*")
    toml = TOML.replace("Python", "R") + f'[models]\nmodel = "{model.name}"'
    write(folder, toml, code="answer <- model$rate * 2")
    assert outputs_of(publish(alice, folder)) == {"answer": 3.0}


def test_a_model_that_cannot_be_read_is_refused_and_named(
    alice: User, folder: Path, declared_node: RunningNode
) -> None:
    (folder / "model.pkl").write_bytes(b"no pickle")
    write(folder, TOML + '[models]\nmodel = "model.pkl"', code="answer = 1")
    assert "model.pkl cannot be bound to model" in refused(InvalidRequest, alice, folder)


def test_a_model_without_a_node_is_refused(alice: User, folder: Path) -> None:
    (folder / "model.pkl").write_bytes(pickle.dumps(1))
    write(folder, TOML + '[models]\nmodel = "model.pkl"', code="answer = 1")
    refused(Busy, alice, folder)


def test_a_version_that_exists_is_refused(alice: User, folder: Path) -> None:
    publish(alice, folder)
    refused(Conflict, alice, folder)


def test_a_version_can_be_replaced_whole(alice: User, folder: Path) -> None:
    (folder / "rate.txt").write_text("1.5")
    (folder / "init.py").write_text("import math")
    more = 'alias = "a"\ndescription = "d"\ninit = "init.py"\nartifacts = ["p.png"]\n'
    write(folder, more + 'files = ["rate.txt"]' + TOML, code="answer = 1")
    before = publish(alice, folder)
    write(folder, TOML.replace("answer", "other"), code="other = 2")
    after = publish(alice, folder, replace=True)
    assert after.pk == before.pk
    assert (after.code, after.init_code, after.operation_id) == ("other = 2", None, None)
    assert after.description == ""
    assert after.output_parameters == [{"name": "other", "type": "numeric"}]
    assert after.output_files == []
    assert after.payload != before.payload
    assert not Snapshot.objects.exists()


def test_replacing_what_does_not_exist_publishes_it(alice: User, folder: Path) -> None:
    assert str(publish(alice, folder, replace=True)) == "churn/v1"


def test_replacing_needs_a_version(alice: User, folder: Path) -> None:
    write(folder, TOML.replace('version = "v1"', ""), code="answer = 1")
    refused(InvalidRequest, alice, folder, replace=True)


def test_somebody_elses_version_is_not_replaced(alice: User, bob: User, folder: Path) -> None:
    publish(alice, folder)
    refused(Forbidden, bob, folder, replace=True)


def test_a_reader_cannot_publish(rita: User, folder: Path) -> None:
    refused(Forbidden, rita, folder)


# -- models without code -------------------------------------------------------------------------

REALTIME = """
name = "churn"
version = "v1"
runtime = "Realtime"
model = "model.onnx"
"""


def realtime_folder(folder: Path, model: bytes, *, more: str = "") -> Path:
    (folder / "service.toml").write_text(REALTIME + more)
    (folder / "model.onnx").write_bytes(model)
    return folder


@pytest.mark.parametrize("header", [b"", b"blobONNX"], ids=["plain", "contained"])
def test_a_model_is_published_with_its_header_or_without(
    header: bytes, alice: User, tmp_path: Path
) -> None:
    version = publish(alice, realtime_folder(tmp_path, header + adding()))
    assert version.runtime_type == "Realtime"
    assert version.payload is not None
    assert b"".join(storage.read(version.payload)) == contained(adding())


def test_replacing_makes_it_what_the_folder_says(alice: User, tmp_path: Path) -> None:
    publish(alice, realtime_folder(tmp_path, adding(), more="alias = 'predict'"))
    version = publish(alice, realtime_folder(tmp_path, adding(2)), replace=True)
    assert version.operation_id is None
    assert version.payload is not None
    assert b"".join(storage.read(version.payload)) == contained(adding(2))


def test_a_broken_model_is_named(alice: User, tmp_path: Path) -> None:
    message = refused(InvalidRequest, alice, realtime_folder(tmp_path, b"garbage"))
    assert message.startswith(str(tmp_path / "model.onnx"))


def test_code_is_not_replaced_by_a_model(alice: User, folder: Path) -> None:
    publish(alice, folder)
    message = refused(InvalidRequest, alice, realtime_folder(folder, adding()), replace=True)
    assert "runs Python code" in message
