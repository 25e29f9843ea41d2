"""The `TrialSource` protocol as HTTP routes for any number of sweeps; what a call does is decided elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from swath.agents import wire
from swath.agents.protocol import TrialSource
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.errors import UsageError

Resolve = Callable[[str], TrialSource]
"""The trial source of a sweep's id; raises `NotFound` for an id that is none."""

THREADS = 4
#: Calls that lately took no longer on average are answered on the event loop: a thread would cost as much again.
QUICK_S = 0.005
#: The weight of the latest call in that average.
WEIGHT = 0.2


def sweep_routes(resolve: Resolve, clock: Clock = SYSTEM_CLOCK) -> list[BaseRoute]:
    """POST /v1/sweeps/{sweep_id}/(join|acquire|report|finish|leave) for the sources that `resolve` knows.

    A source's calls block, mostly for a fraction of a millisecond, but for tens of them when a model makes the
    suggestion. A verb that was slow lately runs in one of a few threads, so that the other requests go on.
    """
    limiter = anyio.CapacityLimiter(THREADS)
    return [
        Route(wire.path_of("{sweep_id}", verb), _Verb(verb, resolve, limiter, clock).answer, methods=["POST"])
        for verb in wire.VERBS
    ]


class _Verb:
    """One verb's handler, and how long its calls took lately."""

    def __init__(self, verb: str, resolve: Resolve, limiter: anyio.CapacityLimiter, clock: Clock) -> None:
        self._decode = wire.CALLS[verb].decode
        self._verb = verb
        self._resolve = resolve
        self._limiter = limiter
        self._clock = clock
        self._lately = 2 * QUICK_S

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        sweep_id: str = request.path_params["sweep_id"]
        if self._lately <= QUICK_S:
            answer = self._timed(sweep_id, body)
        else:
            answer = await anyio.to_thread.run_sync(self._timed, sweep_id, body, limiter=self._limiter)
        return Response(answer, media_type=wire.MEDIA_TYPE)

    def _timed(self, sweep_id: str, body: bytes) -> bytes:
        began = self._clock.monotonic()
        try:
            return wire.encode(_do(self._resolve(sweep_id), self._call(body)))
        finally:
            self._lately += WEIGHT * (self._clock.monotonic() - began - self._lately)

    def _call(self, body: bytes) -> wire.Call:
        try:
            return self._decode(body)
        except msgspec.DecodeError as error:
            raise UsageError(
                f"the body of {self._verb} is not what this server reads: {error}",
                "agent and server must be of the same version of swath",
            ) from error


def _do(source: TrialSource, call: wire.Call) -> Any:
    match call:
        case wire.Join(agent):
            # Nothing tells whether the agent shares the server's disk, so it keeps its logs and ships them.
            return msgspec.structs.replace(source.join(agent), run_root=None)
        case wire.Acquire(agent_id, request):
            return source.acquire(agent_id, request)
        case wire.Report(lease, chunks):
            return source.report(lease, chunks)
        case wire.Finish(lease, outcome, chunks, request):
            return source.finish(lease, outcome, chunks, request)
        case wire.Leave(agent_id, reason):
            return source.leave(agent_id, reason)
