"""A `TrialSource` that asks a server over HTTP: retries, and errors as the server raised them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import httpx
import msgspec
import tenacity

from swath.agents import wire
from swath.agents.protocol import AgentInfo, Chunk, Job, Lease, Offer, Outcome, Verdict
from swath.tracking.errors import RetryLater, SwathError, UsageError
from swath.tracking.faults import error_of

CONNECT_S = 5.0
KEEP_ALIVE_S = 60.0
LONGEST_PAUSE_S = 3.0


class HttpSource:
    """The trial source of sweep `sweep_id` at the server `url`; calls may come from any number of threads.

    A call without an answer (no connection, a timeout, status 503) is repeated after pauses of growing random
    length, for `deadline_s` seconds; then it raises `RetryLater`. By the protocol every call can be repeated
    without harm. `answer_s` is how long one answer may take. `close()` ends the connections and the pauses.
    """

    def __init__(
        self, url: str, token: str, sweep_id: str, *, deadline_s: float = 10.0, answer_s: float = 30.0
    ) -> None:
        self.url = _checked(url)
        self._token = token
        self._urls = {verb: httpx.URL(self.url + wire.path_of(sweep_id, verb)) for verb in wire.VERBS}
        self._headers = {
            "Host": self._urls["join"].netloc.decode(),
            "Authorization": f"Bearer {token}",
            "Content-Type": wire.MEDIA_TYPE,
        }
        self._extensions = {"timeout": {"connect": CONNECT_S, "read": answer_s, "write": answer_s, "pool": answer_s}}
        # The transport without a client around it: cookies, redirects and the environment's proxies are of no
        # use here, and cost a quarter of a request's time.
        self._transport = httpx.HTTPTransport(trust_env=False, limits=httpx.Limits(keepalive_expiry=KEEP_ALIVE_S))
        self._closed = threading.Event()
        self._deadline_s = deadline_s

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
        from swath.tracking.client import Client
        from swath.tracking.delivery import BlobDelivery

        with Client(self.url, self._token, deadline_s=self._deadline_s, ended=self._closed) as client:
            BlobDelivery(client).send(digest, path)

    def leave(self, agent_id: str, reason: str) -> None:
        self._ask("leave", wire.Leave(agent_id, reason))

    def close(self) -> None:
        """End the connections; a call that pauses before its next try raises `RetryLater` at once."""
        self._closed.set()
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, verb: str, call: wire.Call) -> Any:
        body = wire.encode(call)
        try:
            return self._once(verb, body)
        except RetryLater:
            return self._retrying()(self._once, verb, body)

    def _retrying(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(RetryLater),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=LONGEST_PAUSE_S),
            stop=tenacity.stop_after_delay(self._deadline_s) | tenacity.stop_when_event_set(self._closed),
            sleep=tenacity.sleep_using_event(self._closed),
            reraise=True,
        )

    def _once(self, verb: str, body: bytes) -> Any:
        request = httpx.Request(
            "POST", self._urls[verb], headers=self._headers, content=body, extensions=self._extensions
        )
        status, content = self._send(request)
        if status != 200:
            raise error_of(status, content, self.url)
        try:
            return wire.ANSWERS[verb].decode(content)
        except msgspec.DecodeError as error:
            raise SwathError(
                f"the answer of {self.url} to {verb} is not what this agent reads: {error}",
                "check the URL; agent and server must be of the same version of swath",
            ) from error

    def _send(self, request: httpx.Request) -> tuple[int, bytes]:
        try:
            response = self._transport.handle_request(request)
            try:
                return response.status_code, response.read()
            finally:
                response.close()
        except httpx.TransportError as error:
            raise RetryLater(
                f"no answer from {self.url}: {error or type(error).__name__}",
                "check that the server runs and can be reached from this machine",
            ) from error


def _checked(url: str) -> str:
    parsed = httpx.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError(f"{url!r} is no address of a server", "write it as http://host:port")
    return url.rstrip("/")
