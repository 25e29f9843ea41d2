"""The only way from run logs into the store: folds new records into a run's row, and touches nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from swath.tracking import layout, records
from swath.tracking.runlog import HEADER_SIZE, decode
from swath.tracking.store.runs import RunRow


class Applied(msgspec.Struct, frozen=True):
    """What a fold gave: the new row, and the history rows it added."""

    run: RunRow
    rows: list[records.Row]


def applied_to(run: RunRow, segment: str) -> int:
    """The byte of `segment` up to which `run` holds everything."""
    return max(run.applied.get(segment, HEADER_SIZE), HEADER_SIZE)


def fold(run: RunRow, segment: str, offset: int, data: bytes, final: bool = False) -> Applied:
    """Fold the frames of `data`, which stand at `offset` of `segment`, into `run`.

    Only whole frames are taken, and `applied` moves to the end of the last one, so that the same bytes are never
    applied twice. A segment of a later attempt starts the run's results over: an attempt has one history.
    """
    attempt = layout.attempt_of(segment)
    if attempt < run.attempt:
        return Applied(run, [])
    if attempt > run.attempt:
        run = restarted(run, attempt)
    found, consumed = decode(data, final=final)
    changes: dict[str, Any] = {"applied": {**run.applied, segment: offset + consumed}}
    rows: list[records.Row] = []
    own = "-" not in segment
    for record in found:
        match record:
            case records.Row():
                rows.append(record)
            case records.Finish() if own or changes.get("ended", run.ended) is None:
                changes |= _ended(record)
            case records.Finish():
                pass  # what the run itself said about its end stands before what its agent saw
            case records.Header():
                changes |= _begun(run, changes, record)
            case _:
                changes |= _folded(run, changes, record)
    if rows:
        summary = changes.get("summary", run.summary)
        changes |= {
            "summary": _last_values(summary, rows),
            "rows": run.rows + len(rows),
            "updated": max(changes.get("updated", run.updated), rows[-1].time),
        }
    return Applied(msgspec.structs.replace(run, **changes), rows)


def restarted(run: RunRow, attempt: int) -> RunRow:
    """The run at the start of a later attempt: who it is stays, what it reported is left to the logs."""
    return msgspec.structs.replace(
        run,
        attempt=attempt,
        summary={},
        rows=0,
        state="running",
        ended=None,
        exit_code=None,
        error="",
        applied={},
    )


def _begun(run: RunRow, changes: dict[str, Any], header: records.Header) -> dict[str, Any]:
    """What a process says that opens the run, for the first time or again."""
    return {
        "name": header.name, "project": header.project, "group": header.group, "job_type": header.job_type,
        "tags": tuple(header.tags), "notes": header.notes, "sweep_id": header.sweep_id,
        "created": changes.get("created", run.created) or header.time,
        "updated": max(changes.get("updated", run.updated), header.time), "host": header.host, "pid": header.pid,
        "state": "running", "ended": None, "exit_code": None, "error": "",
    }  # fmt: skip


def _folded(run: RunRow, changes: dict[str, Any], record: records.AnyRecord) -> dict[str, Any]:
    match record:
        case records.Config():
            return {"config": {**changes.get("config", run.config), **record.values}}
        case records.Summary():
            return {"summary": {**changes.get("summary", run.summary), **record.values}}
        case records.Update():
            named = {"name": record.name, "tags": record.tags, "notes": record.notes}
            return {key: value for key, value in named.items() if value is not None}
        case _:
            return {}


def _last_values(summary: dict[str, Any], rows: Iterable[records.Row]) -> dict[str, Any]:
    merged = dict(summary)
    for row in rows:
        merged.update(row.values)
    return merged


def _ended(finish: records.Finish) -> dict[str, Any]:
    state = "stopped" if finish.stopped else "finished" if finish.exit_code == 0 else "failed"
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
