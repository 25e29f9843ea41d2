"""Runs a trial's function in a child forked from a server that has it imported already; the one file that forks."""

from __future__ import annotations

import contextlib
import os
import pickle
import selectors
import signal
import sys
import tempfile
from multiprocessing import forkserver
from pathlib import Path

import msgspec

from swath.agents.environment import child_environment, having, inherited
from swath.agents.executors import warm
from swath.agents.executors.base import Execution
from swath.agents.executors.group import signal_group
from swath.agents.executors.output import echo_with
from swath.agents.executors.supervised import Wake, supervise
from swath.agents.executors.unstarted import NotStarted
from swath.agents.protocol import Assignment, Job, Task
from swath.agents.task import TaskError
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.context import TrialContext
from swath.tracking.errors import SwathError

#: How long a closed fork server may take to end.
_CLOSE_S = 2.0


class ForkedChild:
    """The `Child` of a fork server, which reaps it and sends its exit code."""

    def __init__(self, status_fd: int) -> None:
        self.exit_fd: int | None = status_fd
        self.pid = forkserver.read_signed(status_fd)
        os.set_blocking(status_fd, False)
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None and self.exit_fd is not None:
            try:
                self._code = forkserver.read_signed(self.exit_fd)
            except BlockingIOError:
                return None
            except EOFError:
                self._abandoned()
        return self._code

    def _abandoned(self) -> None:
        """The server died, so nobody will ever tell the exit code: end the child, it counts as killed."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._code = -signal.SIGKILL

    def close(self) -> None:
        if self.exit_fd is not None:
            os.close(self.exit_fd)
            self.exit_fd = None


class WarmServer:
    """A fork server that has one task's function loaded. It starts at the first `fork` and again when it has died."""

    def __init__(self, task: Task, clock: Clock) -> None:
        self.task = task
        self._clock = clock
        self._server = forkserver.ForkServer()
        self._server.set_forkserver_preload([warm.__name__])
        order = warm.Order(task, tuple(path or str(Path.cwd()) for path in sys.path))
        with tempfile.NamedTemporaryFile(prefix="swath-", suffix=".order", delete=False) as file:
            file.write(msgspec.msgpack.encode(order))
        self._order = Path(file.name)
        self._given_up = False

    def fork(self, birth: warm.Birth) -> tuple[ForkedChild, dict[str, int]]:
        """A new child, and the reading ends of its stdout and stderr."""
        out_r, out_w = os.pipe()
        err_r, err_w = os.pipe()
        try:
            child = self._born([out_w, err_w], birth)
        except BaseException:
            os.close(out_r)
            os.close(err_r)
            raise
        finally:
            os.close(out_w)
            os.close(err_w)
        return child, {"stdout": out_r, "stderr": err_r}

    def _born(self, fds: list[int], birth: warm.Birth) -> ForkedChild:
        """Blocks while the server loads. Raises `EOFError` when it dies meanwhile."""
        with having(warm.VARIABLE, str(self._order)):
            status_r, data_w = self._server.connect_to_new_process(fds)
        with os.fdopen(data_w, "wb") as pipe:
            if self._given_up:
                self.give_up()
            try:
                child = ForkedChild(status_r)
            except BaseException:
                os.close(status_r)
                raise
            with contextlib.suppress(BrokenPipeError):
                pipe.write(pickle.dumps({}) + pickle.dumps(birth))
                pipe.flush()
        return child

    def give_up(self) -> None:
        """For signal handlers: kill the server, so that whoever waits for it to load waits no more."""
        self._given_up = True
        pid = getattr(self._server, "_forkserver_pid", None)
        if pid is not None and not signal_group(pid, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def fault(self) -> str:
        """Why the task's function cannot be loaded; "" when it can."""
        child, streams = self.fork(warm.Birth(inherited(), self.task.cwd, None, {}))
        os.close(streams["stdout"])
        with contextlib.closing(child):
            with os.fdopen(streams["stderr"], "rb") as pipe:
                text = pipe.read().decode("utf-8", "replace")
            with selectors.DefaultSelector() as selector:
                while (code := child.poll()) is None:
                    selector.register(child.exit_fd or 0, selectors.EVENT_READ)
                    selector.select()
                    selector.unregister(child.exit_fd or 0)
        return (text or "the fork server could not load it") if code else ""

    def close(self) -> None:
        """Let the server end; it does so when its last child has."""
        self._order.unlink(missing_ok=True)
        alive_fd = getattr(self._server, "_forkserver_alive_fd", None)
        pid = getattr(self._server, "_forkserver_pid", None)
        if alive_fd is None or pid is None:
            return
        os.close(alive_fd)
        self._server = forkserver.ForkServer()
        until = self._clock.monotonic() + _CLOSE_S
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(pid, os.WNOHANG) == (0, 0) and self._clock.monotonic() < until:
                self._clock.sleep(0.005)


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
        if self._server is None or self._server.task != task:
            self.close_server()
            self._server = WarmServer(task, self._clock)
        return self._server

    def _woken(self) -> Wake:
        if not self._wake.open:
            self._wake = Wake()
        return self._wake

    def start(self, assignment: Assignment, job: Job, run_dir: Path, context: TrialContext) -> Execution:
        attempt = assignment.lease.attempt
        try:
            birth = warm.Birth(child_environment(context), job.task.cwd, context, assignment.config)
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
