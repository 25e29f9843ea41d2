"""The name of this machine, as run logs, agents and leases write it."""

from __future__ import annotations

import os


def this_host() -> str:
    """The machine's name. Two processes with the same one see each other's process ids."""
    return os.uname().nodename
