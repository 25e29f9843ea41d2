"""The errors of swath, named by what the one who catches them must do."""

from __future__ import annotations


class SwathError(Exception):
    """Root of all errors of swath: what was wrong and where, and in `hint` what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class SpecError(SwathError):
    """The sweep file is wrong: mend the file."""


class UsageError(SwathError):
    """A call or a command was wrong: mend the call."""


class NotFound(UsageError):
    """No sweep, run or file of that name: name another one."""


class NotAllowed(SwathError):
    """The move is not legal in the present state: bring the subject into another state first."""


class RetryLater(SwathError):
    """The other side cannot answer now: ask again later, nothing was lost."""


class LeaseLost(SwathError):
    """The trial belongs to another attempt now: drop it and write nothing more to it."""


class OutOfStep(SwathError):
    """The other side holds another part than was thought: ask what it holds, and go on from there."""


class SweepOver(SwathError):
    """The sweep hands out no more trials: stop asking."""


class StoreCorrupt(SwathError):
    """The store or a run log holds what it cannot hold: stop and look, do not write."""


class StoreFull(SwathError):
    """The store's disk takes nothing more, or nothing at all: make room, then go on; what was stored is safe."""


class TrialStopped(SystemExit):
    """Raised by `log()` inside a trial that the controller has decided to stop.

    A `SystemExit`, so that `except Exception` in a training loop does not swallow it, `with` blocks and `finally`
    unwind, and a program that does not catch it ends quietly with code 0. `reason` is a sentence for people.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(0)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason
