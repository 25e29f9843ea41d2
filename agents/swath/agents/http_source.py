"""A `TrialSource` that asks a server over HTTP: retries, and errors as the server raised them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import msgspec

from swath.agents import wire
from swath.agents.checkpoints import Carrier
from swath.agents.protocol import AgentInfo, Chunk, Job, Lease, Offer, Outcome, Verdict
from swath.tracking.errors import SwathError
from swath.tracking.shipping.client import Client
from swath.tracking.shipping.delivery import BlobDelivery


class HttpSource:
    """The trial source of sweep `sweep_id` at the server `url`; calls may come from any number of threads.

    A call without an answer (no connection, a timeout, status 503) is repeated after pauses of growing random
    length, for `deadline_s` seconds; then it raises `RetryLater`. By the protocol every call can be repeated
    without harm. `answer_s` is how long one answer may take. `close()` ends the connections and the pauses.
    """

    def __init__(
        self, url: str, token: str, sweep_id: str, *, deadline_s: float = 10.0, answer_s: float = 30.0
    ) -> None:
        self._closed = threading.Event()
        self._client = Client(
            url,
            token,
            deadline_s=deadline_s,
            ended=self._closed,
            answer_s=answer_s,
            insists=False,
            content_type=wire.MEDIA_TYPE,
        )
        self.url = self._client.url
        self._paths = {verb: wire.path_of(sweep_id, verb) for verb in wire.VERBS}
        self._blobs = BlobDelivery(self._client)
        self.carrier = Carrier(self._client, sweep_id)

    def join(self, agent: AgentInfo) -> Job:
        return cast(Job, self._ask("join", wire.Join(agent)))

    def acquire(self, agent_id: str, request: str) -> Offer:
        return cast(Offer, self._ask("acquire", wire.Acquire(agent_id, request)))

    def report(self, lease: Lease, chunks: Sequence[Chunk]) -> Verdict:
        return cast(Verdict, self._ask("report", wire.Report(lease, tuple(chunks))))

    def finish(
        self, lease: Lease, outcome: Outcome, chunks: Sequence[Chunk], request: str | None = None
    ) -> Offer | None:
        return cast("Offer | None", self._ask("finish", wire.Finish(lease, outcome, tuple(chunks), request)))

    def keep(self, digest: str, path: Path) -> None:
        self._blobs.send(digest, path)

    def leave(self, agent_id: str, reason: str) -> None:
        self._ask("leave", wire.Leave(agent_id, reason))

    def close(self) -> None:
        """End the connections; a call that pauses before its next try raises `RetryLater` at once."""
        self._closed.set()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, verb: str, call: wire.Call) -> Any:
        content = self._client.ask("POST", self._paths[verb], content=wire.encode(call)).content
        try:
            return wire.ANSWERS[verb].decode(content)
        except msgspec.DecodeError as error:
            raise SwathError(
                f"the answer of {self.url} to {verb} is not what this agent reads: {error}",
                "check the URL; agent and server must be of the same version of swath",
            ) from error
