"""The compute node runtime stands alone: no Django, nothing of the web node."""

import subprocess
import sys

from tests.nodes.runtime.running import ROOT

PROBE = """
import importlib, pkgutil, sys
import nodes.runtime
for module in pkgutil.walk_packages(nodes.runtime.__path__, "nodes.runtime."):
    importlib.import_module(module.name)
print("\\n".join(sys.modules))
"""


def test_no_module_of_the_runtime_imports_django_or_the_web_node() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = answer.stdout.split()
    assert "nodes.runtime.server" in modules
    assert "nodes.runtime.shells.python_shell" in modules
    allowed = ("nodes.runtime", "nodes.runtime.")
    strangers = [
        name
        for name in modules
        if name.split(".")[0] in ("django", "rest_framework", "mlops", "services")
        or (name.startswith("nodes.") and not name.startswith(allowed))
    ]
    assert strangers == []
