"""The HTTP routes through which `RemoteSource` reads and changes runs; what a question means is the source's affair."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import anyio
import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from swath.tracking.api import wire
from swath.tracking.api.source import FileInfo, RunSource
from swath.tracking.errors import UsageError
from swath.tracking.server.pages import Pages

THREADS = 4
BLOCK = 256 * 1024
BYTES = "application/octet-stream"
_LIST = "list the files with run.files()"


def api_routes(source: RunSource) -> list[BaseRoute]:
    """Routes over `source`: `POST /v1/source/{verb}`, with the verbs, bodies and answers of `api.wire`.

    Everything may be repeated. Histories and records go out in pages, files in blocks. The bytes that records name by
    their SHA-256 are not here: they are got at `GET /v1/blobs/{sha256}`, where runs are shipped to.
    """
    limiter = anyio.CapacityLimiter(THREADS)
    verbs = _Verbs(source, Pages())
    answers = [_route(verb, work, limiter) for verb, work in verbs.answers.items()]
    return [*answers, Route(wire.path_of("file"), _FileRoute(verbs, limiter).post, methods=["POST"])]


class _Verbs:
    """What each verb does, from its body to its answer."""

    def __init__(self, source: RunSource, pages: Pages) -> None:
        self._source = source
        self._pages = pages
        self.answers: dict[str, Callable[[Any], bytes]] = {
            "find": lambda call: wire.encode(source.find(call.query)),
            "rows": lambda call: wire.encode(source.rows(call.ids)),
            "row": lambda call: wire.encode(source.row(call.run_id)),
            "history": self._history,
            "records": self._records,
            "more": lambda call: pages.more(call.page),
            "files": lambda call: wire.encode([wire.FileEntry.of(each) for each in source.files(call.run_id)]),
            "change": lambda call: wire.encode(source.change(call.run_id, call.changes)),
            "delete": self._delete,
        }

    def _history(self, call: wire.History) -> bytes:
        mark = call.after
        first = call.first if mark is None else max(mark.step, call.first if call.first is not None else mark.step)
        rows = self._source.history(call.run_id, first, call.end, call.page_size)
        return self._pages.first(rows if mark is None else wire.behind(rows, mark), call.page_size)

    def _records(self, call: wire.Records) -> bytes:
        unknown = [name for name in call.kinds if name not in wire.KINDS]
        if unknown:
            raise UsageError(f"there are no records {unknown[0]!r} here", "server and client must be of one version")
        kinds = tuple(wire.KINDS[name] for name in call.kinds)
        found = self._source.records(call.run_id, kinds, call.every_attempt)
        return self._pages.first(found, len(found))

    def _delete(self, call: wire.OfRun) -> bytes:
        self._source.delete(call.run_id)
        return wire.encode(None)

    def opened(self, call: wire.FileOf) -> BinaryIO:
        """A copy of a file that is not among the blobs; it has no name, and is gone when it is closed."""
        handle, name = tempfile.mkstemp(prefix="swath-file-")
        os.close(handle)
        try:
            self._source.copy_file(call.run_id, FileInfo(wire.name_text(call.name), 0), Path(name))
            return open(name, "rb")
        except (IsADirectoryError, NotADirectoryError, PermissionError, ValueError) as error:
            raise UsageError(f"the file {call.name!r} of run {call.run_id} cannot be read: {error}", _LIST) from error
        finally:
            os.unlink(name)


class _FileRoute:
    """The handler of the one verb whose answer is bytes."""

    def __init__(self, verbs: _Verbs, limiter: anyio.CapacityLimiter) -> None:
        self._verbs = verbs
        self._limiter = limiter

    async def post(self, request: Request) -> Response:
        call = _decoded("file", await request.body())
        file = await anyio.to_thread.run_sync(self._verbs.opened, call, limiter=self._limiter)
        length = {"Content-Length": str(os.fstat(file.fileno()).st_size)}
        return StreamingResponse(_blocks(file), headers=length, media_type=BYTES)


def _route(verb: str, work: Callable[[Any], bytes], limiter: anyio.CapacityLimiter) -> Route:
    def answered(body: bytes) -> bytes:
        return work(_decoded(verb, body))

    async def handler(request: Request) -> Response:
        content = await anyio.to_thread.run_sync(answered, await request.body(), limiter=limiter)
        return Response(content, media_type=wire.MEDIA_TYPE)

    return Route(wire.path_of(verb), handler, methods=["POST"])


def _decoded(verb: str, body: bytes) -> Any:
    try:
        return wire.CALLS[verb].decode(body)
    except msgspec.DecodeError as error:
        raise UsageError(
            f"the body of {verb} is not what this server reads: {error}", "server and client must be of one version"
        ) from error


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while block := file.read(BLOCK):
            yield block
