"""The programs that run inside shells; the Python ones are loaded there under another package."""

from pathlib import Path

LAUNCH = str(Path(__file__).with_name("launch.py"))
