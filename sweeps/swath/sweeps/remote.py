"""Asks a server for the agents and trials of its sweeps, as the command line asks the store of this folder."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import msgspec

from swath.sweeps.dismissing import Dismissal, Wish
from swath.sweeps.views import AgentView
from swath.tracking.errors import UsageError
from swath.tracking.shipping.client import Client

T = TypeVar("T")

#: How long a server that does not answer is asked.
DEADLINE_S = 10.0


class Crew(msgspec.Struct, frozen=True):
    """A sweep by its whole id, whether it is over, and its agents."""

    sweep: str
    over: bool
    agents: tuple[AgentView, ...]


class Asked(msgspec.Struct, frozen=True):
    """Who is asked to leave, and how."""

    name: str
    wish: Wish


class Trial(msgspec.Struct, frozen=True):
    """A trial: its run, and whether it will not run any more."""

    run_id: str
    ended: bool


class RemoteSweeps:
    """The sweeps of a server, each named by an id, a beginning of one, a name, or `last`. A context manager."""

    def __init__(self, url: str, token: str) -> None:
        self._client = Client(url, token, deadline_s=DEADLINE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def crew(self, sweep: str) -> Crew:
        """The agents of a sweep. Raises `NotFound` when there is no such one."""
        return self._read(self._client.ask("GET", f"{_path(sweep)}/agents").content, Crew)

    def dismiss(self, sweep: str, name: str, wish: Wish) -> list[Dismissal]:
        """Ask an agent, or `all`, to leave. Raises `NotFound` when the sweep has none of that name."""
        body = msgspec.json.encode(Asked(name, wish))
        return self._read(self._client.ask("POST", f"{_path(sweep)}/agents", content=body).content, list[Dismissal])

    def trial(self, sweep: str, number: int) -> Trial:
        """A trial of a sweep by its number. Raises `NotFound` when there is no such one."""
        return self._read(self._client.ask("GET", f"{_path(sweep)}/trials/{number}").content, Trial)

    def _read(self, answer: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(answer, type=kind)
        except msgspec.MsgspecError as error:
            told = f"{self._client.url} does not answer as this version of swath: {error}"
            raise UsageError(told, "check the URL and the versions") from None


def _path(sweep: str) -> str:
    return f"/v1/sweeps/{quote(sweep, safe='')}"
