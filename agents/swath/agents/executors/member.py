"""One started process of an attempt, as its supervisor holds it: its exit, its output, signals to all it started."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Protocol

from swath.agents.executors.group import descendants, kill_all, remove_mark, signal_group, write_mark
from swath.agents.executors.output import AgentLog, Echo, Pipe, Tail
from swath.tracking.clock import Clock


class Child(Protocol):
    """A started process that leads a process group of its own."""

    pid: int

    @property
    def exit_fd(self) -> int | None:
        """Readable once the process has ended; None where the system has no such thing."""
        ...

    def poll(self) -> int | None:
        """The exit code when it has ended (negative: the signal that ended it), else None."""
        ...

    def close(self) -> None: ...


Born = tuple[Child, dict[str, int]]
"""A started child, and the reading ends of its streams by name."""


class Member:
    """A child under supervision. `rank` is 0 for the one process of most trials.

    `signalled`: it was told to end while it ran, so that its exit code says nothing of the program.
    """

    def __init__(
        self, born: Born, run_dir: Path, attempt: int, log: AgentLog, clock: Clock, echo: Echo | None, rank: int = 0
    ) -> None:
        self.child, streams = born
        self.rank = rank
        self.code: int | None = None
        self.signalled = False
        self.tail = Tail()
        label = f"[rank {rank}] " if rank else ""
        self.pipes = [Pipe(fd, name, log, self.tail, clock, echo, label) for name, fd in streams.items()]
        self._run_dir = run_dir
        self._attempt = attempt
        write_mark(run_dir, attempt, self.child.pid, rank)

    def poll(self) -> bool:
        """Whether it has ended."""
        if self.code is None:
            self.code = self.child.poll()
        return self.code is not None

    def signal(self, number: int) -> None:
        """To the group, or to the child alone when it has not made its group yet; SIGKILL to all it started."""
        self.signalled = True
        strays = descendants(self.child.pid) if number == signal.SIGKILL else []
        signal_whole(self.child, number)
        kill_all(strays)

    def sweep_up(self) -> None:
        """The child is gone: so goes the rest of its group."""
        signal_group(self.child.pid, signal.SIGKILL)

    def close_pipes(self) -> None:
        for pipe in self.pipes:
            pipe.close()

    def close(self) -> None:
        self.close_pipes()
        self.child.close()
        remove_mark(self._run_dir, self._attempt, self.rank)


def signal_whole(child: Child, number: int) -> None:
    """A signal to the group of `child`, or to it alone when it has not made its group yet."""
    if not signal_group(child.pid, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, number)


def discard(born: Born) -> None:
    """End a child that nobody is going to watch."""
    child, streams = born
    signal_whole(child, signal.SIGKILL)
    for fd in streams.values():
        with contextlib.suppress(OSError):
            os.close(fd)
    child.close()
