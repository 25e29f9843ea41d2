"""Simulated training programs: what they write into real run logs and when, and the executors that watch over them.

`ChildExecution` does what `Supervised` does around a child process, which cannot run on simulated time; the other
executor is the product's own `InlineExecutor` with a function that trains on simulated time.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from swath.agents.executors.output import AgentLog
from swath.agents.executors.supervised import KILL, REQUEST, TERMINATE, StopRequests, Wish
from swath.agents.protocol import Assignment, Ending, Job, Outcome
from swath.sweeps.testing.fleet.machine import Machine
from swath.sweeps.testing.fleet.primitives import SimClock, SimEvent
from swath.sweeps.testing.fleet.scenario import METRIC, Scenario, Script
from swath.sweeps.testing.fleet.scheduler import Scheduler
from swath.tracking.context import ENTERED, TrialContext
from swath.tracking.errors import TrialStopped
from swath.tracking.layout import segment_name
from swath.tracking.runlog.logfile import LogWriter
from swath.tracking.runlog.records import Finish, Header, Row

#: How long a program hangs before somebody kills it by hand, and how long a child may take to end, in seconds.
HANG_S = 6.0
GRACE_S = 1.0


@dataclass
class Written:
    """What the programs have logged, by trial number and attempt: what the laws hold the store against."""

    values: dict[tuple[int, int], list[float]] = field(default_factory=dict)
    trainings: list[Training] = field(default_factory=list)

    def close(self) -> None:
        """Let go of the files of programs that were never ended."""
        for training in self.trainings:
            training.end(-signal.SIGKILL)


class Training:
    """One attempt of a program as a row of moves, each with the seconds before it. Whoever runs it does the waiting."""

    def __init__(self, scenario: Scenario, number: int, context: TrialContext, clock: SimClock, written: Written):
        self._scenario = scenario
        self._number = number
        self._context = context
        self._clock = clock
        self._writer: LogWriter | None = None
        self._values = written.values.setdefault((number, context.attempt), [])
        written.trainings.append(self)
        self.script: Script = scenario.script(number, context.attempt)
        self.code: int | None = None

    def moves(self) -> Iterator[tuple[float, Callable[[], object]]]:
        """Until `code` is known: so many seconds from now, this."""
        script = self.script
        yield script.pace, self._begin
        for row in range(script.rows):
            if row == script.at and script.fate != "good":
                break
            yield script.pace, lambda row=row: self._log(row)  # type: ignore[misc]
        match script.fate:
            case "good":
                yield 0.01, lambda: self.end(0, Finish(0, self._clock.now()))
            case "fails":
                yield 0.01, lambda: self.end(1, Finish(1, self._clock.now(), "it failed"))
            case "crashes":
                yield 0.01, lambda: self.end(-signal.SIGSEGV)
            case "hangs":
                yield HANG_S, lambda: self.end(-signal.SIGKILL)

    def _begin(self) -> None:
        context = self._context
        self._writer = LogWriter(context.run_dir / segment_name(context.attempt))
        self._writer.append(Header(context.run_id, context.attempt, self._clock.now(), context.name))

    def _log(self, row: int) -> None:
        assert self._writer is not None
        value = self._scenario.value(self._number, self._context.attempt, row)
        self._values.append(value)
        self._writer.append(Row(self.script.steps[row], self._clock.now(), {METRIC: value}))
        if self._context.on_row is not None:
            self._context.on_row({METRIC: value})
        if self._writer.stop_reason is not None and not self.script.deaf:
            reason = self._writer.stop_reason
            self.end(0, Finish(0, self._clock.now(), stopped=True))
            raise TrialStopped(reason)

    def end(self, code: int, finish: Finish | None = None) -> None:
        """It exits, or is killed where it says nothing of its end."""
        if self.code is None:
            self.code = code
            if self._writer is not None:
                if finish is None:
                    self._writer.abandon()
                else:
                    self._writer.append(finish)
                    self._writer.close()


class Child:
    """A training program in a process of its own: it goes on whatever becomes of its agent."""

    def __init__(self, training: Training, scheduler: Scheduler, on_exit: Callable[[], None]) -> None:
        self._training = training
        self._scheduler = scheduler
        self._on_exit = on_exit
        self._moves = training.moves()
        self._later()

    @property
    def code(self) -> int | None:
        return self._training.code

    def signal(self, number: int) -> None:
        """Send a signal: no program here handles any."""
        if self.code is None:
            self._training.end(-number)
            self._on_exit()

    def _later(self) -> None:
        seconds, move = next(self._moves)
        self._scheduler.after(seconds, lambda: self._move(move))

    def _move(self, move: Callable[[], object]) -> None:
        if self.code is not None:
            return
        with contextlib.suppress(TrialStopped):
            move()
        if self.code is None:
            self._later()
        else:
            self._on_exit()


class ChildExecution:
    """The `Execution` of a simulated child: the same levels, deadlines and segments as those of `Supervised`."""

    def __init__(
        self, child: Callable[[Callable[[], None]], Child], context: TrialContext, clock: SimClock, bell: SimEvent
    ):
        self._clock = clock
        self._bell = bell
        self._wish = Wish()
        self._requests = StopRequests(context.run_dir, context.attempt)
        self._log = AgentLog(context.run_dir, context.attempt)
        self._level = 0
        self._deadline: float | None = None
        self.child = child(bell.set)

    @property
    def pids(self) -> tuple[int, ...]:
        return ()

    def stop(self, reason: str, ending: Ending = "stopped") -> None:
        self._ask(REQUEST, reason, ending)

    def terminate(self, reason: str, ending: Ending = "killed") -> None:
        self._ask(TERMINATE, reason, ending)

    def kill(self, reason: str, ending: Ending = "killed") -> None:
        self._ask(KILL, reason, ending)

    def interrupt(self) -> None:
        """The trial runs in another process."""

    def _ask(self, level: int, reason: str, ending: Ending) -> None:
        if self.child.code is None:
            self._wish.raise_to(level, reason, ending)
            self._bell.set()

    def wait(self) -> Outcome:
        while self.child.code is None:
            self._bell.wait(0.2 if self._level else None)
            self._bell.clear()
            self._carry_out()
        code = self.child.code
        number, exit_code = (-code, None) if code < 0 else (None, code)
        ending = self._wish.ending or ("finished" if code == 0 else "crashed" if code < 0 else "failed")
        if ending != "finished":
            stopped = code == 0
            self._log.finish(self._clock.now(), exit_code, number, self._wish.reason, stopped=stopped)
            self._log.close()
        return Outcome(ending, exit_code, number, "" if ending == "finished" else self._wish.reason)

    def _carry_out(self) -> None:
        if self.child.code is not None:
            return
        if self._deadline is not None and self._clock.monotonic() >= self._deadline:
            self._escalate(min(self._level + 1, KILL))
        if self._wish.level > self._level:
            self._escalate(self._wish.level)
        if self._level:
            self._requests.ask(self._wish.reason)

    def _escalate(self, level: int) -> None:
        self._level = level
        self._deadline = self._clock.monotonic() + GRACE_S
        if level >= TERMINATE:
            self.child.signal(signal.SIGTERM if level == TERMINATE else signal.SIGKILL)


class ChildExecutor:
    """The `Executor` of simulated children, which the machine can find by their run folders."""

    inline = False

    def __init__(self, scenario: Scenario, scheduler: Scheduler, machine: Machine, clock: SimClock, written: Written):
        self._scenario = scenario
        self._scheduler = scheduler
        self._machine = machine
        self._clock = clock
        self._written = written

    def prepare(self, job: Job) -> None:
        """There is nothing to warm up."""

    def start(self, assignment: Assignment, job: Job, run_dir: Path, context: TrialContext) -> ChildExecution:
        training = Training(self._scenario, assignment.number, context, self._clock, self._written)
        bell = SimEvent(self._scheduler, self._clock)
        execution = ChildExecution(lambda rung: Child(training, self._scheduler, rung), context, self._clock, bell)
        child = execution.child
        self._machine.programs[str(run_dir), context.attempt] = lambda: child.signal(signal.SIGKILL)
        return execution

    def interrupt(self) -> None:
        """Nothing is imported."""

    def close(self) -> None:
        """Nothing was taken."""


def inline_program(scenario: Scenario, clock: SimClock, written: Written) -> Callable[[], None]:
    """The function for `InlineExecutor`: it trains in the agent's own thread."""

    def train() -> None:
        entered = ENTERED.get()
        assert entered is not None
        context = entered.context
        training = Training(scenario, int(context.run_id.rpartition("-")[2]), context, clock, written)
        for seconds, move in training.moves():
            clock.sleep(seconds)
            move()
        if training.code:
            raise RuntimeError(f"it ended with {training.code}")

    return train
