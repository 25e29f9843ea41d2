"""Runs a trial's function in the agent's own process and thread: the fastest way, for functions that can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from swath.agents.executors.function import call, exit_code_of, takes_config, traceback_of
from swath.agents.executors.output import AgentLog
from swath.agents.executors.ranks import check_one_process
from swath.agents.executors.supervised import KILL, REQUEST, TERMINATE, StopRequests, Wish
from swath.agents.protocol import Assignment, Ending, Job, Outcome
from swath.agents.task import Function, TaskError, load_function
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.context import TrialContext, entered
from swath.tracking.errors import TrialStopped


class InlineExecution:
    """The `Execution` of a function call. Nothing but its own `log()` or a raising signal handler can end it early."""

    def __init__(self, function: Function, with_config: bool, context: TrialContext, clock: Clock) -> None:
        self._function = function
        self._with_config = with_config
        self._told = context.on_row
        self._context = msgspec.structs.replace(context, on_row=self._on_row)
        self._clock = clock
        self._calling = False
        self._wish = Wish()
        self._requests = StopRequests(context.run_dir, context.attempt)

    @property
    def pids(self) -> tuple[int, ...]:
        return ()

    def stop(self, reason: str, ending: Ending = "stopped") -> None:
        self._ask(REQUEST, reason, ending)

    def terminate(self, reason: str, ending: Ending = "killed") -> None:
        self._ask(TERMINATE, reason, ending)

    def kill(self, reason: str, ending: Ending = "killed") -> None:
        self._ask(KILL, reason, ending)

    def _ask(self, level: int, reason: str, ending: Ending) -> None:
        self._wish.raise_to(level, reason, ending)
        self._requests.ask(self._wish.reason)

    def interrupt(self) -> None:
        if self._calling:
            raise TrialStopped(self._wish.reason)

    def _on_row(self, row: dict[str, Any]) -> None:
        """Pass the row on, and carry a stop request into a segment that was made after it."""
        if self._told is not None:
            self._told(row)
        if self._wish.level:
            self._requests.ask(self._wish.reason)

    def wait(self) -> Outcome:
        exit_code, error = self._run()
        ending: Ending = self._wish.ending or ("finished" if exit_code == 0 else "failed")
        if ending == "finished":
            return Outcome(ending, 0)
        if exit_code:
            self._record(exit_code, error)
        return Outcome(ending, exit_code, None, error or self._wish.reason)

    def _run(self) -> tuple[int, str]:
        try:
            with entered(self._context):
                self._calling = True
                try:
                    call(self._function, self._context.config, self._with_config)
                finally:
                    self._calling = False
        except TrialStopped as stop:
            if self._wish.ending is None:
                self._wish.raise_to(REQUEST, stop.reason, "stopped")
        except SystemExit as leave:
            return exit_code_of(leave)
        except Exception as error:
            return 1, traceback_of(error)
        return 0, ""

    def _record(self, exit_code: int, error: str) -> None:
        log = AgentLog(self._context.run_dir, self._context.attempt)
        log.finish(self._clock.now(), exit_code, None, error)
        log.close()


class InlineExecutor:
    """The `Executor` that calls a function here."""

    inline = True

    def __init__(self, function: Function | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        self._given = function
        self._function = function
        self._with_config = function is not None and takes_config(function)
        self._clock = clock
        self._loading = False

    def prepare(self, job: Job) -> None:
        check_one_process(job)
        if self._given is not None:
            return
        if job.task.function is None and job.task.pickled is None:
            raise TaskError(
                f"{job.task.describe()!r} is a program and cannot run inside the agent",
                "use the command executor, or a sweep with `function:`",
            )
        self._loading = True
        try:
            self._function = load_function(job.task)
        finally:
            self._loading = False
        self._with_config = takes_config(self._function)

    def start(self, assignment: Assignment, job: Job, run_dir: Path, context: TrialContext) -> InlineExecution:
        if self._function is None:
            self.prepare(job)
        assert self._function is not None
        return InlineExecution(self._function, self._with_config, context, self._clock)

    def interrupt(self) -> None:
        if self._loading:
            raise TrialStopped("interrupted while its function was imported")

    def close(self) -> None:
        """Nothing was taken."""
