"""The HTTP routes by which the command line asks a server for a sweep's agents and trials; `remote` asks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from swath.sweeps import remote
from swath.sweeps.states import OVER
from swath.tracking.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from swath.sweeps.workspace import Workspace

THREADS = 2


def crew_routes(workspace: Workspace) -> list[BaseRoute]:
    """Routes over a store. Everything may be repeated.

    GET  /v1/sweeps/{sweep}/agents            the agents of a sweep, by its id, a beginning of that, name, or `last`
    POST /v1/sweeps/{sweep}/agents            ask one of them, or all, to leave
    GET  /v1/sweeps/{sweep}/trials/{number}   which run a trial is, and whether it has ended
    """
    limiter = anyio.CapacityLimiter(THREADS)

    def agents(request: Request, body: bytes) -> Any:
        sweep_id = workspace.resolve(request.path_params["sweep"])
        workspace.catch_up(sweep_id)
        over = workspace.show(sweep_id).state in OVER
        return remote.Crew(sweep_id, over, tuple(workspace.agents(sweep_id)))

    def dismiss(request: Request, body: bytes) -> Any:
        try:
            asked = msgspec.json.decode(body, type=remote.Asked)
        except msgspec.MsgspecError as error:
            told = f"the body is not what this server reads: {error}"
            raise UsageError(told, 'send {"name": ..., "wish": "drain" or "stop"}') from None
        return workspace.dismiss(workspace.resolve(request.path_params["sweep"]), asked.name, asked.wish)

    def trial(request: Request, body: bytes) -> Any:
        sweep_id = workspace.resolve(request.path_params["sweep"])
        workspace.catch_up(sweep_id)
        found = workspace.trial(f"{sweep_id}-{request.path_params['number']}")
        return remote.Trial(found.run_id, found.ended is not None)

    def answering(work: Callable[[Request, bytes], Any]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            body = await request.body()
            found = await anyio.to_thread.run_sync(work, request, body, limiter=limiter)
            return Response(msgspec.json.encode(found), media_type="application/json")

        return answer

    return [
        Route("/v1/sweeps/{sweep}/agents", answering(agents), methods=["GET"]),
        Route("/v1/sweeps/{sweep}/agents", answering(dismiss), methods=["POST"]),
        Route("/v1/sweeps/{sweep}/trials/{number:int}", answering(trial), methods=["GET"]),
    ]
