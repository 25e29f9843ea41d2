"""The kinds of record in a run log, and their msgpack form (an array that begins with the kind's number)."""

from __future__ import annotations

from typing import Any

import msgspec


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all records. Fields may be added at the end with a default; none is ever removed or moved."""


class Header(Record, frozen=True, tag=0):
    """Who the run is, as `init()` was told; the first record of a main segment. Times: seconds since the epoch."""

    run_id: str
    attempt: int
    time: float
    name: str
    project: str = ""
    group: str = ""
    job_type: str = ""
    tags: tuple[str, ...] = ()
    notes: str = ""
    sweep_id: str = ""
    mode: str = "online"
    host: str = ""
    pid: int = 0
    program: str = ""
    python: str = ""
    entity: str = ""


class Config(Record, frozen=True, tag=1):
    """Config keys set or changed; later records win key by key."""

    values: dict[str, Any]


class Row(Record, frozen=True, tag=2):
    """One history row: the metrics of one step. `values` may be nested; numbers may be NaN or infinite."""

    step: int
    time: float
    values: dict[str, Any]


class Summary(Record, frozen=True, tag=3):
    """Summary keys set by the user; the last value of each metric needs no record."""

    values: dict[str, Any]


class Output(Record, frozen=True, tag=4):
    """Console output: `stream` is stdout or stderr, `text` whole lines where possible."""

    stream: str
    time: float
    text: str


class Finish(Record, frozen=True, tag=5):
    """The end of the run. `error`: the traceback of a failed one; `dropped`: records that were not written."""

    exit_code: int | None
    time: float
    error: str = ""
    dropped: int = 0
    signal: int | None = None
    stopped: bool = False


class Update(Record, frozen=True, tag=6):
    """Name, tags or notes changed after `init()`; None leaves a field as it is."""

    name: str | None = None
    tags: tuple[str, ...] | None = None
    notes: str | None = None


AnyRecord = Header | Config | Row | Summary | Output | Finish | Update
