"""Virtual environments of the peers, one each, made of pinned requirements when first asked for."""

import hashlib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = HERE / "environments"


def requirements_of(name: str) -> Path:
    """The pinned requirements of a peer."""
    return HERE / "requirements" / f"{name}.txt"


def prepare(name: str) -> Path:
    """The folder with the commands of the environment `name`; one that is up to date stays."""
    folder = ENVIRONMENTS / name
    stamp = folder / "installed"
    requirements = requirements_of(name)
    state = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != state:
        sys.stdout.write(f"Installing {name}\n")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--no-input"]
        options = ["--disable-pip-version-check", "--no-deps", "-r", str(requirements)]
        subprocess.run([*pip, *options], check=True)
        stamp.write_text(state)
    return folder / "bin"
