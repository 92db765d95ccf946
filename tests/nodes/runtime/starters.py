"""Starters of shells for tests in the test's own process."""

from pathlib import Path
from typing import TypeVar

from nodes.runtime.config import NodeConfig
from nodes.runtime.control_groups import ControlGroups
from nodes.runtime.housing import Housing
from nodes.runtime.processes import Children
from nodes.runtime.starting import Starter
from nodes.runtime.template import Template

S = TypeVar("S", bound=Starter)


def starter_of(kind: type[S], config: NodeConfig, work_root: Path) -> S:
    """A starter whose shells have their homes below the directory."""
    children = Children()
    groups = ControlGroups(config.shell_max_processes)
    housing = Housing(config, work_root, children, groups)
    return kind(config, housing, Template(config, work_root, children), children)
