"""Runs the server in a thread of this process; its only file with threads, event loops and sockets."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp

from swath.tracking.errors import SwathError, UsageError

#: Agents keep their connection between two heartbeats.
KEEP_ALIVE_S = 120
#: How long a stop waits for the requests that are under way, and how long a start may take.
GRACE_S = 5


class ServerThread:
    """Serves `app` at `host` and `port` (0: any free one) from `start()` to `stop()`; a context manager."""

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port listened on; of a port 0 the one that was found at `start()`, kept for the next start."""
        return self._port

    @property
    def url(self) -> str:
        """The address for clients on this machine."""
        return self.url_at("127.0.0.1" if self._host in ("", "0.0.0.0", "::") else self._host)

    def url_at(self, host: str) -> str:
        """The address for clients that reach this machine as `host`."""
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    def start(self) -> Self:
        """Listen and serve; returns when the server answers. Raises `UsageError` when the port is taken."""
        if self._thread is not None:
            raise UsageError(f"the server at {self.url} runs already")
        listener = _listen(self._host, self._port)
        self._port = listener.getsockname()[1]
        self._server = _Server(_config(self._app))
        self._thread = threading.Thread(target=_serve, args=(self._server, listener), name="swath-server", daemon=True)
        self._thread.start()
        self._server.settled.wait(GRACE_S)
        if not self._server.started:
            self.stop()
            raise SwathError(f"the server at {self.url} did not start", "its error is in the log above")
        return self

    def wait(self) -> None:
        """Until it is stopped, or has ended of itself. What a signal handler raises ends the waiting."""
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """Answer the requests under way, close the port and end the thread. Stopping twice is no error."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(2 * GRACE_S)
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(uvicorn.Server):  # type: ignore[misc, unused-ignore]
    """uvicorn's server that tells when it has started, or that it never will."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.settled.set()


def _serve(server: _Server, listener: socket.socket) -> None:
    try:
        with listener, asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(server.serve(sockets=[listener]))
    finally:
        server.settled.set()


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        loop="none",
        lifespan="auto",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's loop where that is installed, else asyncio's."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop
    uvloop: Any = importlib.import_module("uvloop")
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _listen(host: str, port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only where the protocol is named; without it every answer waits 40 ms for an ACK.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {host or '*'}:{port}: {error.strerror or error}",
            "pass another port (0: any free one) and an address of this machine",
        ) from error
    return listener
