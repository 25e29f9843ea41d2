"""The HTTP routes that runs are shipped to: segments of logs, and blobs; what a request does is decided elsewhere."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio
import anyio.to_thread
import sqlalchemy as sa
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from swath.tracking import layout
from swath.tracking.apply.catchup import Trials, trials_by_log
from swath.tracking.blobs import Blobs
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.errors import NotFound, RetryLater, UsageError
from swath.tracking.runlog.logfile import read_from
from swath.tracking.server.receiver import BlobReceiver, OwnsSweep, RunReceiver
from swath.tracking.store import Database

THREADS = 4
#: A part of a blob that is larger is put down on the disk while it comes in.
IN_MEMORY = 1024 * 1024
#: How much of a segment goes out in one answer.
PART = 4 * 1024 * 1024
MEDIA_TYPE = "application/octet-stream"


def any_sweep(connection: sa.Connection, sweep_id: str) -> bool:
    """For those who know no sweeps: whatever names one may be one of this store's."""
    return True


def run_routes(
    root: Path,
    database: Database,
    trials: Trials | None = None,
    owns_sweep: OwnsSweep = any_sweep,
    clock: Clock = SYSTEM_CLOCK,
) -> list[BaseRoute]:
    """Routes over the store at `root`:

        GET  /v1/runs/{run_id}/segments                         {segment: end} of what is here
        GET  /v1/runs/{run_id}/segments/{segment}?offset=N      bytes of a segment from there on; empty at its end
        PUT  /v1/runs/{run_id}/segments/{segment}?offset=N      bytes of a segment; {"end": N}
        HEAD /v1/blobs/{sha256}                                 its size; 404 and Upload-Offset when it is not here
        PUT  /v1/blobs/{sha256}?offset=N&size=N                 bytes of a blob, or all of them; {"end": N}
        GET  /v1/blobs/{sha256}                                 the bytes

    Everything may be repeated. Bytes behind a gap are refused with 409 and the offset to go on from. `trials` and
    `owns_sweep` tell the runs that are not taken here: trials of this store's own sweeps.
    """
    limiter = anyio.CapacityLimiter(THREADS)
    receiver = RunReceiver(root, database, trials or trials_by_log(root), owns_sweep, clock)
    segments = _Segments(root, receiver, limiter)
    blobs = _Blobs(Blobs(layout.blobs_root(root)), limiter)
    return [
        Route("/v1/runs/{run_id}/segments", segments.get, methods=["GET"]),
        Route("/v1/runs/{run_id}/segments/{segment}", segments.part, methods=["GET"]),
        Route("/v1/runs/{run_id}/segments/{segment}", segments.put, methods=["PUT"]),
        Route("/v1/blobs/{sha256}", blobs.get, methods=["GET"]),
        Route("/v1/blobs/{sha256}", blobs.put, methods=["PUT"]),
    ]


class _Segments:
    """The handlers of segments."""

    def __init__(self, root: Path, receiver: RunReceiver, limiter: anyio.CapacityLimiter) -> None:
        self._root = root
        self._receiver = receiver
        self._limiter = limiter

    async def get(self, request: Request) -> Response:
        run_id: str = request.path_params["run_id"]
        return JSONResponse(await anyio.to_thread.run_sync(self._receiver.ends, run_id, limiter=self._limiter))

    async def part(self, request: Request) -> Response:
        run_id, segment = request.path_params["run_id"], request.path_params["segment"]
        offset = _number(request, "offset")
        layout.attempt_of(segment)  # raises when it is no segment's name
        path = layout.run_dir(self._root, run_id) / segment
        data = await anyio.to_thread.run_sync(read_from, path, offset, PART, limiter=self._limiter)
        return Response(data, media_type=MEDIA_TYPE)

    async def put(self, request: Request) -> Response:
        run_id, segment = request.path_params["run_id"], request.path_params["segment"]
        offset = _number(request, "offset")
        data = await request.body()
        end = await anyio.to_thread.run_sync(self._receiver.take, run_id, segment, offset, data, limiter=self._limiter)
        return JSONResponse({"end": end})


class _Blobs:
    """The handlers of blobs."""

    def __init__(self, blobs: Blobs, limiter: anyio.CapacityLimiter) -> None:
        self._blobs = blobs
        self._receiver = BlobReceiver(blobs)
        self._limiter = limiter

    async def get(self, request: Request) -> Response:
        digest: str = request.path_params["sha256"]
        if self._receiver.size(digest) is not None:
            return FileResponse(self._blobs.path(digest), media_type=MEDIA_TYPE)
        if request.method == "HEAD":
            return begun(self._receiver, digest)
        raise NotFound(f"the file {digest} is not on this server", "it may not have been sent here yet")

    async def put(self, request: Request) -> Response:
        return await take_part(request, self._receiver, request.path_params["sha256"], self._limiter)


def begun(receiver: BlobReceiver, digest: str) -> Response:
    """The answer to the question for a blob that is not here: where to go on with it."""
    return Response(status_code=404, headers={"Upload-Offset": str(receiver.begun(digest))})


async def take_part(
    request: Request, receiver: BlobReceiver, digest: str, limiter: anyio.CapacityLimiter, most: int | None = None
) -> Response:
    """Take the part of a blob that a request holds; blobs of more than `most` bytes are refused."""
    receiver.check(digest)  # raises when it is no digest, before anything is read
    offset, size = _number(request, "offset", 0), _number(request, "size", -1)
    if most is not None and max(offset, size) > most:
        raise UsageError(f"a file of {size} bytes is more than the {most} that are taken here", "keep less")
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as part:
        try:
            async for block in request.stream():
                part.write(block)
        except ClientDisconnect:
            raise RetryLater("the connection was lost in the middle of a part", "send the part again") from None
        size = offset + part.tell() if size < 0 else size
        end = await anyio.to_thread.run_sync(receiver.take, digest, offset, size, part, limiter=limiter)
    return JSONResponse({"end": end})


def _number(request: Request, name: str, default: int | None = None) -> int:
    text = request.query_params.get(name)
    if text is None and default is not None:
        return default
    if text is None or not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise UsageError(f"{name}={text!r} is no number of bytes", f"pass {name}=N in the query, from 0")
    return int(text)
