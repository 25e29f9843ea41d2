"""`RemoteSource`: the runs of a server, over HTTP; what is asked is in `wire`, how it is asked in `client`."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from swath.tracking import layout
from swath.tracking.api import wire
from swath.tracking.api.fetched import FetchedBlobs, checked
from swath.tracking.api.query import Query
from swath.tracking.api.source import Change, FileInfo
from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotFound, OutOfStep, RetryLater, SwathError
from swath.tracking.runlog.records import AnyRecord, Row
from swath.tracking.shipping.client import Client
from swath.tracking.store import RunRow

#: How long a question is repeated that is not answered, and how long the server may say nothing: it may have to
#: read a log of millions of rows first.
DEADLINE_S = 10.0
ANSWER_S = 60.0
#: How many runs are asked for at a time.
RUNS = 500
#: How often records are read from their start when the server cannot go on, as after its restart.
STARTS = 3


class RemoteSource:
    """Implements `RunSource` for the server at `url`, which has `server.api_routes` and the blobs of `run_routes`.

    What is not answered is asked again for `deadline_s` seconds, then it raises `RetryLater`. A history is read page
    by page, as it was when it was asked for; when the server loses the rest, it goes on behind the last row it gave.
    """

    def __init__(
        self, url: str, token: str = "", *, deadline_s: float = DEADLINE_S, answer_s: float = ANSWER_S
    ) -> None:
        self._connection = _Connection(url, token, deadline_s, answer_s)
        self._finalizer = weakref.finalize(self, self._connection.close)
        self._blobs: FetchedBlobs | None = None
        self._lock = threading.Lock()

    @property
    def place(self) -> str:
        return self._connection.url

    def find(self, query: Query) -> list[str]:
        found: list[str] = self._ask("find", wire.Find(query))
        return found

    def rows(self, ids: Sequence[str]) -> dict[str, RunRow]:
        found: dict[str, RunRow] = {}
        for start in range(0, len(ids), RUNS):
            found |= self._ask("rows", wire.Rows(tuple(ids[start : start + RUNS])))
        return found

    def row(self, run_id: str) -> RunRow:
        row: RunRow = self._ask("row", wire.OfRun(run_id))
        return row

    def history(
        self, run_id: str, first: int | None = None, end: int | None = None, page_size: int = 1000
    ) -> Iterator[Row]:
        mark: wire.Mark | None = None
        page: wire.Page = self._ask("history", wire.History(run_id, first, end, page_size))
        while True:
            rows = [record for record in page.records if isinstance(record, Row)]
            yield from rows
            if not page.next:
                return
            mark = wire.marked(rows, mark)
            try:
                page = self._ask("more", wire.More(page.next))
            except OutOfStep:
                page = self._ask("history", wire.History(run_id, first, end, page_size, mark))

    def records(self, run_id: str, kinds: tuple[type[AnyRecord], ...], every_attempt: bool = False) -> list[AnyRecord]:
        call = wire.Records(run_id, tuple(kind.__name__ for kind in kinds), every_attempt)
        for _ in range(STARTS):
            try:
                return self._whole(self._ask("records", call))
            except OutOfStep:
                continue
        raise RetryLater(f"{self.place} could not give all records of run {run_id}", "it is busy: try again")

    def segments(self, run_id: str) -> dict[str, int]:
        if layout.is_run_id(run_id):
            answer = self._connection.client().ask("GET", wire.segments_path(run_id))
            try:
                found = msgspec.json.decode(answer.content, type=dict[str, int])
            except msgspec.DecodeError as error:
                raise self._unreadable("segments", error) from error
            if found:
                return found
        self.row(run_id)  # raises when there is no such run
        return {}

    def segment(self, run_id: str, name: str, offset: int) -> bytes:
        path = f"{wire.segments_path(run_id)}/{name}"
        return self._connection.client().ask("GET", path, query={"offset": offset}).content

    def files(self, run_id: str) -> list[FileInfo]:
        return [entry.info() for entry in self._ask("files", wire.OfRun(run_id))]

    def read_file(self, run_id: str, file: FileInfo) -> bytes:
        if file.sha256:
            return self.blobs(run_id).read(file.sha256)
        return self._connection.client().ask("POST", wire.path_of("file"), content=_file_of(run_id, file)).content

    def copy_file(self, run_id: str, file: FileInfo, target: Path) -> None:
        if file.sha256:
            self._connection.fetch_blob(file.sha256, target)
        else:
            content = _file_of(run_id, file)
            self._connection.client().fetch("POST", wire.path_of("file"), target, content=content)

    def blobs(self, run_id: str) -> Blobs:
        with self._lock:
            if self._blobs is None:
                self._blobs = FetchedBlobs(self._connection.fetch_blob)
            return self._blobs

    def change(self, run_id: str, changes: Sequence[Change]) -> RunRow:
        row: RunRow = self._ask("change", wire.Changes(run_id, tuple(changes)))
        return row

    def delete(self, run_id: str) -> None:
        self.row(run_id)
        with suppress(NotFound):  # it was there: the answer to an earlier try was lost, or somebody else was faster
            self._ask("delete", wire.OfRun(run_id))

    def url(self, run_id: str) -> str:
        return f"{self.place}/runs/{quote(run_id, safe='')}"

    def close(self) -> None:
        self._finalizer()

    def _whole(self, page: wire.Page) -> list[AnyRecord]:
        found = page.records
        while page.next:
            page = self._ask("more", wire.More(page.next))
            found += page.records
        return found

    def _ask(self, verb: str, call: wire.Call) -> Any:
        answer = self._connection.client().ask("POST", wire.path_of(verb), content=wire.encode(call))
        try:
            return wire.ANSWERS[verb].decode(answer.content)
        except msgspec.DecodeError as error:
            raise self._unreadable(verb, error) from error

    def _unreadable(self, verb: str, error: Exception) -> SwathError:
        return SwathError(
            f"the answer of {self.place} to {verb} is not what this version of swath reads: {error}",
            "check the URL; server and client must be of one version",
        )


class _Connection:
    """The client of this process: a forked child has one of its own, since two cannot share a connection."""

    def __init__(self, url: str, token: str, deadline_s: float, answer_s: float) -> None:
        self._ended = threading.Event()
        self._make: Callable[[], Client] = partial(
            Client, url, token, deadline_s=deadline_s, answer_s=answer_s, ended=self._ended
        )
        self._clients = {os.getpid(): self._make()}
        self.url = self.client().url

    def client(self) -> Client:
        return self._clients.get(os.getpid()) or self._clients.setdefault(os.getpid(), self._make())

    def fetch_blob(self, digest: str, target: Path) -> None:
        self.client().fetch("GET", wire.blob_path(digest), target)
        checked(digest, target, self.url)

    def close(self) -> None:
        self._ended.set()
        for client in self._clients.values():
            client.close()


def _file_of(run_id: str, file: FileInfo) -> bytes:
    return wire.encode(wire.FileOf(run_id, wire.name_bytes(file.name)))
