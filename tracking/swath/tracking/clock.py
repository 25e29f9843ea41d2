"""The one module that reads the time and sleeps; everything else is handed a `Clock`."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Time as swath sees it, in seconds."""

    def now(self) -> float:
        """Seconds since the epoch: what is stored and shown."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards: what intervals are measured with."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


SYSTEM_CLOCK: Clock = SystemClock()
