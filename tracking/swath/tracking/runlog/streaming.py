"""A run's history row by row in bounded memory, however long its log is; the same rows as `read_history` gives at once.

A log is gone through twice. First for what it went back to, since a `Rewind` takes rows away that stand before it, and
for whether its rows stand in their order. Then for the rows: those of a segment in order are given as they are read,
those of another one are sorted in blocks on the disk, and those of several segments are merged. What is written
meanwhile does not count.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import accumulate, chain
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from swath.tracking.errors import NotFound
from swath.tracking.layout import last_attempt, segments
from swath.tracking.runlog.encoding import pack
from swath.tracking.runlog.frames import HEADER_SIZE, Names, decode, decode_heads, names_in
from swath.tracking.runlog.logfile import read_from
from swath.tracking.runlog.records import Rewind, Row
from swath.tracking.runlog.spool import Spool

#: Bytes of a log that are decoded at a time.
CHUNK = 256 * 1024
#: Bytes of rows that are sorted in memory.
BLOCK = 2 * 1024 * 1024

T = TypeVar("T")

_ORDER: Callable[[Row], tuple[int, float]] = attrgetter("step", "time")
_ROW = msgspec.msgpack.Decoder(Row)
_Keyed = tuple[tuple[int, float], bytes]


class _Segment(NamedTuple):
    """What the first look at a segment found: its end, what it went back to, and whether its rows are in order."""

    path: Path
    end: int
    rewinds: list[Rewind]
    ordered: bool


def stream_history(run_dir: Path, attempt: int | None = None, *, block: int = BLOCK) -> Iterator[Row]:
    """The rows of an attempt (default: the last one), by step, and those of one step by time.

    Rows that a rewind has left behind are not among them. `block`: bytes of rows that may be sorted in memory. Raises
    `NotFound` when the log is removed meanwhile.
    """
    found = [_looked_at(path) for path in segments(run_dir, attempt or last_attempt(run_dir))]
    streams = []
    for segment in found:
        others = [rewind for other in found if other is not segment for rewind in other.rewinds]
        rows = _rows_that_count(segment, others)
        streams.append(rows if segment.ordered else _sorted(rows, block))
    return streams[0] if len(streams) == 1 else heapq.merge(*streams, key=_ORDER)


def _looked_at(path: Path) -> _Segment:
    rewinds: list[Rewind] = []
    ordered = True
    last: tuple[int, float] = (-1, 0.0)
    end = HEADER_SIZE
    for heads, ended in _chunks(path, _size(path), decode_heads):
        end = ended
        for head in heads:
            if isinstance(head, Rewind):
                rewinds.append(head)
                # What is left is of smaller steps, if it was in order.
                last = min(last, (head.step, float("-inf")))
            else:
                order = (head.step, head.time)
                ordered = ordered and order >= last
                last = order
    return _Segment(path, end, rewinds, ordered)


def _rows_that_count(segment: _Segment, others: list[Rewind]) -> Iterator[Row]:
    """The rows of one segment that no later rewind has left behind; those of other segments are later by their time."""
    own = _lowest_from([rewind.step for rewind in segment.rewinds])
    others.sort(key=attrgetter("time"))
    times = [rewind.time for rewind in others]
    foreign = _lowest_from([rewind.step for rewind in others])
    passed, end = 0, HEADER_SIZE
    whole = partial(decode, names=_remembered(names_in(segment.path)))
    for records, ended in _chunks(segment.path, segment.end, whole):
        end = ended
        if not segment.rewinds and not others:
            yield from [record for record in records if type(record) is Row]
            continue
        for record in records:
            if isinstance(record, Rewind):
                passed += 1
            elif isinstance(record, Row) and record.step < min(own[passed], foreign[bisect_left(times, record.time)]):
                yield record
    if end < segment.end:
        raise NotFound(f"the log {segment.path} was removed while it was read", "list the runs with Api().runs()")


def _lowest_from(steps: Sequence[int]) -> list[float]:
    """For each place the lowest of the steps there and behind it."""
    return list(accumulate([float("inf"), *reversed(steps)], min))[::-1]


def _size(path: Path) -> int:
    """Where reading stops: a busy writer might never be caught up with."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _chunks(path: Path, end: int, decoded: Callable[..., tuple[list[T], int]]) -> Iterator[tuple[list[T], int]]:
    """What `decoded` makes of a segment up to `end`, a part at a time, and where each part ends."""
    offset, most = HEADER_SIZE, CHUNK
    while offset < end:
        data = read_from(path, offset, min(most, end - offset))
        records, consumed = decoded(data)
        whole = len(data) < most
        if not consumed and whole:
            # Nothing more follows: what stands here is damaged, and what is whole behind it counts.
            records, consumed = decoded(data, final=True)
        if consumed:
            offset += consumed
            most = CHUNK
            yield records, offset
        elif whole:
            return
        else:
            most *= 2  # a longer record, or damage


def _remembered(find: Names) -> Names:
    known: dict[int, tuple[str, ...] | None] = {}

    def names(id_: int) -> tuple[str, ...] | None:
        if id_ not in known:
            known[id_] = find(id_)
        return known[id_]

    return names


def _sorted(rows: Iterable[Row], most: int) -> Iterator[Row]:
    """The rows in order. When they fill several blocks, each is sorted and kept on the disk, and they are merged."""
    blocks = _blocks(rows, most)
    first = next(blocks, [])
    second = next(blocks, None)
    if second is None:
        yield from map(_ROW.decode, map(itemgetter(1), first))
        return
    with closing(Spool()) as spool:
        parts = [spool.write(map(itemgetter(1), block)) for block in chain([first, second], blocks)]
        yield from heapq.merge(*(map(_ROW.decode, spool.read(part)) for part in parts), key=_ORDER)


def _blocks(rows: Iterable[Row], most: int) -> Iterator[list[_Keyed]]:
    """The rows, packed, in sorted blocks of some `most` bytes."""
    block: list[_Keyed] = []
    size = 0
    for row in rows:
        packed = pack(row)
        block.append((_ORDER(row), packed))
        size += len(packed)
        if size > most:
            yield sorted(block, key=itemgetter(0))
            block, size = [], 0
    if block:
        yield sorted(block, key=itemgetter(0))
