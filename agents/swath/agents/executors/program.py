"""Runs a Python program in a child that is forked with its libraries loaded; where that cannot be, starts it cold."""

from __future__ import annotations

import functools
import logging
import os
import sys
from pathlib import Path

from swath.agents.executors import warm
from swath.agents.executors.children import Birth
from swath.agents.executors.command import CommandExecutor
from swath.agents.executors.member import Born
from swath.agents.executors.script import Script
from swath.agents.executors.server import WarmServer
from swath.agents.macros import program_path
from swath.agents.protocol import Assignment, Job, Task
from swath.agents.task import command_of
from swath.tracking.context import TrialContext

logger = logging.getLogger("swath.agents")


class ProgramExecutor(CommandExecutor):
    """The `Executor` for programs: as `CommandExecutor`, but Python programs start in milliseconds, not seconds.

    The libraries that a program imports are loaded once, in a fork server. Whatever else it does is done anew in every
    trial, in a process of its own that ends with it. What cannot be forked (another interpreter, libraries that start
    threads or open the GPU when they are imported) starts cold; the agent warns where the command did not say so.
    """

    def prepare(self, job: Job) -> None:
        super().prepare(job)
        self.close_server()
        if not not_python(job.task) and (fault := self._load(job.task)):
            logger.warning("trials start cold: %s", fault)

    def _load(self, task: Task) -> str:
        program = program_path(task.program or "", task.cwd).absolute()
        self._server = WarmServer(warm.Order(task, program=str(program)), self._clock)
        try:
            fault = self._server.fault()
        except (OSError, EOFError) as error:
            fault = f"the process that loads its libraries died ({error})"
        if fault:
            self.close_server()
        return fault

    def _birth(
        self, assignment: Assignment, job: Job, run_dir: Path, context: TrialContext, environment: dict[str, str]
    ) -> Birth:
        words = self._words(assignment, job, run_dir, environment)
        cold = functools.partial(self._born, words, environment, job.task.cwd)
        if self._server is None:
            return cold
        script = Script(environment, job.task.cwd, tuple(words[words.index(sys.executable) + 1 :]))
        return functools.partial(self._forked, script, cold)

    def _forked(self, script: Script, cold: Birth) -> Born:
        try:
            if self._server is not None:
                return self._server.fork(script)
        except (OSError, EOFError) as error:
            logger.warning("trials start cold from now on: the process that they are forked from died (%s)", error)
            self.close_server()
        return cold()


def not_python(task: Task) -> str:
    """Why a task's command is not `python program.py ...` with the Python of this agent; "" when it is."""
    words = [word for word in command_of(task) if word not in ("${env}", "/usr/bin/env")]
    if words[:1] not in (["${interpreter}"], [sys.executable]):
        return "its command does not begin with this agent's Python"
    if words[1:2] not in (["${program}"], [task.program]) or not (task.program or "").endswith(".py"):
        return "its command does not run a Python file first of all"
    if not hasattr(os, "fork") or sys.platform == "darwin":
        return "processes cannot be forked safely on this system"
    return ""
