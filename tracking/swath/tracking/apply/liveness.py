"""Whether a process of this machine still lives, asked of the operating system."""

from __future__ import annotations

import psutil

from swath.tracking.host import this_host

#: The clock of processes ticks in hundredths of a second, and a process notes its start a while after it began.
_SLACK_S = 2.0


def is_gone(host: str, pid: int, started: float) -> bool:
    """True only for a certainty: a process of this host that has ended, or whose pid is another's by now."""
    if host != this_host():
        return False
    try:
        process = psutil.Process(pid)
        return process.status() == psutil.STATUS_ZOMBIE or process.create_time() > started + _SLACK_S
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
