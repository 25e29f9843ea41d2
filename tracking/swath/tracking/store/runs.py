"""The statements about runs and events: rows in and out, no decisions."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import msgspec
import sqlalchemy as sa

from swath.tracking.store.jsontext import from_json, to_json
from swath.tracking.store.statement import Changes, Statement, insert_into
from swath.tracking.store.tables import events, runs


class RunRow(msgspec.Struct, frozen=True):
    """A run as the store knows it: what its log said up to the offsets in `applied` (segment -> byte).

    `state`: running, finished, stopped, failed, killed (by a signal), preempting (it said so), preempted, lost (its
    process is gone and wrote no end), or damaged (its log cannot be read); of a trial also queued.
    """

    id: str
    name: str = ""
    entity: str = ""
    project: str = ""
    group: str = ""
    job_type: str = ""
    tags: tuple[str, ...] = ()
    notes: str = ""
    sweep_id: str = ""
    state: str = "running"
    config: dict[str, Any] = {}
    summary: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    attempt: int = 1
    rows: int = 0
    created: float = 0.0
    updated: float = 0.0
    ended: float | None = None
    exit_code: int | None = None
    error: str = ""
    host: str = ""
    pid: int = 0
    applied: dict[str, int] = {}


class Event(msgspec.Struct, frozen=True):
    """One mutation: what `kind` of thing happened to `subject`; `scope` is the sweep (or run) whose readers want it."""

    kind: str
    scope: str
    subject: str
    payload: dict[str, Any]


#: How many ids one statement asks for.
_MOST_IDS = 500
_JSON = frozenset({"tags", "config", "summary", "metrics", "applied"})
_select_one = Statement(sa.select(runs).where(runs.c.id == sa.bindparam("id")))
_insert = insert_into(runs)
_change = Changes(runs, "id")
_select_ended = Statement(sa.select(runs.c.id, runs.c.attempt, runs.c.applied).where(runs.c.ended.is_not(None)))
_select_trials = Statement(sa.select(runs.c.id).where(runs.c.sweep_id != sa.literal_column("''")))
_delete = Statement(sa.delete(runs).where(runs.c.id == sa.bindparam("id")))
_select_events = Statement(
    sa.select(events.c.id, events.c.time, events.c.kind, events.c.subject, events.c.payload)
    .where(events.c.scope == sa.bindparam("scope"), events.c.id > sa.bindparam("after"))
    .order_by(events.c.id)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_insert_event = Statement(sa.insert(events), ["time", "kind", "scope", "subject", "payload"])


def get(connection: sa.Connection, run_id: str) -> RunRow | None:
    """The run of that id, or None."""
    row = _select_one(connection, id=run_id).fetchone()
    return _from_row(row) if row else None


def get_many(connection: sa.Connection, ids: Sequence[str]) -> dict[str, RunRow]:
    """Those runs that there are, by id."""
    found: dict[str, RunRow] = {}
    for start in range(0, len(ids), _MOST_IDS):
        query = sa.select(runs).where(runs.c.id.in_(ids[start : start + _MOST_IDS]))
        found |= {row.id: _from_row(row) for row in connection.execute(query)}
    return found


def insert(connection: sa.Connection, run: RunRow) -> None:
    """Add a run that is not there yet."""
    _insert(connection, id=run.id, **_to_columns(run))


def update(connection: sa.Connection, run: RunRow, known: RunRow | None = None) -> None:
    """Overwrite a run that is there; `known` is the row as it is stored now, where that is known."""
    _change(connection, _to_columns(run) if known is None else _changes(run, known), id_=run.id)


def _changes(run: RunRow, known: RunRow) -> dict[str, Any]:
    """The columns that hold something else; rows are never changed in place, so that what is the same is equal."""
    changed: dict[str, Any] = {}
    for name in RunRow.__struct_fields__:
        value = getattr(run, name)
        if value is not getattr(known, name):
            changed["run_group" if name == "group" else name] = to_json(value) if name in _JSON else value
    return changed


def select(connection: sa.Connection, project: str | None = None, limit: int = 100) -> list[RunRow]:
    """The newest runs first."""
    query = sa.select(runs).order_by(runs.c.created.desc()).limit(limit)
    if project is not None:
        query = query.where(runs.c.project == project)
    return [_from_row(row) for row in connection.execute(query)]


class Position(msgspec.Struct, frozen=True):
    """How far an ended run's log is known: the attempt, and the byte of each of its segments."""

    attempt: int
    applied: dict[str, int]


