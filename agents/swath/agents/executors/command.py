"""Runs a trial as a program: the sweep's command with its macros filled in, in a process group of its own."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
from pathlib import Path

from swath.agents.executors.children import Birth, ChildExecutor
from swath.agents.executors.member import Born
from swath.agents.macros import expand
from swath.agents.protocol import Assignment, Job
from swath.agents.task import check_task, command_of
from swath.tracking.context import TrialContext


class CommandChild:
    """The `Child` that a `Popen` is; it stays unreaped until `close`, so that its number stays its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid
        self.exit_fd: int | None = None
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self.exit_fd = os.pidfd_open(process.pid)

    def poll(self) -> int | None:
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def close(self) -> None:
        if self.exit_fd is not None:
            os.close(self.exit_fd)
            self.exit_fd = None
        self._process.wait()


class CommandExecutor(ChildExecutor):
    """The `Executor` for programs."""

    def prepare(self, job: Job) -> None:
        super().prepare(job)
        check_task(job.task)

    def _birth(
        self, assignment: Assignment, job: Job, run_dir: Path, context: TrialContext, environment: dict[str, str]
    ) -> Birth:
        words = self._words(assignment, job, run_dir, environment)
        return functools.partial(self._born, words, environment, job.task.cwd)

    def _born(self, words: list[str], environment: dict[str, str], cwd: str | None) -> Born:
        process = self._popen(words, environment, cwd)
        assert process.stdout is not None
        assert process.stderr is not None
        streams = {"stdout": os.dup(process.stdout.fileno()), "stderr": os.dup(process.stderr.fileno())}
        process.stdout.close()
        process.stderr.close()
        return CommandChild(process), streams

    def _words(self, assignment: Assignment, job: Job, run_dir: Path, environment: dict[str, str]) -> list[str]:
        return expand(
            command_of(job.task),
            assignment.config,
            job.task.program,
            json_file=run_dir.absolute() / "config.json",
            environ=environment,
            cwd=job.task.cwd,
        )

    def _popen(self, words: list[str], environment: dict[str, str], cwd: str | None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=cwd,
            start_new_session=True,
            bufsize=0,
        )
