"""Frames of the run log, from bytes to records: checksums, what damage hides, and rows whose names stand elsewhere."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar
from zlib import crc32

import msgspec

from swath.tracking.runlog.records import AnyRecord, Keys, Output, Record, Rewind, Row, Values

T = TypeVar("T")

#: Where the frames of a segment begin.
HEADER_SIZE = 4096
FRAME = struct.Struct("<II")
#: A longer record of names is not looked for at its place.
_MAX_KEYS = 1024 * 1024
#: A short or a longer array that begins with a small int.
_RECORD_START = re.compile(rb"(?=(?:[\x91-\x9f]|\xdc..)[\x00-\x7f])", re.DOTALL)
#: How a longer one begins.
_LONG_ARRAY = 0xDC
_DECODER: msgspec.msgpack.Decoder[AnyRecord] = msgspec.msgpack.Decoder(AnyRecord)


class RowHead(Record, frozen=True, tag=2):
    """A `Row` without its values."""

    step: int
    time: float


class ValuesHead(Record, frozen=True, tag=8):
    """A `Values` without its values."""

    keys: int
    step: int
    time: float


Head = RowHead | ValuesHead | Rewind
_HEADS: msgspec.msgpack.Decoder[Head] = msgspec.msgpack.Decoder(Head)
_OUTPUTS: msgspec.msgpack.Decoder[Output] = msgspec.msgpack.Decoder(Output)


class Scan(NamedTuple):
    """What `scan` found: the records, the bytes it consumed, and how many frames it had to leave out."""

    records: list[AnyRecord]
    consumed: int
    skipped: int


Names = Callable[[int], tuple[str, ...] | None]
"""Finds the names said under an id of `Keys` in a part of the segment that is not at hand."""


def decode(data: bytes, *, final: bool = False, names: Names | None = None) -> tuple[list[AnyRecord], int]:
    """The records in the whole frames of `data`, and the number of bytes consumed: `scan` without the count.

    `data` begins at a frame. Decoding stops before a torn tail and, unless `final`, before a frame with a bad
    checksum. With `final` (nobody will write to the segment any more) such a frame is left out when a whole
    frame is found behind it. A record of a kind that this version does not know is left out.
    """
    found = scan(data, final=final, names=names)
    return found.records, found.consumed


def scan(data: bytes, *, final: bool = False, names: Names | None = None) -> Scan:
    """`decode`, with the number of frames that were left out."""
    found = _scan(data, final)
    if any(type(record) in (Keys, Values) for record in found.records):
        return _with_names(found, names or (lambda id_: None))
    return found


def decode_heads(data: bytes, *, final: bool = False) -> tuple[list[Head], int]:
    """`decode`, in a third of the time, for those who want to know where rows belong, and not what is in them."""
    heads, consumed, _ = _frames(data, final, _HEADS)
    return heads, consumed


def decode_outputs(data: bytes, *, final: bool = False) -> tuple[list[Output], int]:
    """`decode`, for those who want to know what was printed alone."""
    outputs, consumed, _ = _frames(data, final, _OUTPUTS)
    return outputs, consumed


def kinds_in(data: bytes) -> tuple[set[int], int]:
    """The kinds of the records in the whole frames of `data`, which begins at one, and the bytes consumed."""
    kinds: set[int] = set()
    position = 0
    while end := _frame_end(data, position):
        start = position + FRAME.size
        kinds.add(data[start + (3 if data[start] == _LONG_ARRAY else 1)])
        position = end
    return kinds, position


def names_in(path: Path | str) -> Names:
    """Looks for the names of an id in the segment at `path`: at the place the id gives, then everywhere."""

    def find(id_: int) -> tuple[str, ...] | None:
        return _names_among(_read_frame(path, id_), id_) or _names_among(_read_part(path, HEADER_SIZE), id_)

    return find


def _names_among(data: bytes, id_: int) -> tuple[str, ...] | None:
    found = _scan(data, final=True).records
    return next((record.names for record in found if isinstance(record, Keys) and record.id == id_), None)


def _with_names(found: Scan, elsewhere: Names) -> Scan:
    """Rows of `Values`, with the names that stand in `found` itself or are found elsewhere."""
    known: dict[int, tuple[str, ...] | None] = {r.id: r.names for r in found.records if isinstance(r, Keys)}
    records: list[AnyRecord] = []
    lost = 0
    for record in found.records:
        if isinstance(record, Values):
            if record.keys not in known:
                known[record.keys] = elsewhere(record.keys)
            names = known[record.keys]
            if names is None or len(names) != len(record.values):
                lost += 1
            else:
                records.append(Row(record.step, record.time, dict(zip(names, record.values, strict=True))))
        elif not isinstance(record, Keys):
            records.append(record)
    return Scan(records, found.consumed, found.skipped + lost)


def _scan(data: bytes, final: bool) -> Scan:
    return Scan(*_frames(data, final, _DECODER))


def _frames(data: bytes, final: bool, decoder: msgspec.msgpack.Decoder[T]) -> tuple[list[T], int, int]:
    """What the decoder takes of the frames, the bytes consumed, and the number of frames that were left out."""
    records: list[T] = []
    position = skipped = 0
    while True:
        end = _frame_end(data, position)
        if end:
            try:
                records.append(decoder.decode(memoryview(data)[position + FRAME.size : end]))
            except msgspec.MsgspecError:
                skipped += 1
            position = end
            continue
        following = _next_frame(data, position) if final else 0
        if not following:
            return records, position, skipped
        position = following
        skipped += 1


def _read_frame(path: Path | str, offset: int) -> bytes:
    """The frame that begins at `offset`, or what stands there instead."""
    head = _read_part(path, offset, FRAME.size)
    length = FRAME.unpack(head)[0] if len(head) == FRAME.size else 0
    return _read_part(path, offset, FRAME.size + min(length, _MAX_KEYS))


def _read_part(path: Path | str, start: int, length: int = -1) -> bytes:
    """`length` bytes of a file from `start` on, all of them by default, and fewer where there are no more."""
    try:
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(length)
    except OSError:
        return b""


def _frame_end(data: bytes, position: int) -> int:
    """Where the whole, verified frame at `position` ends; 0 when there is none."""
    start = position + FRAME.size
    if start > len(data):
        return 0
    length, checksum = FRAME.unpack_from(data, position)
    end: int = start + length
    if length == 0 or end > len(data) or crc32(memoryview(data)[start:end]) != checksum:
        return 0
    return end


def _next_frame(data: bytes, position: int) -> int:
    """The first verified frame behind a broken one; 0 when there is none."""
    for match in _RECORD_START.finditer(data, position + 1 + FRAME.size):
        start = match.start() - FRAME.size
        if _frame_end(data, start):
            return start
    return 0


def end_of_frames(data: bytes) -> int:
    """Where the last verified frame ends, broken ones in between left standing."""
    position = 0
    while True:
        end = _frame_end(data, position)
        while end:
            position = end
            end = _frame_end(data, position)
        following = _next_frame(data, position)
        if not following:
            return position
        position = following