def ended(connection: sa.Connection, but: Set[str]) -> dict[str, Position]:
    """Where the logs of ended runs were left, by id, without the runs `but`."""
    rows = _select_ended(connection).fetchall()
    return {id_: Position(attempt, from_json(applied)) for id_, attempt, applied in rows if id_ not in but}


def of_sweeps(connection: sa.Connection) -> set[str]:
    """The ids of the runs that are trials of a sweep."""
    return {row[0] for row in _select_trials(connection).fetchall()}


def delete(connection: sa.Connection, run_id: str) -> None:
    """Remove a run."""
    _delete(connection, id=run_id)


def append_events(connection: sa.Connection, time: float, new: Sequence[Event]) -> None:
    """Append to the event log, in order."""
    if len(new) == 1:
        _insert_event(connection, **_event_columns(time, new[0]))
    else:
        _insert_event.many(connection, [_event_columns(time, event) for event in new])


def _event_columns(time: float, event: Event) -> dict[str, Any]:
    return {
        "time": time,
        "kind": event.kind,
        "scope": event.scope,
        "subject": event.subject,
        "payload": to_json(event.payload),
    }


def select_events(connection: sa.Connection, scope: str, after: int, limit: int) -> list[tuple[Any, ...]]:
    """Events of a scope with an id above `after`, oldest first: id, time, kind, subject, payload (JSON text)."""
    return _select_events(connection, scope=scope, after=after, most=limit).fetchall()


def events_of(connection: sa.Connection, kind: str, after: int, limit: int) -> list[sa.Row[Any]]:
    """Events of a kind with an id above `after`, oldest first: id, scope, subject, payload (JSON text)."""
    query = (
        sa.select(events.c.id, events.c.scope, events.c.subject, events.c.payload)
        .where(events.c.kind == kind, events.c.id > after)
        .order_by(events.c.id)
        .limit(limit)
    )
    return list(connection.execute(query))


def last_subject(connection: sa.Connection, scope: str) -> str | None:
    """The subject of the last event of a scope."""
    query = sa.select(events.c.subject).where(events.c.scope == scope).order_by(events.c.id.desc()).limit(1)
    return connection.execute(query).scalar()


def newest_event(connection: sa.Connection) -> int:
    """The id of the last event of all; 0 when there is none."""
    return connection.execute(sa.select(sa.func.max(events.c.id))).scalar() or 0


def _to_columns(run: RunRow) -> dict[str, Any]:
    return {
        "name": run.name, "entity": run.entity, "project": run.project, "run_group": run.group,
        "job_type": run.job_type,
        "tags": to_json(run.tags) if run.tags else "[]", "notes": run.notes, "sweep_id": run.sweep_id,
        "state": run.state,
        "config": to_json(run.config), "summary": to_json(run.summary),
        "metrics": to_json(run.metrics) if run.metrics else "{}", "attempt": run.attempt, "rows": run.rows,
        "created": run.created, "updated": run.updated, "ended": run.ended, "exit_code": run.exit_code,
        "error": run.error, "host": run.host, "pid": run.pid, "applied": to_json(run.applied),
    }  # fmt: skip


def _from_row(row: Any) -> RunRow:
    (id_, name, entity, project, group, job_type, tags, notes, sweep_id, state, config, summary, metrics, attempt, rows,
     created, updated, ended, exit_code, error, host, pid, applied) = row  # fmt: skip
    return RunRow(
        id_, name, entity, project, group, job_type, tuple(from_json(tags)), notes, sweep_id, state, from_json(config),
        from_json(summary), from_json(metrics), attempt, rows, created, updated, ended, exit_code, error, host, pid,
        from_json(applied),
    )  # fmt: skip
