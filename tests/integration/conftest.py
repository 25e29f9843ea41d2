"""What the tests of launchers share: a real server of a source in memory, and launchers whose agents ask it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.integration.folders import Folder

from swath.agents.testing.memory import MemorySource
from swath.sweeps.routes import sweep_routes
from swath.tracking.server import ServerThread, create_app


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.end()


@pytest.fixture
def servers() -> Iterator[ServerMaker]:
    with ServerMaker() as maker:
        yield maker


class ServerMaker:
    """Makes servers of sources, and stops them when the test is over. The token of each is `TOKEN`."""

    TOKEN = "a-token"

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> ServerMaker:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def serve(self, source: MemorySource, host: str = "127.0.0.1") -> ServerThread:
        app = create_app(self.TOKEN, sweep_routes(lambda sweep_id: source))
        return self._stack.enter_context(ServerThread(app, host))
