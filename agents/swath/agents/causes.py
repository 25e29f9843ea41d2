"""Why an attempt ended, where its exit code does not tell: out of memory, or hung. Ends nothing itself."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec

from swath.agents.protocol import Outcome
from swath.tracking import layout
from swath.tracking.clock import Clock
from swath.tracking.errors import StoreCorrupt
from swath.tracking.runlog.frames import HEADER_SIZE, kinds_in
from swath.tracking.runlog.logfile import read_from
from swath.tracking.runlog.records import Facts, System

#: What a shell, or a program that ends as its child did, leaves with when that was killed by SIGKILL.
_KILLED_EXIT = 128 + signal.SIGKILL
#: What a program says at its end: Python's and numpy's error, torch's and CUDA's, C++'s, XLA's.
_OUT_OF_MEMORY = re.compile(
    r"^(?:[\w.]+\.)?_?\w*(?:MemoryError|OutOfMemoryError)\b(?=:|\s*$)"
    r"|CUDA out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED|HIP out of memory"
    r"|std::bad_alloc|RESOURCE_EXHAUSTED: Out of memory",
    re.MULTILINE,
)
_LAST_LINES = 20
#: The kernel's counter is looked at so often, and has counted an attempt's end when it rose that shortly before.
_WINDOW_S = 2.0
#: A silence is measured to this part of itself.
_LOOKS = 20
#: What the tracker writes by itself, also into the log of a program that hangs.
_NO_LIFE = frozenset({System.__struct_config__.tag, Facts.__struct_config__.tag})


def with_cause(outcome: Outcome, killed_for_memory: Callable[[], bool], hung: bool) -> Outcome:
    """`outcome` with its cause. `killed_for_memory`: whether the kernel has just killed a process for memory."""
    cause = ""
    if hung and outcome.ending == "crashed":
        cause = "hung"
    elif outcome.ending in ("failed", "crashed") and (
        (_was_killed(outcome) and killed_for_memory()) or says_out_of_memory(outcome.error)
    ):
        cause = "oom"
    return msgspec.structs.replace(outcome, cause=cause) if cause else outcome


def says_out_of_memory(text: str) -> bool:
    """Whether the last lines of a program's output tell that it got no memory."""
    return _OUT_OF_MEMORY.search("\n".join(text.splitlines()[-_LAST_LINES:])) is not None


def _was_killed(outcome: Outcome) -> bool:
    return outcome.signal == signal.SIGKILL or outcome.exit_code == _KILLED_EXIT


class OomKills:
    """Tells from the kernel's counter whether it has just killed a process here for memory.

    The counter holds for all processes of this agent's group, so that only its latest rise speaks of one attempt.
    """

    def __init__(self, count: Callable[[], int | None], clock: Clock) -> None:
        self._count = count
        self._clock = clock
        self._looked = clock.monotonic()
        self._before = self._latest = count()

    def look(self) -> None:
        """Remember the counter; to be called often."""
        now = self._clock.monotonic()
        if now - self._looked >= _WINDOW_S:
            self._looked = now
            self._before, self._latest = self._latest, self._count()

    def rose(self) -> bool:
        """Whether it rose within the last few seconds. Where there is no counter it never does."""
        count = self._count()
        return count is not None and self._before is not None and count > self._before


class Silence:
    """How long an attempt has neither printed nor reported anything; what the tracker samples by itself is no life."""

    def __init__(self, run_dir: Path, attempt: int, hang_after_s: float, now: float) -> None:
        self.hang_after_s = hang_after_s
        self._run_dir = run_dir
        self._attempt = attempt
        self._alive = now
        self._looked = now
        self._read: dict[str, int] = {}

    def lasts(self, now: float) -> bool:
        """Whether it has lasted so long that the program hangs. To be asked often: it seldom reads anything."""
        if now - self._looked < self.hang_after_s / _LOOKS:
            return False
        self._looked = now
        if self._shows_life():
            self._alive = now
        return now - self._alive >= self.hang_after_s

    def _shows_life(self) -> bool:
        found: set[int] = set()
        for path in layout.segments(self._run_dir, self._attempt):
            offset = self._read.get(path.name, HEADER_SIZE)
            try:
                kinds, consumed = kinds_in(read_from(path, offset))
            except (StoreCorrupt, OSError):
                continue
            self._read[path.name] = offset + consumed
            found |= kinds
        return bool(found - _NO_LIFE)
