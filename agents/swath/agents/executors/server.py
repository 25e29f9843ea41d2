"""A process that has a task loaded, and the children forked from it: the one file that forks."""

from __future__ import annotations

import contextlib
import os
import pickle
import selectors
import signal
import tempfile
from multiprocessing import forkserver
from pathlib import Path

import msgspec

from swath.agents.environment import having, inherited
from swath.agents.executors import warm
from swath.agents.executors.birth import Birth
from swath.agents.executors.group import signal_group
from swath.tracking.clock import Clock

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
    """A fork server that has loaded what its order says. It starts at the first `fork` and again when it has died."""

    def __init__(self, order: warm.Order, clock: Clock) -> None:
        self.order = order
        self._clock = clock
        self._server = forkserver.ForkServer()
        self._server.set_forkserver_preload([warm.__name__])
        with tempfile.NamedTemporaryFile(prefix="swath-", suffix=".order", delete=False) as file:
            file.write(msgspec.msgpack.encode(order))
        self._file = Path(file.name)
        self._given_up = False
        self._served = False

    def fork(self, birth: Birth) -> tuple[ForkedChild, dict[str, int]]:
        """A new child, and the reading ends of its stdout and stderr.

        Raises `OSError` or `EOFError` when the server dies while it loads.
        """
        try:
            born = self._forked(birth)
        except (OSError, EOFError):
            if not (self._served and self._ended()) or self._given_up:
                raise
            self._served = False  # it has died since the last child: another one is started
            born = self._forked(birth)
        self._served = True
        return born

    def _ended(self) -> bool:
        """Wait for the end of a server that does not answer: until the system tells of it, it counts as alive."""
        pid = getattr(self._server, "_forkserver_pid", None)
        until = self._clock.monotonic() + _CLOSE_S
        with contextlib.suppress(ChildProcessError):
            while pid is not None and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                if self._clock.monotonic() > until:
                    return False
                self._clock.sleep(0.005)
        return True

    def _forked(self, birth: Birth) -> tuple[ForkedChild, dict[str, int]]:
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

    def _born(self, fds: list[int], birth: Birth) -> ForkedChild:
        """Blocks while the server loads. Raises `EOFError` when it dies meanwhile."""
        with having(warm.VARIABLE, str(self._file)):
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
        """Why no trial can be forked from here; "" when they can."""
        child, streams = self.fork(Birth(inherited(), self.order.task.cwd))
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
        self._file.unlink(missing_ok=True)
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
