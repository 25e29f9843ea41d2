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


class Keys(Record, frozen=True, tag=7):
    """The metrics' names that `Values` of this segment leave out. `id`: the offset at which they were said first.

    They are said again now and then, so that damage to one such record loses no row.
    """

    id: int
    names: tuple[str, ...]


class Values(Record, frozen=True, tag=8):
    """A `Row` whose names stand in the `Keys` of that id, in the same order."""

    keys: int
    step: int
    time: float
    values: tuple[Any, ...]


class System(Record, frozen=True, tag=9):
    """One sample of the machine: `values` by name, such as "cpu" in percent; see the module that takes them."""

    time: float
    values: dict[str, float]


class Facts(Record, frozen=True, tag=10):
    """What was found out about the program, its code, the packages and the machine; later ones win key by key."""

    time: float
    values: dict[str, Any]


class Alert(Record, frozen=True, tag=11):
    """An alert that the program raised; `error` says why it did not reach anybody, where it should have."""

    time: float
    title: str
    text: str
    level: str
    delivered: bool = False
    error: str = ""


class Saved(Record, frozen=True, tag=12):
    """A file of the run as it was at that time: its path inside the run's files, and its bytes among the blobs."""

    time: float
    path: str
    sha256: str
    size: int


class Define(Record, frozen=True, tag=13):
    """How the metrics that match `name` are summarised and drawn; see `Run.define_metric`."""

    name: str
    step_metric: str = ""
    step_sync: bool = False
    summary: tuple[str, ...] = ()
    goal: str = ""
    hidden: bool = False


class Rewind(Record, frozen=True, tag=14):
    """The run went back: rows of `step` and later that were written before now count no more."""

    time: float
    step: int


class Preempting(Record, frozen=True, tag=15):
    """The program said that it is about to be preempted."""

    time: float


AnyRecord = (
    Header | Config | Row | Summary | Output | Finish | Update | Keys | Values | System | Facts | Alert | Saved
    | Define | Rewind | Preempting
)  # fmt: skip
