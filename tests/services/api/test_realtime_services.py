"""POST and PATCH of /realtime-services (wire-api sections 2 and 11)."""

import hashlib
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from mlops.accounts.models import User
from mlops.blobs.models import Blob
from services.models import Version
from services.swagger import document
from tests.nodes.runtime.realtime.models import adding, contained
from tests.services.api.exchange import body_of, error_of
from tests.services.create import create_realtime, create_version, published

ClientFor = Callable[[User], APIClient]

PATH = "/realtime-services/churn/v1"
PUBLISH = "publishRealtimeWebServiceVersion"
PATCH = "patchRealtimeWebServiceVersion"
MODEL = contained(adding())


@pytest.fixture
def client(alice: User, client_for: ClientFor) -> APIClient:
    return client_for(alice)


def form(*parts: tuple[str, bytes], boundary: str = "abc") -> dict[str, Any]:
    """Arguments of a request whose body has these parts: what precedes the content, content."""
    body = b"".join(
        b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary.encode(), head.encode(), content)
        for head, content in parts
    )
    return {
        "data": body + b"--%s--\r\n" % boundary.encode(),
        "content_type": f"multipart/form-data; boundary={boundary}",
    }


def text(name: str, value: str) -> tuple[str, bytes]:
    return f'Content-Disposition: form-data; name="{name}"', value.encode()


def model(content: bytes = MODEL) -> tuple[str, bytes]:
    """The part as the official client sends it: without a type."""
    return 'Content-Disposition: form-data; name="model"; filename="model"', content


def refusal(
    client: APIClient,
    status: int,
    request: dict[str, Any],
    *,
    method: str = "POST",
    path: str = PATH,
) -> Any:
    """The error object; fails if anything was changed."""
    before = published(), Blob.objects.count()
    error = error_of(
        client.generic(method, path, **request), status, PUBLISH if method == "POST" else PATCH
    )
    assert (published(), Blob.objects.count()) == before
    return error


# -- publishing ----------------------------------------------------------------------------------


def test_publishing_answers_201_with_the_version(client: APIClient) -> None:
    assert body_of(client.post(PATH, **form(model())), 201, PUBLISH) == "v1"
    version = Version.objects.select_related("payload").get()
    assert version.payload is not None
    assert version.payload.digest == hashlib.sha256(MODEL).hexdigest()


def test_publishing_without_a_version_answers_the_generated_guid(client: APIClient) -> None:
    response = client.post("/realtime-services/churn", **form(model()))
    version = body_of(response, 201, "publishRealtimeWebService")
    assert str(uuid.UUID(version)) == version
    assert Version.objects.get().version == version


def test_the_stored_metadata_is_that_of_a_model(client: APIClient) -> None:
    client.post(
        PATH, **form(text("description", "Günstig"), model(), text("operationId", "predict"))
    )
    (described,) = body_of(client.get("/services/churn/v1"), 200, "getAllServicesByNameAndVersion")
    del described["creationTime"]
    assert described == {
        "name": "churn",
        "version": "v1",
        "versionPublishedBy": "alice",
        "snapshotId": None,
        "runtimeType": "Realtime",
        "initCode": None,
        "code": None,
        "description": "Günstig",
        "operationId": "predict",
        "inputParameterDefinitions": [{"name": "inputData", "type": "data.frame"}],
        "outputParameterDefinitions": [{"name": "outputData", "type": "data.frame"}],
        "outputFileNames": [],
        "myPermissionOnService": "read/write",
    }


def test_texts_that_are_not_sent_are_null(client: APIClient) -> None:
    client.post(PATH, **form(model()))
    (described,) = client.get("/services/churn").json()
    assert (described["description"], described["operationId"]) == (None, None)


def test_parts_may_say_their_type(client: APIClient) -> None:
    head = "Content-Type: application/octet-stream\r\nContent-Disposition: form-data; name="
    parts = (f'{head}"description"', b"typed"), (f'{head}"model"; filename="m.bin"', MODEL)
    assert client.post(PATH, **form(*parts)).status_code == 201
    assert Version.objects.get().description == "typed"


def test_a_browser_may_publish_with_the_token_of_its_session(alice: User) -> None:
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(alice)
    file = SimpleUploadedFile("model", MODEL)
    assert browser.post(PATH, {"model": file}, format="multipart").status_code == 403
    browser.get("/services", HTTP_ACCEPT="text/html")  # a page that sets the cookie
    token = browser.cookies["csrftoken"].value
    file.seek(0)
    response = browser.post(PATH, {"model": file}, format="multipart", HTTP_X_CSRFTOKEN=token)
    assert response.status_code == 201, response.content


def test_names_are_shared_with_services_that_run_code(alice: User, client: APIClient) -> None:
    create_version(alice)
    assert refusal(client, 409, form(model()))["message"].startswith("churn/v1 exists already")


def test_services_that_run_code_share_names_with_models(alice: User, client: APIClient) -> None:
    create_realtime(alice)
    before = published()
    response = client.post("/services/churn/v1", {"code": "x"}, format="json")
    error_of(response, 409, "publishWebServiceVersion")
    assert published() == before


def test_a_reader_cannot_publish(rita: User, client_for: ClientFor) -> None:
    refusal(client_for(rita), 403, form(model()))


