"""Tells a broken program from bad luck: counts the failures at an agent's beginning. Decides nothing else."""

from __future__ import annotations

import signal

from swath.agents.protocol import Outcome
from swath.tracking.clock import Clock

#: Signals by which a program kills itself; SIGKILL and SIGTERM come from outside and say nothing about the program.
SELF_INFLICTED = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS}
)


class Flapping:
    """Says when `limit` trials failed in the first `window_s` seconds and none has finished: the program is broken.

    The window begins with the first trial, not with the agent: waiting for work must not use it up.
    """

    def __init__(self, clock: Clock, limit: int = 3, window_s: float = 60.0) -> None:
        self._clock = clock
        self._limit = limit
        self._window_s = window_s
        self._began: float | None = None
        self._failures: list[Outcome] = []
        self._healthy = False

    def begin(self) -> None:
        """A trial begins."""
        if self._began is None:
            self._began = self._clock.monotonic()

    def ended(self, outcome: Outcome) -> str | None:
        """Count an outcome; the message for people when the agent should stop, else None."""
        if outcome.ending in ("finished", "stopped"):
            self._healthy = True
        if self._healthy or not _own_fault(outcome) or not self._in_window():
            return None
        self._failures.append(outcome)
        return self._message() if len(self._failures) >= self._limit else None

    def _in_window(self) -> bool:
        return self._began is not None and self._clock.monotonic() - self._began <= self._window_s

    def _message(self) -> str:
        last = self._failures[-1]
        how = f"exit code {last.exit_code}" if last.signal is None else f"signal {last.signal}"
        output = last.error.strip() or "(it printed nothing)"
        return (
            f"the first {len(self._failures)} trials all failed within {self._window_s:.0f} s and none finished"
            f" (the last one with {how}): the program is broken, this agent stops.\nIts last lines:\n{output}"
        )


def _own_fault(outcome: Outcome) -> bool:
    return outcome.ending == "failed" or (outcome.ending == "crashed" and outcome.signal in SELF_INFLICTED)
