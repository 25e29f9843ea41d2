"""What an executor is: the protocol of the three ways to run one attempt of a trial. Runs nothing itself."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from swath.agents.protocol import Assignment, Ending, Job, Outcome
from swath.tracking.context import TrialContext


class Execution(Protocol):
    """One running attempt.

    `wait` blocks the agent's main thread until the attempt is over and everything it started is gone. `stop`,
    `terminate` and `kill` may be called from any thread and from a signal handler, in any order and more than once,
    also after the end. They return at once. The ending they name is the outcome's, whatever the exit code; the first
    one named counts.
    """

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that were started for this attempt; none when it runs in this process."""
        ...

    def wait(self) -> Outcome:
        """Block until the end. Never raises for what the trial did; `KeyboardInterrupt` and the like pass through."""
        ...

    def stop(self, reason: str, ending: Ending = "stopped") -> None:
        """Ask the trial to end: its next `log()` raises; after `grace_s` comes SIGTERM, after as much again SIGKILL."""
        ...

    def terminate(self, reason: str, ending: Ending = "killed") -> None:
        """SIGTERM to the trial's process group at once, SIGKILL after at most 5 seconds."""
        ...

    def kill(self, reason: str, ending: Ending = "killed") -> None:
        """SIGKILL to the trial's process group at once."""
        ...

    def interrupt(self) -> None:
        """For signal handlers of the thread that waits: raise `TrialStopped` out of a trial that runs in it."""
        ...


class Executor(Protocol):
    """Runs attempts of one job's trials, one after the other.

    A trial that runs in this process (`inline`) cannot be terminated: all three ways to end it act at its next `log()`.
    """

    #: Whether trials run in the agent's own process, so that a row can be delivered before `log()` returns.
    inline: bool

    def prepare(self, job: Job) -> None:
        """Check that the job's task can run here, and warm up. Raises `TaskError`; may be called again."""
        ...

    def start(self, assignment: Assignment, job: Job, run_dir: Path, context: TrialContext) -> Execution:
        """Begin an attempt. What cannot start (a missing program, no memory) is a failed outcome, not an exception."""
        ...

    def interrupt(self) -> None:
        """For signal handlers of the thread that prepares or starts: if that waits for an import, it ends.

        `prepare` then raises `TaskError` or `TrialStopped`; what `start` began comes to no good end.
        """
        ...

    def close(self) -> None:
        """Give back what `prepare` took; `prepare` may follow."""
        ...