def test_a_name_that_cannot_be_is_400(client: APIClient) -> None:
    error = refusal(client, 400, form(model()), path="/realtime-services/a%25b/v1")
    assert error["fields"] == "service name"


def test_without_a_model_nothing_is_published(client: APIClient) -> None:
    assert refusal(client, 400, form(text("description", "x")))["fields"] == "model"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "begins with the four bytes blob"),
        (b"PK\3\4", "begins with the four bytes blob"),
        (b"blobONN", "ends after 7 bytes"),
        (b"blobONNX", "ends after 8 bytes"),
        (b"blobPMML<PMML/>", "format tag is PMML; this server knows ONNX"),
        (b"blob\1\0\0\0model", "rx_serialize_model"),
        (b"blobONNXgarbage", "no ONNX model"),
    ],
    ids=["empty", "other", "short", "tag-only", "unknown", "genuine", "broken"],
)
def test_what_is_no_model_is_400_and_says_what_to_do(
    content: bytes, says: str, client: APIClient
) -> None:
    error = refusal(client, 400, form(model(content)))
    assert says in error["message"]
    assert error["fields"] == "model"


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"data": b"{}", "content_type": "application/json"}, "multipart/form-data"),
        ({"data": b"--abc\r\n", "content_type": "multipart/form-data"}, "boundary"),
        ({**form(model()), "data": form(model())["data"][:-10]}, "closing boundary"),
        ({**form(model()), "data": b"nonsense"}, "malformed"),
        (form(model(), model()), "twice"),
        (form(text("description", "x" * 1_100_000), model()), "longer than"),
        (form(("Content-Disposition: form-data; name=description", b"\xff")), "UTF-8"),
        (form(model(), text("operationId", "a\nb")), "control"),
    ],
    ids=["json", "no-boundary", "cut", "nonsense", "twice", "long", "latin", "alias"],
)
def test_a_form_that_cannot_be_right_is_400(
    request_: dict[str, Any], says: str, client: APIClient
) -> None:
    assert says in refusal(client, 400, request_)["message"]


# -- patching ------------------------------------------------------------------------------------


def test_a_patch_replaces_the_model(alice: User, client: APIClient) -> None:
    before = create_realtime(alice, description="kept", operation_id="predict")
    response = client.patch(PATH, **form(model(contained(adding(2)))))
    assert body_of(response, 200, PATCH) == "v1"
    patched = Version.objects.get()
    assert patched.payload_id != before.payload_id
    assert patched.bundle_id != before.bundle_id
    assert (patched.description, patched.operation_id) == ("kept", "predict")


def test_a_patch_of_the_description_keeps_the_model(alice: User, client: APIClient) -> None:
    before = create_realtime(alice, operation_id="predict")
    client.patch(PATH, **form(text("description", "new"), text("operationId", "")))
    patched = Version.objects.get()
    assert (patched.description, patched.operation_id) == ("new", None)
    assert (patched.payload_id, patched.bundle_id) == (before.payload_id, before.bundle_id)


def test_an_empty_patch_changes_nothing_that_shows(alice: User, client: APIClient) -> None:
    create_realtime(alice, description="kept")
    before = client.get("/services").json()
    assert client.patch(PATH).status_code == 200
    assert client.get("/services").json() == before


def test_a_broken_model_leaves_the_version_as_it_was(alice: User, client: APIClient) -> None:
    create_realtime(alice)
    request = form(text("description", "new"), model(b"blobONNXgarbage"))
    assert refusal(client, 400, request, method="PATCH")["fields"] == "model"


def test_only_publisher_and_owner_may_patch(
    alice: User, bob: User, admin: User, client_for: ClientFor
) -> None:
    create_realtime(alice)
    request = form(text("description", "new"))
    refusal(client_for(bob), 403, request, method="PATCH")
    assert client_for(admin).patch(PATH, **request).status_code == 200


def test_patching_an_unknown_version_is_404(client: APIClient) -> None:
    refusal(client, 404, form(model()), method="PATCH")


def test_versions_that_run_code_are_not_patched_here(alice: User, client: APIClient) -> None:
    create_version(alice)
    error = refusal(client, 400, form(model()), method="PATCH")
    assert "PATCH /services" in error["message"]


def test_models_are_not_patched_at_services(alice: User, client: APIClient) -> None:
    create_realtime(alice)
    before = published()
    response = client.patch("/services/churn/v1", {"description": "new"}, format="json")
    error = error_of(response, 400, "patchWebServiceVersion")
    assert "PATCH /realtime-services" in error["message"]
    assert published() == before


# -- the rest of its life ------------------------------------------------------------------------


def test_it_is_deleted_at_services(alice: User, client: APIClient) -> None:
    create_realtime(alice)
    assert client.delete("/services/churn/v1").status_code == 200
    assert not Version.objects.exists()


def test_its_swagger_has_data_frames_in_and_out(alice: User) -> None:
    version = create_realtime(alice, operation_id="predict")
    made = json.loads(json.dumps(document(version)))
    frame = {"type": "object", "description": "data.frame"}
    assert made["definitions"]["InputParameters"]["properties"] == {"inputData": frame}
    assert made["definitions"]["OutputParameters"]["properties"] == {"outputData": frame}
    assert made["paths"]["/api/churn/v1"]["post"]["operationId"] == "predict"
    assert "outputFiles" not in made["definitions"]["WebServiceResult"]["properties"]
