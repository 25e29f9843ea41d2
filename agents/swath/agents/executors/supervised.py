"""Watches one child process to its end: pumps its output, carries out stop requests, leaves no process behind.

All signals are sent from the thread that waits, so that a process number is never used after it was given back.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
from pathlib import Path
from typing import Protocol

from swath.agents.executors.group import descendants, kill_all, remove_mark, signal_group, write_mark
from swath.agents.executors.output import AgentLog, Echo, Pipe, Tail
from swath.agents.executors.unstarted import NotStarted
from swath.agents.protocol import Ending, Outcome
from swath.tracking.clock import Clock
from swath.tracking.runlog.logfile import request_stop

#: How often a stop request is repeated for segments that appear late, and a child without an exit event is looked at.
_TICK_S = 0.05
_SLOW_TICK_S = 0.5
#: After its group is dead, what a stranger still holding the pipe may add.
_DRAIN_S = 0.5
_MOST_READS = 1024
#: After a kill verdict.
_KILL_GRACE_S = 5.0

REQUEST, TERMINATE, KILL = 1, 2, 3


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


class Wake:
    """Ends a wait early. One for an executor's whole life: a late ring must never hit a file that got its number."""

    def __init__(self) -> None:
        self.fd, self._ring = os.pipe()
        self.open = True
        os.set_blocking(self.fd, False)
        os.set_blocking(self._ring, False)

    def ring(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._ring, b"!")

    def hush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 4096)

    def close(self) -> None:
        if self.open:
            self.open = False
            os.close(self.fd)
            os.close(self._ring)


class Wish:
    """What was asked of a running attempt. Written by any thread or signal handler, without locks."""

    def __init__(self) -> None:
        self.level = 0
        self.reason = ""
        self.ending: Ending | None = None

    def raise_to(self, level: int, reason: str, ending: Ending) -> None:
        if self.ending is None:
            self.reason, self.ending = reason, ending
        self.level = max(self.level, level)


class StopRequests:
    """Carries a stop request into every segment of an attempt, also into those that appear after it was made."""

    def __init__(self, run_dir: Path, attempt: int) -> None:
        self._run_dir = run_dir
        self._pattern = f"{attempt:04d}*.log"
        self._asked: set[str] = set()

    def ask(self, reason: str) -> None:
        for path in self._run_dir.glob(self._pattern):
            if path.name not in self._asked and request_stop(path, reason):
                self._asked.add(path.name)


