"""Reads rows, output and all other records straight from a run's log; it knows no store, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate, chain
from pathlib import Path

from swath.tracking.layout import last_attempt, segments
from swath.tracking.runlog.frames import HEADER_SIZE, decode
from swath.tracking.runlog.logfile import read_from
from swath.tracking.runlog.records import AnyRecord, Output, Rewind, Row


def read_records(run_dir: Path, attempt: int | None = None, until: Mapping[str, int] | None = None) -> list[AnyRecord]:
    """All records of an attempt (default: the last one), segment by segment, the main one first.

    `until`: read each segment up to the byte given there, and the others not at all.
    """
    return [record for part in _parts(run_dir, attempt, until) for record in part]


def read_history(run_dir: Path, attempt: int | None = None, until: Mapping[str, int] | None = None) -> list[Row]:
    """The rows of an attempt (default: the last one) by step, and those of one step by time.

    Rows that a rewind has left behind are not among them. `streaming` gives them without holding them all.
    """
    rows = chain.from_iterable(_rows_of_parts(list(_parts(run_dir, attempt, until))))
    return sorted(rows, key=lambda row: (row.step, row.time))


def rows_as_written(run_dir: Path, attempt: int | None = None, until: Mapping[str, int] | None = None) -> list[Row]:
    """`read_history` in the order of writing, which within a segment is known even where the clock went backwards."""
    parts = _rows_of_parts(list(_parts(run_dir, attempt, until)))
    if len(parts) == 1:
        return parts[0]
    placed: list[tuple[float, Row]] = []
    for rows in parts:
        placed += zip(accumulate((row.time for row in rows), max), rows, strict=True)
    return [row for _, row in sorted(placed, key=lambda pair: pair[0])]


def rows_that_count(records: Iterable[AnyRecord]) -> list[Row]:
    """The rows of one segment without those that a later rewind in it has left behind."""
    rows: list[Row] = []
    for record in records:
        if isinstance(record, Row):
            rows.append(record)
        elif isinstance(record, Rewind):
            rows = [row for row in rows if row.step < record.step]
    return rows


def tail_rows(run_dir: Path, count: int) -> list[Row]:
    """The `count` rows of the last attempt that were written last, oldest first."""
    return sorted(read_history(run_dir), key=lambda row: row.time)[-count:] if count > 0 else []


def output_tail(run_dir: Path, lines: int) -> list[str]:
    """The last `lines` lines that the last attempt printed, stdout and stderr together."""
    printed = [record for record in read_records(run_dir) if isinstance(record, Output)]
    printed.sort(key=lambda record: record.time)
    return "".join(record.text for record in printed).splitlines()[-lines:] if lines > 0 else []


def _parts(run_dir: Path, attempt: int | None, until: Mapping[str, int] | None) -> Iterable[list[AnyRecord]]:
    for path in segments(run_dir, attempt or last_attempt(run_dir)):
        data = read_from(path, 0)
        if until is not None:
            data = data[: max(until.get(path.name, 0) - HEADER_SIZE, 0)]
        yield decode(data, final=True)[0]


def _rows_of_parts(parts: list[list[AnyRecord]]) -> list[list[Row]]:
    """The rows that count of each segment, in the order of writing."""
    rewinds = [(place, record) for place, part in enumerate(parts) for record in part if isinstance(record, Rewind)]
    if len(parts) == 1 or not rewinds:
        return [rows_that_count(part) for part in parts]
    return [_left_by_others(part, place, rewinds) for place, part in enumerate(parts)]


def _left_by_others(part: list[AnyRecord], own: int, rewinds: list[tuple[int, Rewind]]) -> list[Row]:
    """The rows of one segment that count, also after rewinds in other segments, which are later by their time."""
    others = [rewind for place, rewind in rewinds if place != own]
    return [
        row
        for row in rows_that_count(part)
        if not any(row.step >= rewind.step and row.time <= rewind.time for rewind in others)
    ]
