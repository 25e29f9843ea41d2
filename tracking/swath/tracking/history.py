"""Reads rows and output straight from a run's log; it knows no store, and changes nothing."""

from __future__ import annotations

from pathlib import Path

from swath.tracking.layout import last_attempt, segments
from swath.tracking.records import AnyRecord, Output, Row
from swath.tracking.runlog import decode, read_from


def read_records(run_dir: Path, attempt: int | None = None) -> list[AnyRecord]:
    """All records of an attempt (default: the last one), segment by segment, the main one first."""
    records: list[AnyRecord] = []
    for path in segments(run_dir, attempt or last_attempt(run_dir)):
        records += decode(read_from(path, 0), final=True)[0]
    return records


def read_history(run_dir: Path, attempt: int | None = None) -> list[Row]:
    """The rows of an attempt (default: the last one) by step, and those of one step by time."""
    rows = [record for record in read_records(run_dir, attempt) if isinstance(record, Row)]
    return sorted(rows, key=lambda row: (row.step, row.time))


def tail_rows(run_dir: Path, count: int) -> list[Row]:
    """The `count` rows of the last attempt that were written last, oldest first."""
    rows = [record for record in read_records(run_dir) if isinstance(record, Row)]
    return sorted(rows, key=lambda row: row.time)[-count:] if count > 0 else []


def output_tail(run_dir: Path, lines: int) -> list[str]:
    """The last `lines` lines that the last attempt printed, stdout and stderr together."""
    printed = [record for record in read_records(run_dir) if isinstance(record, Output)]
    printed.sort(key=lambda record: record.time)
    return "".join(record.text for record in printed).splitlines()[-lines:] if lines > 0 else []
