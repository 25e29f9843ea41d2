"""Executions of what does not run: an attempt that could not be started, and one that is not started yet."""

from __future__ import annotations

from pathlib import Path

from swath.agents.executors.output import AgentLog
from swath.agents.protocol import Ending, Outcome
from swath.tracking.clock import Clock


class NotStarted:
    """The `Execution` of what could not be started: failed, with the reason, unless it was not wanted any more."""

    def __init__(self, error: str, run_dir: Path, attempt: int, clock: Clock, writer: str = "agent") -> None:
        self._error = error
        self._log = AgentLog(run_dir, attempt, writer)
        self._clock = clock
        self._wish: Ending | None = None

    @property
    def pids(self) -> tuple[int, ...]:
        return ()

    def wait(self) -> Outcome:
        self._log.finish(self._clock.now(), None, None, self._error)
        self._log.close()
        return Outcome(self._wish or "failed", error=self._error)

    def stop(self, reason: str, ending: Ending = "stopped") -> None:
        self._wish = self._wish or ending

    def terminate(self, reason: str, ending: Ending = "killed") -> None:
        self._wish = self._wish or ending

    def kill(self, reason: str, ending: Ending = "killed") -> None:
        self._wish = self._wish or ending

    def interrupt(self) -> None:
        """Nothing runs here."""


class Nothing:
    """The `Execution` of an attempt that is not started yet: what it is asked is asked again later."""

    @property
    def pids(self) -> tuple[int, ...]:
        return ()

    def wait(self) -> Outcome:
        return Outcome("preempted")

    def stop(self, reason: str, ending: Ending = "stopped") -> None:
        """Nothing runs here."""

    def terminate(self, reason: str, ending: Ending = "killed") -> None:
        """Nothing runs here."""

    def kill(self, reason: str, ending: Ending = "killed") -> None:
        """Nothing runs here."""

    def interrupt(self) -> None:
        """Nothing runs here."""
