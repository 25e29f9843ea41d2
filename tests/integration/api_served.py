"""What the tests of reading from a server share: a server of a folder's runs in a thread, which notes its requests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from swath.tracking import layout
from swath.tracking.api.local import LocalSource
from swath.tracking.server import ServerThread, create_app
from swath.tracking.server.api_routes import api_routes
from swath.tracking.server.run_routes import run_routes
from swath.tracking.store import Database, RunRow, runs
from swath.tracking.store.tables import MIGRATIONS
from swath.tracking.testing.clock import FakeClock

TOKEN = "a-token"


class ServedRuns:
    """Serves the runs in the `.swath` folder `root`. A context manager; may be stopped and started at the same port."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.requests: list[str] = []
        self.largest = 0
        #: Paths whose next answer is lost on its way, after its work is done.
        self.lose: list[str] = []
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._source = LocalSource(self.root, FakeClock())
        self._database = Database(layout.database_path(self.root), {"tracking": MIGRATIONS})
        routes = [*run_routes(self.root, self._database), *api_routes(self._source)]
        self._server = ServerThread(self._noting(create_app(TOKEN, routes)), port=self._port)
        self._server.start()
        self._port = self._server.port

    def stop(self) -> None:
        self._server.stop()
        self._source.close()
        self._database.close()

    def add(self, run: RunRow) -> None:
        """A run that has no log here."""
        with self._database.write() as connection:
            runs.insert(connection, run)

    def count(self, verbs: Iterable[str]) -> int:
        """How many requests of these verbs were answered."""
        return sum(1 for request in self.requests if request.rsplit("/", 1)[-1] in verbs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _noting(self, app: ASGIApp) -> ASGIApp:
        async def noting(scope: Scope, receive: Receive, send: Send) -> None:
            lost = scope["path"] in self.lose
            if lost:
                self.lose.remove(scope["path"])
            self.requests.append(scope["path"])

            async def answering(message: Message) -> None:
                self.largest = max(self.largest, len(message.get("body", b"")))
                if lost:
                    raise ConnectionError("the answer is lost")
                await send(message)

            try:
                await app(scope, receive, answering)
            except ConnectionError:
                await send({"type": "http.response.start", "status": 502, "headers": []})
                await send({"type": "http.response.body", "body": b""})

        return noting
