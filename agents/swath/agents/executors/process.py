"""Runs a trial's function in a child forked from a server that has it imported already."""

from __future__ import annotations

import sys
from pathlib import Path

from swath.agents.environment import child_environment
from swath.agents.executors import warm
from swath.agents.executors.base import Execution
from swath.agents.executors.calling import Calling
from swath.agents.executors.output import echo_with
from swath.agents.executors.server import WarmServer
from swath.agents.executors.supervised import Wake, supervise
from swath.agents.executors.unstarted import NotStarted
from swath.agents.protocol import Assignment, Job, Task
from swath.agents.task import TaskError
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.context import TrialContext
from swath.tracking.errors import SwathError


class ProcessExecutor:
    """The `Executor` for functions in children: a crash or leak of one trial touches no other; a start costs a fork."""

    inline = False

    def __init__(self, clock: Clock = SYSTEM_CLOCK, echo: bool = False) -> None:
        self._clock = clock
        self._echo = echo
        self._wake = Wake()
        self._server: WarmServer | None = None

    def prepare(self, job: Job) -> None:
        if job.task.function is None and job.task.pickled is None:
            raise TaskError(
                f"{job.task.describe()!r} is a program, not a function",
                "use the command executor, or a sweep with `function:`",
            )
        try:
            fault = self._server_for(job.task).fault()
        except (OSError, EOFError) as error:
            fault = f"the process that imports it died ({error})"
        if fault:
            raise TaskError(
                f"the sweep's function cannot be loaded: {fault}", "mend it, or start the agent in its folder"
            )

    def _server_for(self, task: Task) -> WarmServer:
        order = warm.Order(task, tuple(path or str(Path.cwd()) for path in sys.path))
        if self._server is None or self._server.order != order:
            self.close_server()
            self._server = WarmServer(order, self._clock)
        return self._server

    def _woken(self) -> Wake:
        if not self._wake.open:
            self._wake = Wake()
        return self._wake

    def start(self, assignment: Assignment, job: Job, run_dir: Path, context: TrialContext) -> Execution:
        attempt = assignment.lease.attempt
        try:
            birth = Calling(child_environment(context), job.task.cwd, context, assignment.config)
            child, streams = self._server_for(job.task).fork(birth)
        except (OSError, EOFError, SwathError) as error:
            return NotStarted(f"could not start {job.task.describe()}: {error}", run_dir, attempt, self._clock)
        echo = echo_with(f"[{assignment.name}] ") if self._echo else None
        return supervise(child, streams, run_dir, attempt, job.grace_s, self._clock, self._woken(), echo)

    def interrupt(self) -> None:
        if self._server is not None:
            self._server.give_up()

    def close_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def close(self) -> None:
        self.close_server()
        self._wake.close()
