"""Watches the processes of an attempt to their end: pumps output, carries out stop requests, leaves nothing behind.

Most attempts are one process. Those of a gang (several ranks) end together: the death of one ends the others.

All signals are sent from the thread that waits, so that a process number is never used after it was given back.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
from collections.abc import Sequence
from pathlib import Path

from swath.agents.executors.member import Born, Member, discard
from swath.agents.executors.output import AgentLog, Echo, Pipe
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
#: After a kill verdict, or the death of another rank.
_KILL_GRACE_S = 5.0
#: How long the others may take once one rank has followed a stop request: they may wait for it for ever.
_FOLLOW_S = 2.0

REQUEST, TERMINATE, KILL = 1, 2, 3


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
    """The `Execution` of child processes: one, or the ranks of a gang that run on this machine.

    `writer` names the segment of their output. Only the supervisor of rank 0 records how the attempt ended.
    """

    def __init__(
        self,
        born: Sequence[tuple[int, Born]],
        run_dir: Path,
        attempt: int,
        grace_s: float,
        clock: Clock,
        wake: Wake,
        echo: Echo | None = None,
        writer: str = "agent",
    ) -> None:
        self._grace_s = grace_s
        self._clock = clock
        self._wish = Wish()
        self._requests = StopRequests(run_dir, attempt)
        self._log = AgentLog(run_dir, attempt, writer)
        self._members = [Member(each, run_dir, attempt, self._log, clock, echo, rank) for rank, each in born]
        self._alive = list(self._members)
        self._wake = wake
        self._ended = False
        self._level = 0
        self._deadline: float | None = None

    @property
    def pids(self) -> tuple[int, ...]:
        return () if self._ended else tuple(member.child.pid for member in self._members)

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
            self._watch()
            self._drain()
            return self._outcome()
        except BaseException:
            self._escalate(KILL)
            raise
        finally:
            self._release()

    def _watch(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake.fd, selectors.EVENT_READ)
            for member in self._members:
                if member.child.exit_fd is not None:
                    selector.register(member.child.exit_fd, selectors.EVENT_READ)
                for pipe in member.pipes:
                    selector.register(pipe.fd, selectors.EVENT_READ, pipe)
            while self._look(selector):
                for key, _ in selector.select(self._patience()):
                    self._serve(key, selector)
                for member in self._members:
                    for pipe in member.pipes:
                        pipe.tick()
                self._carry_out()

    def _look(self, selector: selectors.BaseSelector) -> bool:
        """See who has ended; whether anybody is alive."""
        for member in [each for each in self._alive if each.poll()]:
            self._alive.remove(member)
            if member.child.exit_fd is not None:
                selector.unregister(member.child.exit_fd)
            member.sweep_up()
        if len(self._alive) < len(self._members):
            self._hurry()
        return bool(self._alive)

    def _hurry(self) -> None:
        """One rank is gone. If it failed the others end now; if it followed a stop request they have a moment to."""
        if self._alive and self._level < TERMINATE and self._culprit() is not None and not self._wish.ending:
            self._escalate(TERMINATE)
        elif self._level == REQUEST and self._deadline is not None:
            self._deadline = min(self._deadline, self._clock.monotonic() + _FOLLOW_S)

    def _culprit(self) -> Member | None:
        """Who failed by itself; one that a signal ended before others: their errors may come of its death."""
        failed = [member for member in self._members if member.code and not member.signalled]
        return min(failed, key=lambda member: (member.code or 0) > 0, default=None)

    def _serve(self, key: selectors.SelectorKey, selector: selectors.BaseSelector) -> None:
        if key.fd == self._wake.fd:
            self._wake.hush()
        elif isinstance(key.data, Pipe):
            fd = key.fd
            key.data.read()
            if not key.data.open:
                selector.unregister(fd)

    def _patience(self) -> float:
        unseen = any(member.child.exit_fd is None for member in self._alive)
        return _TICK_S if self._level or unseen else _SLOW_TICK_S

    def _carry_out(self) -> None:
        """Bring the processes to the level that is wished, and one level further when their time is up."""
        if self._deadline is not None and self._clock.monotonic() >= self._deadline and self._level < KILL:
            self._escalate(self._level + 1)
        if self._wish.level > self._level:
            self._escalate(self._wish.level)
        if self._level and self._wish.ending:
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
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        for member in self._alive:
            member.poll()  # what ended by itself meanwhile was not ended by this
            if member.code is None:
                member.signal(number)

    def _drain(self) -> None:
        """Take what is left in the pipes, for a bounded time."""
        until = self._clock.monotonic() + _DRAIN_S
        reads = 0
        with selectors.DefaultSelector() as selector:
            for member in self._members:
                for pipe in member.pipes:
                    if pipe.open:
                        selector.register(pipe.fd, selectors.EVENT_READ, pipe)
            while selector.get_map() and self._clock.monotonic() < until and reads < _MOST_READS:
                for key, _ in selector.select(max(0.0, until - self._clock.monotonic())):
                    self._serve(key, selector)
                    reads += 1

    def _outcome(self) -> Outcome:
        for member in self._members:
            member.close_pipes()
        failed = self._members[0]
        if not self._wish.ending:
            failed = self._culprit() or next((member for member in self._members if member.code), failed)
        code = failed.code or 0
        number = -code if code < 0 else None
        exit_code = code if code >= 0 else None
        ending = self._wish.ending or _ending_of(code)
        error = "" if ending == "finished" else self._error(failed, number)
        if self._members[0].rank == 0 and (self._log.opened or ending != "finished"):
            stopped = code == 0 and ending != "finished"
            self._log.finish(self._clock.now(), exit_code, number, error, stopped=stopped)
        return Outcome(ending, exit_code, number, error)

    def _error(self, failed: Member, number: int | None) -> str:
        head = self._wish.reason if self._wish.ending else ""
        who = f"rank {failed.rank} " if failed.rank else ""
        if not head and number is not None:
            head = f"{who}{'was ' if who else ''}killed by {_signal_name(number)}"
        elif not head and who:
            head = f"{who}left with exit code {failed.code}"
        return "\n".join(part for part in (head, failed.tail.text()) if part)

    def _release(self) -> None:
        self._ended = True
        for member in self._members:
            member.close()
        self._log.close()


def supervise(
    born: Sequence[tuple[int, Born]],
    run_dir: Path,
    attempt: int,
    grace_s: float,
    clock: Clock,
    wake: Wake,
    echo: Echo | None = None,
    writer: str = "agent",
) -> Supervised | NotStarted:
    """Take started children, each with its rank, under supervision; else end them."""
    try:
        return Supervised(born, run_dir, attempt, grace_s, clock, wake, echo, writer)
    except OSError as error:
        for _, each in born:
            discard(each)
        return NotStarted(f"its process cannot be watched and was killed: {error}", run_dir, attempt, clock, writer)


def _ending_of(code: int) -> Ending:
    if code == 0:
        return "finished"
    return "crashed" if code < 0 else "failed"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
