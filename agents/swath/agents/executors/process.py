"""Runs a trial's function in a child forked from a server that has it imported already."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from swath.agents.executors import warm
from swath.agents.executors.calling import Calling
from swath.agents.executors.children import Birth, ChildExecutor
from swath.agents.executors.member import Born
from swath.agents.executors.server import WarmServer
from swath.agents.protocol import Assignment, Job, Task
from swath.agents.task import TaskError
from swath.tracking.context import TrialContext


class ProcessExecutor(ChildExecutor):
    """The `Executor` for functions in children: a crash or leak of one trial touches no other; a start costs a fork."""

    def prepare(self, job: Job) -> None:
        super().prepare(job)
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

    def _birth(
        self, assignment: Assignment, job: Job, run_dir: Path, context: TrialContext, environment: dict[str, str]
    ) -> Birth:
        call = Calling(environment, job.task.cwd, context, assignment.config)
        return functools.partial(self._forked, self._server_for(job.task), call)

    def _forked(self, server: WarmServer, call: Calling) -> Born:
        return server.fork(call)
