"""The HTTP routes by which checkpoints of trials come from agents without this disk, and go to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import anyio
import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from swath.agents import wire
from swath.agents.protocol import Lease
from swath.tracking import layout
from swath.tracking.errors import UsageError
from swath.tracking.runs.checkpoints import Manifest
from swath.tracking.runs.inbox import Inbox
from swath.tracking.server.receiver import BlobReceiver, Locks
from swath.tracking.server.run_routes import MEDIA_TYPE, begun, take_part

THREADS = 2


class Keeper(Protocol):
    """Who decides whether a checkpoint is taken: the controller of the sweep."""

    def keep_checkpoint(self, lease: Lease, manifest: Manifest) -> tuple[str, ...]: ...


def checkpoint_routes(root: Path, keeper: Callable[[str], Keeper], most: int) -> list[BaseRoute]:
    """Routes for checkpoints of at most `most` bytes.

        POST /v1/sweeps/{sweep_id}/checkpoints                    lease and manifest; the digests that are missing
        GET  /v1/sweeps/{sweep_id}/checkpoints/{run_id}           the manifest of the newest one; 404: there is none
        HEAD, PUT, GET .../checkpoints/{run_id}/{sha256}          a part, as a blob

    Everything may be repeated. A part is kept for the run until a checkpoint that needs it is whole.
    """
    handlers = _Checkpoints(root, keeper, most)
    of_run, of_part = (
        wire.checkpoints_of("{sweep_id}", "{run_id}"),
        wire.checkpoints_of("{sweep_id}", "{run_id}", "{sha256}"),
    )
    return [
        Route(wire.checkpoints_of("{sweep_id}"), handlers.keep, methods=["POST"]),
        Route(of_run, handlers.manifest, methods=["GET"]),
        Route(of_part, handlers.get, methods=["GET"]),
        Route(of_part, handlers.put, methods=["PUT"]),
    ]


class _Checkpoints:
    """The handlers."""

    def __init__(self, root: Path, keeper: Callable[[str], Keeper], most: int) -> None:
        self._root = root
        self._keeper = keeper
        self._most = most
        self._limiter = anyio.CapacityLimiter(THREADS)
        self._locks = Locks()

    async def keep(self, request: Request) -> Response:
        sweep_id: str = request.path_params["sweep_id"]
        try:
            call = wire.KEEP_CHECKPOINT.decode(await request.body())
        except msgspec.DecodeError as error:
            told = f"the body is not what this server reads: {error}"
            raise UsageError(told, "agent and server must be of the same version of swath") from error
        if call.manifest.size > self._most:
            size, most = call.manifest.size / 2**30, self._most / 2**30
            raise UsageError(
                f"a checkpoint of {size:.3g} GiB is more than the {most:.3g} GiB that this server keeps",
                "save less, or set SWATH_CHECKPOINT_GIB for the server",
            )
        keeper = self._keeper(sweep_id)
        missing = await anyio.to_thread.run_sync(
            keeper.keep_checkpoint, call.lease, call.manifest, limiter=self._limiter
        )
        return Response(wire.encode(missing), media_type=wire.MEDIA_TYPE)

    async def manifest(self, request: Request) -> Response:
        found = await anyio.to_thread.run_sync(self._inbox(request).newest, limiter=self._limiter)
        return Response(wire.encode(found), media_type=wire.MEDIA_TYPE)

    async def get(self, request: Request) -> Response:
        digest, inbox = request.path_params["sha256"], self._inbox(request)
        if request.method == "HEAD":
            receiver = BlobReceiver(inbox.blobs, self._locks)
            return Response() if receiver.size(digest) is not None else begun(receiver, digest)
        return FileResponse(inbox.part(digest), media_type=MEDIA_TYPE)

    async def put(self, request: Request) -> Response:
        receiver = BlobReceiver(self._inbox(request).blobs, self._locks)
        return await take_part(request, receiver, request.path_params["sha256"], self._limiter, self._most)

    def _inbox(self, request: Request) -> Inbox:
        sweep_id, run_id = request.path_params["sweep_id"], request.path_params["run_id"]
        self._keeper(sweep_id)  # raises when there is no such sweep
        if run_id.rpartition("-")[0] != sweep_id:
            raise UsageError(f"{run_id} is no trial of sweep {sweep_id}", "name a trial of the sweep")
        return Inbox(layout.run_dir(self._root, run_id))
