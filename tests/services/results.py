"""Scoring a version as the commands do."""

import json
from typing import Any

from nodes.compute_node import run_sync
from services.catalogue import PublishedVersion
from services.models import Version
from services.scoring import score


def outputs_of(version: Version, inputs: dict[str, Any] | None = None) -> dict[str, Any]:
    """The output parameters of one run that succeeds."""
    body = json.dumps(inputs or {}).encode()
    answer = run_sync(score(PublishedVersion.of(version), body, correlation_id="test"))
    result = json.loads(answer)
    assert result["success"], result["errorMessage"]
    outputs: dict[str, Any] = result["outputParameters"]
    return outputs
