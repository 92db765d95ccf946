"""What the console has of compute nodes and sessions."""

from nodes.console import (
    changing,
    commands,
    declaring,
    entry_list,
    node_list,
    node_page,
    session_list,
)

__all__ = [
    "changing",
    "commands",
    "declaring",
    "entry_list",
    "node_list",
    "node_page",
    "session_list",
]
