"""The only way from run logs into the store: folds new records into a run's row, and touches nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from swath.tracking import layout
from swath.tracking.runlog import records
from swath.tracking.runlog.frames import HEADER_SIZE, decode, names_in
from swath.tracking.runlog.history import rows_as_written
from swath.tracking.runlog.metrics import Definitions, Summarizer, from_plain, to_plain
from swath.tracking.store.runs import RunRow

Folder = Callable[[], Path]


class Applied(msgspec.Struct, frozen=True):
    """What a fold gave: the new row, and the history rows and the alerts it added."""

    run: RunRow
    rows: list[records.Row]
    alerts: list[records.Alert] = []


def applied_to(run: RunRow, segment: str) -> int:
    """The byte of `segment` up to which `run` holds everything."""
    return max(run.applied.get(segment, HEADER_SIZE), HEADER_SIZE)


def fold(
    run: RunRow, segment: str, offset: int, data: bytes, final: bool = False, folder: Folder | None = None
) -> Applied:
    """Fold the frames of `data`, which stand at `offset` of `segment`, into `run`.

    Only whole frames are taken, and `applied` moves to the end of the last one, so that the same bytes are never
    applied twice. A segment of a later attempt starts the run's results over: an attempt has one history.
    `folder` gives the run's own, where earlier parts of the log are looked up when they are needed.
    """
    attempt = layout.attempt_of(segment)
    if attempt < run.attempt:
        return Applied(run, [])
    if attempt > run.attempt:
        run = restarted(run, attempt)

    def names(id_: int) -> tuple[str, ...] | None:
        return names_in(folder() / segment)(id_) if folder is not None else None

    found, consumed = decode(data, final=final, names=names)
    folding = _Folding(run, own="-" not in segment)
    for record in found:
        folding.take(record)
    applied = {**run.applied, segment: offset + consumed}
    if folding.rewound and folder is not None:
        folding.recount(rows_as_written(folder(), attempt, applied))
    return Applied(msgspec.structs.replace(run, applied=applied, **folding.changes()), folding.rows, folding.alerts)


class _Folding:
    """What records do to a run, gathered until its row is written. `own`: they stand in the run's main segment."""

    def __init__(self, run: RunRow, own: bool) -> None:
        self.rows: list[records.Row] = []
        self.alerts: list[records.Alert] = []
        self.rewound = False
        self._run = run
        self._own = own
        self._changes: dict[str, Any] = {}
        self._count = run.rows
        self._set: dict[str, Any] = run.metrics.get("set", {})
        self._summarizer = Summarizer(
            Definitions(map(from_plain, run.metrics.get("define", ()))), run.summary, run.metrics.get("means")
        )
        self._summarised = False

    def take(self, record: records.AnyRecord) -> None:
        match record:
            case records.Row():
                self.rows.append(record)
                self._count += 1
                self._summarizer.add(record.values)
                self._summarised = True
            case records.Finish() if self._own or self._changes.get("ended", self._run.ended) is None:
                preempting = self._changes.get("state", self._run.state) == "preempting"
                self._changes |= _ended(record, preempting, self._own)
            case records.Header():
                self._begin(record)
            case records.Config():
                config = self._changes.get("config", self._run.config)
                self._changes["config"] = {**config, **record.values}
            case records.Summary():
                self._set = {**self._set, **record.values}
                self._summarised = True
            case records.Define():
                self._summarizer.definitions.add(record)
                self._summarised = True
            case records.Update():
                named = {"name": record.name, "tags": record.tags, "notes": record.notes}
                self._changes |= {key: value for key, value in named.items() if value is not None}
            case records.Rewind():
                self.rows = [row for row in self.rows if row.step < record.step]
                self.rewound = True
            case records.Alert():
                self.alerts.append(record)
            case records.Preempting():
                self._changes["state"] = "preempting"
            case records.System():
                self._changes["updated"] = max(self._changes.get("updated", self._run.updated), record.time)
            case _:
                pass  # what an agent saw of an end that the run told itself, and all that is read from the log alone

    def _begin(self, header: records.Header) -> None:
        """What a process says that opens the run, for the first time or again."""
        run, changes = self._run, self._changes
        self._changes |= {
            "name": header.name, "entity": header.entity, "project": header.project, "group": header.group,
            "job_type": header.job_type, "tags": tuple(header.tags), "notes": header.notes,
            "sweep_id": header.sweep_id, "created": changes.get("created", run.created) or header.time,
            "updated": max(changes.get("updated", run.updated), header.time), "host": header.host, "pid": header.pid,
            "state": "running", "ended": None, "exit_code": None, "error": "",
        }  # fmt: skip

    def recount(self, rows: list[records.Row]) -> None:
        """Count and summarise `rows`, which are all that the run has after it went back."""
        self._summarizer = Summarizer(self._summarizer.definitions)
        for row in rows:
            self._summarizer.add(row.values)
        self._count = len(rows)
        self._summarised = True

    def changes(self) -> dict[str, Any]:
        """The fields of the run that are others now."""
        changes = dict(self._changes)
        if self._summarised:
            changes["summary"] = self._summarizer.values | self._set
            changes["metrics"] = self._metrics()
            changes["rows"] = self._count
        if self.rows:
            changes["updated"] = max(changes.get("updated", self._run.updated), self.rows[-1].time)
        return changes

    def _metrics(self) -> dict[str, Any]:
        define = [to_plain(definition) for definition in self._summarizer.definitions]
        parts = {"define": define, "means": self._summarizer.means, "set": self._set}
        return {name: part for name, part in parts.items() if part}


def restarted(run: RunRow, attempt: int) -> RunRow:
    """The run at the start of a later attempt: who it is stays, what it reported is left to the logs."""
    return msgspec.structs.replace(
        run,
        attempt=attempt,
        summary={},
        metrics={},
        rows=0,
        state="running",
        ended=None,
        exit_code=None,
        error="",
        applied={},
    )


def _ended(finish: records.Finish, preempting: bool, own: bool) -> dict[str, Any]:
    if finish.stopped:
        state = "stopped"
    elif finish.exit_code == 0:
        state = "finished"
    elif preempting:
        state = "preempted"
    else:
        state = "killed" if own and finish.signal is not None else "failed"
    return {"state": state, "ended": finish.time, "exit_code": finish.exit_code, "error": finish.error}


def lookup(values: dict[str, Any], name: str) -> Any:
    """The metric `name` of a row: the key itself, or a path of keys joined by dots. None when it is not there."""
    if name in values:
        return values[name]
    at: Any = values
    for key in name.split("."):
        if not isinstance(at, dict) or key not in at:
            return None
        at = at[key]
    return at
