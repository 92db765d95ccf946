"""Scorers of realtime versions within the process of the tests."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nodes.runtime.bundles import Bundle
from nodes.runtime.config import NodeConfig
from nodes.runtime.manifests import parse_manifest
from nodes.runtime.realtime.scoring import RealtimeScorer
from nodes.runtime.starting import PythonStarter
from nodes.runtime.translators import Translators
from tests.nodes.runtime.running import realtime_manifest
from tests.nodes.runtime.starters import starter_of


class Place:
    """A scorer and bundles for it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def bundle(self, name: str, payload: bytes) -> Bundle:
        directory = self.root / name
        (directory / "files").mkdir(parents=True)
        (directory / "files" / "model.onnx").write_bytes(payload)
        manifest = parse_manifest(json.loads(realtime_manifest(payload)))
        return Bundle(name, directory, manifest)

    def scorer(self, **settings: Any) -> RealtimeScorer:
        config = NodeConfig(
            cluster_key="",
            data_dir=self.root,
            python=sys.executable,
            rscript="",
            **{"realtime_threads": 1, **settings},
        )
        starter = starter_of(PythonStarter, config, self.root)
        return RealtimeScorer(Translators(starter, config), config)


def body(x: float) -> bytes:
    return json.dumps({"inputData": {"x": [x]}}).encode()


async def until(condition: Callable[[], Any]) -> None:
    """Returns when the condition holds, looked at where nothing changes meanwhile."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)
