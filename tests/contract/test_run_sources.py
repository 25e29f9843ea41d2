"""Every source of runs keeps the laws of `RunSource`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.integration.api_served import TOKEN, ServedRuns

from swath.tracking.api.local import LocalSource
from swath.tracking.api.remote import RemoteSource
from swath.tracking.api.source import RunSource
from swath.tracking.testing.clock import FakeClock
from swath.tracking.testing.sources import RunSourceLaws


class TestLocalSource(RunSourceLaws):
    def make(self, root: Path) -> RunSource:
        return LocalSource(root, FakeClock())


class TestRemoteSource(RunSourceLaws):
    """Over a real server, with a real folder behind it."""

    @pytest.fixture(autouse=True)
    def servers(self) -> Iterator[None]:
        with ExitStack() as self._servers:
            yield

    def make(self, root: Path) -> RunSource:
        served = self._servers.enter_context(ServedRuns(root))
        return RemoteSource(served.url, TOKEN)
