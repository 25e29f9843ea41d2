"""A clock that stands still until a test moves it."""

from __future__ import annotations

import threading


class FakeClock:
    """Implements `Clock`; `sleep` moves the time on instead of waiting."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        self._time = start
        self._lock = threading.Lock()

    def now(self) -> float:
        return self._time

    def monotonic(self) -> float:
        return self._time

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._time += max(seconds, 0.0)
