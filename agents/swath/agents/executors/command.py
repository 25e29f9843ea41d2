"""Runs a trial as a program: the sweep's command with its macros filled in, in a process group of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

from swath.agents.environment import child_environment
from swath.agents.executors.base import Execution
from swath.agents.executors.output import echo_with
from swath.agents.executors.supervised import Wake, supervise
from swath.agents.executors.unstarted import NotStarted
from swath.agents.macros import expand
from swath.agents.protocol import Assignment, Job
from swath.agents.task import check_task, command_of
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.context import TrialContext
from swath.tracking.errors import SwathError


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


class CommandExecutor:
    """The `Executor` for programs. With `echo`, each line of output is printed here too, after the trial's name."""

    inline = False

    def __init__(self, clock: Clock = SYSTEM_CLOCK, echo: bool = False) -> None:
        self._clock = clock
        self._echo = echo
        self._wake = Wake()

    def prepare(self, job: Job) -> None:
        check_task(job.task)

    def _woken(self) -> Wake:
        if not self._wake.open:
            self._wake = Wake()
        return self._wake

    def start(self, assignment: Assignment, job: Job, run_dir: Path, context: TrialContext) -> Execution:
        lease = assignment.lease
        try:
            environment = child_environment(context)
            words = self._words(assignment, job, run_dir, environment)
            process = self._popen(words, environment, job.task.cwd)
        except (OSError, SwathError) as error:
            return NotStarted(f"could not start {job.task.describe()}: {error}", run_dir, lease.attempt, self._clock)
        assert process.stdout is not None
        assert process.stderr is not None
        streams = {"stdout": os.dup(process.stdout.fileno()), "stderr": os.dup(process.stderr.fileno())}
        process.stdout.close()
        process.stderr.close()
        echo = echo_with(f"[{assignment.name}] ") if self._echo else None
        child = CommandChild(process)
        return supervise(child, streams, run_dir, lease.attempt, job.grace_s, self._clock, self._woken(), echo)

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

    def interrupt(self) -> None:
        """No start takes long."""

    def close(self) -> None:
        self._wake.close()
