"""The documents of versions against the official schema of Swagger 2.0."""

from typing import Any

import pytest

from services import swagger
from services.models import Service, Version
from services.schema import PARAMETER_TYPES
from tests.clients import swagger_driven

pytestmark = pytest.mark.filterwarnings(swagger_driven.IGNORED_WARNINGS)

EVERY_TYPE = [{"name": f"a {kind}", "type": kind} for kind in PARAMETER_TYPES]


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"input_parameters": EVERY_TYPE, "output_parameters": EVERY_TYPE},
        {"output_files": ["a.png", "ü b.csv"]},
        {"operation_id": "predict", "description": "Who leaves?"},
        {"version": "1.0 + ü"},
        {"runtime_type": "Realtime"},
    ],
    ids=lambda stored: ",".join(stored) or "nothing",
)
def test_a_document_is_valid_swagger(stored: dict[str, Any]) -> None:
    version = {"version": "v1", "input_parameters": [], "output_parameters": [], **stored}
    swagger_driven.validate(swagger.document(Version(service=Service(name="churn"), **version)))
