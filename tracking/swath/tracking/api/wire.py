"""`RunSource` on the wire: each verb's path, body and answer in msgpack, the bytes of files aside; no transport."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any, get_args

import msgspec

from swath.tracking.api.query import Query
from swath.tracking.api.source import Change, FileInfo
from swath.tracking.runlog.encoding import to_plain
from swath.tracking.runlog.records import AnyRecord, Row
from swath.tracking.store import RunRow

MEDIA_TYPE = "application/msgpack"


def path_of(verb: str) -> str:
    """Where a verb is posted."""
    return f"/v1/source/{verb}"


def blob_path(digest: str) -> str:
    """Where the bytes of a digest are got, with GET; they are not this protocol's alone."""
    return f"/v1/blobs/{digest}"


def segments_path(run_id: str) -> str:
    """Where the segments of a run's log are listed, and got, with GET; they are not this protocol's alone either."""
    return f"/v1/runs/{run_id}/segments"


class Mark(msgspec.Struct, frozen=True):
    """How far a history is known: its last row's step and time, and how many rows with both of them are known."""

    step: int
    time: float
    count: int


class Find(msgspec.Struct, frozen=True):
    query: Query


class Rows(msgspec.Struct, frozen=True):
    ids: tuple[str, ...]


class OfRun(msgspec.Struct, frozen=True):
    run_id: str


class History(msgspec.Struct, frozen=True):
    """The first page of a history, or of what is behind `after`."""

    run_id: str
    first: int | None = None
    end: int | None = None
    page_size: int = 1000
    after: Mark | None = None


class Records(msgspec.Struct, frozen=True):
    """The first page of the records whose kinds have these names."""

    run_id: str
    kinds: tuple[str, ...]
    every_attempt: bool = False


class More(msgspec.Struct, frozen=True):
    """The page that another one named. Refused as `OutOfStep` when it is not kept any more: ask from the start."""

    page: str


class FileOf(msgspec.Struct, frozen=True):
    """What a file holds that is not among the blobs. The answer is its bytes."""

    run_id: str
    name: bytes


class Changes(msgspec.Struct, frozen=True):
    """May be repeated: the changes say what is to be, not by how much."""

    run_id: str
    changes: tuple[Change, ...]


class Page(msgspec.Struct, frozen=True):
    """Some records, and the name of the next page; "" when there is none."""

    records: list[AnyRecord]
    next: str = ""


class FileEntry(msgspec.Struct, frozen=True):
    """A `FileInfo` whose name may be no text: files can have any bytes for a name."""

    name: bytes
    size: int
    sha256: str
    time: float

    @staticmethod
    def of(info: FileInfo) -> FileEntry:
        return FileEntry(name_bytes(info.name), info.size, info.sha256, info.time)

    def info(self) -> FileInfo:
        return FileInfo(name_text(self.name), self.size, self.sha256, self.time)


Call = Find | Rows | OfRun | History | Records | More | FileOf | Changes

CALLS: dict[str, msgspec.msgpack.Decoder[Any]] = {
    "find": msgspec.msgpack.Decoder(Find),
    "rows": msgspec.msgpack.Decoder(Rows),
    "row": msgspec.msgpack.Decoder(OfRun),
    "history": msgspec.msgpack.Decoder(History),
    "records": msgspec.msgpack.Decoder(Records),
    "more": msgspec.msgpack.Decoder(More),
    "files": msgspec.msgpack.Decoder(OfRun),
    "file": msgspec.msgpack.Decoder(FileOf),
    "change": msgspec.msgpack.Decoder(Changes),
    "delete": msgspec.msgpack.Decoder(OfRun),
}

ANSWERS: dict[str, msgspec.msgpack.Decoder[Any]] = {
    "find": msgspec.msgpack.Decoder(list[str]),
    "rows": msgspec.msgpack.Decoder(dict[str, RunRow]),
    "row": msgspec.msgpack.Decoder(RunRow),
    "history": msgspec.msgpack.Decoder(Page),
    "records": msgspec.msgpack.Decoder(Page),
    "more": msgspec.msgpack.Decoder(Page),
    "files": msgspec.msgpack.Decoder(list[FileEntry]),
    "change": msgspec.msgpack.Decoder(RunRow),
    "delete": msgspec.msgpack.Decoder(None),
}

KINDS: dict[str, type[AnyRecord]] = {kind.__name__: kind for kind in get_args(AnyRecord)}

_encode = msgspec.msgpack.Encoder().encode


def encode(value: Any) -> bytes:
    """The msgpack form of a call or of an answer, whatever text and numbers users have put in it."""
    try:
        return _encode(value)
    except (OverflowError, UnicodeEncodeError):
        return _encode(to_plain(msgspec.to_builtins(value), "", lenient=True))


def name_bytes(name: str) -> bytes:
    """A file's name as bytes; `name_text` gives it back, whatever it is."""
    return name.encode("utf-8", "surrogatepass")


def name_text(name: bytes) -> str:
    """The file's name that `name_bytes` was given."""
    return name.decode("utf-8", "surrogatepass")


def marked(rows: Sequence[Row], before: Mark | None) -> Mark | None:
    """How far a history is known with `rows`, which stand behind `before`."""
    if not rows:
        return before
    step, time = rows[-1].step, rows[-1].time
    count = sum(1 for _ in takewhile(lambda row: (row.step, row.time) == (step, time), reversed(rows)))
    if count == len(rows) and before is not None and (before.step, before.time) == (step, time):
        count += before.count
    return Mark(step, time, count)


def behind(rows: Iterable[Row], mark: Mark) -> Iterator[Row]:
    """Of rows by step and time those that are not known by `mark`."""
    known = mark.count
    for row in rows:
        if (row.step, row.time) == (mark.step, mark.time) and known:
            known -= 1
        elif (row.step, row.time) >= (mark.step, mark.time):
            yield row
