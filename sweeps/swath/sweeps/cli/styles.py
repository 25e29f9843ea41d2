"""Colours and consoles: which colour a state has, and where text for people goes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

STATE_STYLES = {
    "finished": "green",
    "stopped": "yellow",
    "failed": "red",
    "killed": "magenta",
    "lost": "red",
    "damaged": "red",
    "running": "cyan",
    "queued": "dim",
    "pending": "dim",
    "paused": "yellow",
    "finishing": "cyan",
    "cancelled": "magenta",
    "working": "cyan",
    "idle": "dim",
    "draining": "yellow",
    "stopping": "yellow",
    "silent": "red",
    "left": "dim",
    "dead": "red",
}


#: Off a terminal nothing is wrapped: a line is as long as what it says.
PLAIN_WIDTH = 1000


def console(stderr: bool = False) -> Console:
    """A console for people; off a terminal it is plain and as wide as its text."""
    from rich.console import Console

    # The stream of now: a trial that runs in this process puts another one in its place to record what it prints.
    stream = sys.stderr if stderr else sys.stdout
    made = Console(file=stream, highlight=False)
    if not made.is_terminal:
        made = Console(file=stream, highlight=False, width=PLAIN_WIDTH, no_color=True)
    return made


def style_of(state: str) -> str:
    """The colour of a state's name."""
    return STATE_STYLES.get(state, "")