class Supervised:
    """The `Execution` of a child process."""

    def __init__(
        self,
        child: Child,
        streams: dict[str, int],
        run_dir: Path,
        attempt: int,
        grace_s: float,
        clock: Clock,
        wake: Wake,
        echo: Echo | None = None,
    ) -> None:
        self._child = child
        self._run_dir = run_dir
        self._attempt = attempt
        self._grace_s = grace_s
        self._clock = clock
        self._wish = Wish()
        self._requests = StopRequests(run_dir, attempt)
        self._log = AgentLog(run_dir, attempt)
        self._tail = Tail()
        self._pipes = [Pipe(fd, name, self._log, self._tail, clock, echo) for name, fd in streams.items()]
        self._wake = wake
        self._ended = False
        self._level = 0
        self._deadline: float | None = None
        write_mark(run_dir, attempt, child.pid)

    @property
    def pids(self) -> tuple[int, ...]:
        return () if self._ended else (self._child.pid,)

    def stop(self, reason: str, ending: Ending = "stopped") -> None:
        self._ask(REQUEST, reason, ending)

    def terminate(self, reason: str, ending: Ending = "killed") -> None:
        self._ask(TERMINATE, reason, ending)

    def kill(self, reason: str, ending: Ending = "killed") -> None:
        self._ask(KILL, reason, ending)

    def interrupt(self) -> None:
        """The trial runs in another process."""

    def _ask(self, level: int, reason: str, ending: Ending) -> None:
        if not self._ended:
            self._wish.raise_to(level, reason, ending)
            self._wake.ring()

    def wait(self) -> Outcome:
        try:
            code = self._watch()
            self._sweep_up()
            return self._outcome(code)
        except BaseException:
            self._escalate(KILL)
            raise
        finally:
            self._release()

    def _watch(self) -> int:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake.fd, selectors.EVENT_READ)
            if self._child.exit_fd is not None:
                selector.register(self._child.exit_fd, selectors.EVENT_READ)
            for pipe in self._pipes:
                selector.register(pipe.fd, selectors.EVENT_READ, pipe)
            while (code := self._child.poll()) is None:
                for key, _ in selector.select(self._patience()):
                    self._serve(key, selector)
                for pipe in self._pipes:
                    pipe.tick()
                self._carry_out()
        return code

    def _serve(self, key: selectors.SelectorKey, selector: selectors.BaseSelector) -> None:
        if key.fd == self._wake.fd:
            self._wake.hush()
        elif isinstance(key.data, Pipe):
            fd = key.fd
            key.data.read()
            if not key.data.open:
                selector.unregister(fd)

    def _patience(self) -> float:
        return _TICK_S if self._level or self._child.exit_fd is None else _SLOW_TICK_S

    def _carry_out(self) -> None:
        """Bring the child to the level that is wished, and one level further when its time is up."""
        if self._deadline is not None and self._clock.monotonic() >= self._deadline and self._level < KILL:
            self._escalate(self._level + 1)
        if self._wish.level > self._level:
            self._escalate(self._wish.level)
        if self._level:
            self._requests.ask(self._wish.reason)

    def _escalate(self, level: int) -> None:
        wished = self._wish.level
        self._level = level
        if level == REQUEST:
            self._deadline = self._clock.monotonic() + self._grace_s
        elif level == TERMINATE:
            grace = self._grace_s if wished == REQUEST else min(self._grace_s, _KILL_GRACE_S)
            self._deadline = self._clock.monotonic() + grace
            self._signal(signal.SIGTERM)
        else:
            self._deadline = None
            strays = descendants(self._child.pid)
            self._signal(signal.SIGKILL)
            kill_all(strays)

    def _signal(self, number: int) -> None:
        """To the group, or to the child alone when it has not made its group yet."""
        if not signal_group(self._child.pid, number):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child.pid, number)

    def _sweep_up(self) -> None:
        """The child is gone: so goes the rest of its group. Then take what is left in the pipes, for a bounded time."""
        signal_group(self._child.pid, signal.SIGKILL)
        until = self._clock.monotonic() + _DRAIN_S
        reads = 0
        with selectors.DefaultSelector() as selector:
            for pipe in self._pipes:
                if pipe.open:
                    selector.register(pipe.fd, selectors.EVENT_READ, pipe)
            while selector.get_map() and self._clock.monotonic() < until and reads < _MOST_READS:
                for key, _ in selector.select(max(0.0, until - self._clock.monotonic())):
                    self._serve(key, selector)
                    reads += 1

    def _outcome(self, code: int) -> Outcome:
        for pipe in self._pipes:
            pipe.close()
        number = -code if code < 0 else None
        exit_code = code if code >= 0 else None
        ending = self._wish.ending or _ending_of(code)
        error = "" if ending == "finished" else self._error(ending, number)
        if self._log.opened or ending != "finished":
            stopped = code == 0 and ending != "finished"
            self._log.finish(self._clock.now(), exit_code, number, error, stopped=stopped)
        return Outcome(ending, exit_code, number, error)

    def _error(self, ending: Ending, number: int | None) -> str:
        head = self._wish.reason if self._wish.ending else ""
        if not head and number is not None:
            head = f"killed by {_signal_name(number)}"
        return "\n".join(part for part in (head, self._tail.text()) if part)

    def _release(self) -> None:
        self._ended = True
        for pipe in self._pipes:
            pipe.close()
        self._log.close()
        self._child.close()
        remove_mark(self._run_dir, self._attempt)


def supervise(
    child: Child,
    streams: dict[str, int],
    run_dir: Path,
    attempt: int,
    grace_s: float,
    clock: Clock,
    wake: Wake,
    echo: Echo | None = None,
) -> Supervised | NotStarted:
    """Take a started child, and the reading ends of its streams, under supervision; else end it."""
    try:
        return Supervised(child, streams, run_dir, attempt, grace_s, clock, wake, echo)
    except OSError as error:
        if not signal_group(child.pid, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
        for fd in streams.values():
            with contextlib.suppress(OSError):
                os.close(fd)
        child.close()
        return NotStarted(f"its process cannot be watched and was killed: {error}", run_dir, attempt, clock)


def _ending_of(code: int) -> Ending:
    if code == 0:
        return "finished"
    return "crashed" if code < 0 else "failed"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
