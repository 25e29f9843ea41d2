"""The statements about sweeps, trials, rungs and agents: rows in and out, no decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from swath.sweeps.states import SweepState, TrialState
from swath.sweeps.stopping.book import Mark
from swath.sweeps.tables import agents, rungs, sweeps, trials
from swath.tracking.store.jsontext import from_json, to_json
from swath.tracking.store.statement import Changes, Statement, insert_into, update_by


class SweepRow(msgspec.Struct, frozen=True):
    """A sweep as stored; `version` moves on with every change of it or of a trial of it."""

    id: str
    name: str
    state: SweepState
    reason: str
    spec: str
    origin: str
    cwd: str
    seed: int
    total: int | None
    made: int
    edits: int
    stale: int
    version: int
    best_value: float | None
    best_run: str | None
    metrics_seen: tuple[str, ...]
    warned: tuple[str, ...]
    created: float
    started: float | None
    ended: float | None
    heard: float | None = None


class TrialRow(msgspec.Struct, frozen=True):
    """A trial as stored; see the table for what its columns mean."""

    run_id: str
    sweep_id: str
    number: int
    name: str
    state: TrialState
    reason: str
    suggested: str
    config: dict[str, Any]
    point: str
    setup: int
    repeat: int
    version: int
    attempt: int = 0
    agent_id: str = ""
    request: str = ""
    expires: float | None = None
    closed: str = ""
    heard: int = 0
    retries: int = 0
    losses: int = 0
    reports: int = 0
    value_sum: float = 0.0
    unusable: int = 0
    asked: int = 0
    latest: float | None = None
    best: float | None = None
    told: str = ""
    objectives: tuple[float | None, ...] = ()
    busy: float = 0.0
    verdict: str = "continue"
    verdict_reason: str = ""
    donor: int | None = None
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    error: str = ""
    not_before: float | None = None
    ooms: int = 0


class AgentRow(msgspec.Struct, frozen=True):
    """An agent as stored; `seen` is its last sign of life, `wish` what it was asked: "", "drain" or "stop"."""

    id: str
    sweep_id: str
    name: str
    host: str
    pid: int
    started: float
    kind: str
    state: str
    seen: float
    wish: str = ""
    pool: str = ""
    memory: int | None = None
    most: int | None = None


class AgentSign(msgspec.Struct, frozen=True):
    """When an agent gave its last sign of life, and what it was asked meanwhile ("": nothing)."""

    seen: float
    wish: str = ""

    def is_fresh(self, now: float) -> bool:
        """Whether another sign of life at `now` need not be stored."""
        return now - FRESH_S < self.seen <= now


#: Signs of life of one agent are stored no more often, in seconds.
FRESH_S = 1.0

_SWEEP_COLUMNS = [column.name for column in sweeps.columns]
_TRIAL_COLUMNS = [column.name for column in trials.columns]
# Rows are read by position, which is the order of the structs' fields as well: a test compares the two.
_SWEEP_STATE = _SWEEP_COLUMNS.index("state")
_SWEEP_LISTS = (_SWEEP_COLUMNS.index("metrics_seen"), _SWEEP_COLUMNS.index("warned"))
_TRIAL_STATE, _TRIAL_CONFIG = _TRIAL_COLUMNS.index("state"), _TRIAL_COLUMNS.index("config")
_TRIAL_OBJECTIVES = _TRIAL_COLUMNS.index("objectives")
_FIXED = {"id", "name", "spec", "origin", "cwd", "seed", "created"}
_FIXED |= {"run_id", "sweep_id", "number", "config", "point", "suggested", "setup", "repeat"}
_SWEEP_CHANGES = [name for name in _SWEEP_COLUMNS if name not in _FIXED]
_TRIAL_CHANGES = [name for name in _TRIAL_COLUMNS if name not in _FIXED]
_P = sa.bindparam

_select_sweep = Statement(sa.select(sweeps).where(sweeps.c.id == _P("sweep_id")))
_select_moved = Statement(sa.select(sweeps).where(sweeps.c.id == _P("sweep_id"), sweeps.c.version != _P("version")))
_insert_sweep = insert_into(sweeps)
_change_sweep = Changes(sweeps, "id")
_insert_trial = insert_into(trials)
_the_trial = sa.and_(trials.c.sweep_id == _P("sweep_id_"), trials.c.number == _P("number_"))
_change_trial = Changes(trials, "sweep_id", "number")
_update_config = Statement(sa.update(trials).where(_the_trial).values(config=_P("config")))
_select_trial = Statement(sa.select(trials).where(_the_trial))
_of_sweep = trials.c.sweep_id == _P("sweep_id")
_alive = sa.and_(_of_sweep, trials.c.ended.is_(None))
_PAUSED: sa.ColumnElement[str] = sa.literal_column("'paused'")
_RUNNING: sa.ColumnElement[str] = sa.literal_column("'running'")
_QUEUED: sa.ColumnElement[str] = sa.literal_column("'queued'")
_is_expired = sa.and_(trials.c.state == _RUNNING, trials.c.expires < _P("now"))
_is_ready = sa.and_(trials.c.state == _QUEUED, sa.or_(trials.c.not_before.is_(None), trials.c.not_before <= _P("now")))
_select_ready = Statement(
    sa.select(trials).where(_alive, _is_ready).order_by(trials.c.version, trials.c.number).limit(_P("most"))
)
_select_underway = Statement(sa.select(trials).where(_alive, trials.c.state.in_([_RUNNING, _QUEUED])))
_select_expired = Statement(sa.select(trials).where(_alive, _is_expired))
_count_live = Statement(
    sa.select(trials.c.state, sa.func.count())
    .where(_alive, trials.c.state.in_([_RUNNING, _QUEUED, _PAUSED]))
    .group_by(trials.c.state)
)
_select_changed = Statement(
    sa.select(trials).where(_of_sweep, trials.c.version > _P("version")).order_by(trials.c.version, trials.c.number)
)
_insert_rung = insert_into(rungs)
_of_trial = sa.and_(rungs.c.sweep_id == _P("sweep_id"), rungs.c.number == _P("number"))
_delete_rung = Statement(sa.delete(rungs).where(_of_trial, rungs.c.band == _P("band")))
_delete_rungs = Statement(sa.delete(rungs).where(_of_trial))
_note_decided = Statement(sa.update(rungs).where(_of_trial, rungs.c.band == _P("band")).values(decided=_P("decided_")))
_marks = (rungs.c.number, rungs.c.band, rungs.c.value, rungs.c.best, rungs.c.mean, rungs.c.others)
_select_rungs_of_trial = Statement(sa.select(*_marks).where(_of_trial))
_select_rungs = Statement(sa.select(*_marks).where(rungs.c.sweep_id == _P("sweep_id")))
_any_agent = Statement(
    sa.select(agents.c.id)
    .where(
        agents.c.sweep_id == _P("sweep_id"),
        agents.c.state == sa.literal_column("'active'"),
        agents.c.seen > _P("since"),
    )
    .limit(sa.literal_column("1"))
)
_the_agent = agents.c.id == _P("id_")
_ACTIVE: sa.ColumnElement[str] = sa.literal_column("'active'")
_is_fresh = sa.and_(agents.c.state == _ACTIVE, agents.c.seen > _P("since"), agents.c.seen <= _P("now"))
_see_agent = Statement(
    sa.update(agents)
    .where(_the_agent, sa.not_(_is_fresh))
    .values(seen=_P("now_"), state=_ACTIVE)
    .returning(agents.c.seen, agents.c.wish)
)
_select_sign = Statement(sa.select(agents.c.seen, agents.c.wish).where(_the_agent))
_select_active_at = Statement(
    sa.select(agents)
    .where(agents.c.sweep_id == _P("sweep_id"), agents.c.state == _ACTIVE, agents.c.host == _P("host"))
    .order_by(agents.c.started, agents.c.id)
)
_select_names = Statement(
    sa.select(agents.c.name).where(
        agents.c.sweep_id == _P("sweep_id"),
        sa.or_(agents.c.name == _P("name"), agents.c.name.between(_P("first"), _P("last"))),
    )
)
_set_wish = update_by(agents, "id", "wish")
_set_gone = update_by(agents, "id", "state", "seen")
_insert_agent = insert_into(agents)
_select_agent = Statement(sa.select(agents).where(agents.c.id == _P("agent_id")))
_select_agents = Statement(
    sa.select(agents).where(agents.c.sweep_id == _P("sweep_id")).order_by(agents.c.started, agents.c.id)
)
_select_trials = Statement(sa.select(trials).where(_of_sweep).order_by(trials.c.number))
_select_trials_in = Statement(
    sa.select(trials).where(_of_sweep, trials.c.state == _P("state")).order_by(trials.c.number)
)


def insert_sweep(connection: sa.Connection, row: SweepRow) -> None:
    """Add a sweep."""
    _insert_sweep(connection, **_sweep_columns(row, _SWEEP_COLUMNS))


def update_sweep(connection: sa.Connection, row: SweepRow, known: SweepRow | None = None) -> None:
    """Store what has changed of a sweep; `known` is the row as it is stored now, where that is known."""
    _change_sweep(connection, _sweep_columns(row, _changed(row, known, _SWEEP_CHANGES)), id_=row.id)


def update_spec(connection: sa.Connection, sweep_id: str, spec: str) -> None:
    """Store another spec of a sweep."""
    connection.execute(sa.update(sweeps).where(sweeps.c.id == sweep_id).values(spec=spec))


def get_sweep(connection: sa.Connection, sweep_id: str) -> SweepRow | None:
    """Read one sweep."""
    row = _select_sweep(connection, sweep_id=sweep_id).fetchone()
    return _sweep(row) if row else None


def moved_on(connection: sa.Connection, known: SweepRow) -> SweepRow | None:
    """The present row of a sweep when it is not `known` any more: when it, or a trial of it, was changed since."""
    row = _select_moved(connection, sweep_id=known.id, version=known.version).fetchone()
    return _sweep(row) if row else None


def all_sweeps(connection: sa.Connection) -> list[SweepRow]:
    """Every sweep, oldest first."""
    return [_sweep(row) for row in connection.execute(sa.select(sweeps).order_by(sweeps.c.created, sweeps.c.id))]


def insert_trial(connection: sa.Connection, row: TrialRow) -> None:
    """Add a trial. Raises `sqlalchemy.exc.IntegrityError` when its number is taken."""
    _insert_trial(connection, **_trial_columns(row, _TRIAL_COLUMNS) | {"config": to_json(row.config)})


def update_trial(connection: sa.Connection, row: TrialRow, known: TrialRow | None = None) -> None:
    """Store what has changed of a trial; `known` is the row as it is stored now, where that is known."""
    changed = _trial_columns(row, _changed(row, known, _TRIAL_CHANGES))
    _change_trial(connection, changed, sweep_id_=row.sweep_id, number_=row.number)


def _changed(new: msgspec.Struct, known: msgspec.Struct | None, names: Sequence[str]) -> Sequence[str]:
    """Which of the columns hold something else; rows are never changed in place, so that what is the same is equal."""
    if known is None:
        return names
    return [name for name in names if getattr(new, name) is not getattr(known, name)]


def update_config(connection: sa.Connection, row: TrialRow) -> None:
    """Store another config of a trial, which else never changes."""
    _update_config(connection, sweep_id_=row.sweep_id, number_=row.number, config=to_json(row.config))


def get_trial(connection: sa.Connection, run_id: str) -> TrialRow | None:
    """Read one trial; None also where `run_id` is no trial's."""
    sweep_id, _, number = run_id.rpartition("-")
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        return None
    row = _select_trial(connection, sweep_id_=sweep_id, number_=int(number)).fetchone()
    trial = _trial(row) if row else None
    return trial if trial is not None and trial.run_id == run_id else None


def trial_runs(connection: sa.Connection) -> set[str]:
    """The run ids of all trials there are."""
    return set(connection.execute(sa.select(trials.c.run_id)).scalars())


def is_trial(connection: sa.Connection, run_id: str) -> bool:
    """Whether a run is a trial."""
    return get_trial(connection, run_id) is not None


def ready(connection: sa.Connection, sweep_id: str, now: float, most: int) -> list[TrialRow]:
    """The queued trials that need not wait any longer, those first that were requeued first; no more than `most`."""
    return [_trial(row) for row in _select_ready(connection, sweep_id=sweep_id, now=now, most=most).fetchall()]


def underway(connection: sa.Connection, sweep_id: str) -> list[TrialRow]:
    """Trials that run or wait in the queue."""
    return [_trial(row) for row in _select_underway(connection, sweep_id=sweep_id).fetchall()]


def expired(connection: sa.Connection, sweep_id: str, now: float) -> list[TrialRow]:
    """Running trials whose lease ran out before `now`."""
    return [_trial(row) for row in _select_expired(connection, sweep_id=sweep_id, now=now).fetchall()]


def count_live(connection: sa.Connection, sweep_id: str) -> tuple[int, int, int]:
    """How many trials are running, how many queued and how many paused."""
    counts: dict[str, int] = {row[0]: row[1] for row in _count_live(connection, sweep_id=sweep_id).fetchall()}
    return counts.get("running", 0), counts.get("queued", 0), counts.get("paused", 0)


def count_states(connection: sa.Connection, sweep_id: str) -> dict[str, int]:
    """Trials by state; every state has a key."""
    query = sa.select(trials.c.state, sa.func.count()).where(trials.c.sweep_id == sweep_id).group_by(trials.c.state)
    found: dict[str, int] = {row[0]: row[1] for row in connection.execute(query)}
    return {str(state): found.get(str(state), 0) for state in TrialState}


def trials_in(connection: sa.Connection, sweep_id: str, *states: TrialState) -> list[TrialRow]:
    """Trials of a sweep by number; only those in `states` when any are given."""
    if not states:
        return [_trial(row) for row in _select_trials(connection, sweep_id=sweep_id).fetchall()]
    found = [row for state in states for row in _in_state(connection, sweep_id, state)]
    return sorted(map(_trial, found), key=lambda trial: trial.number)


def _in_state(connection: sa.Connection, sweep_id: str, state: TrialState) -> list[tuple[Any, ...]]:
    return _select_trials_in(connection, sweep_id=sweep_id, state=state.value).fetchall()


def trials_of_setup(connection: sa.Connection, sweep_id: str, setup: int) -> list[TrialRow]:
    """The runs of one configuration, by repeat."""
    query = sa.select(trials).where(trials.c.sweep_id == sweep_id, trials.c.setup == setup)
    return [_trial(row) for row in connection.execute(query.order_by(trials.c.repeat))]


def changed_since(connection: sa.Connection, sweep_id: str, version: int) -> list[TrialRow]:
    """Trials changed after the sweep's `version`, in the order of their last change."""
    return [_trial(row) for row in _select_changed(connection, sweep_id=sweep_id, version=version).fetchall()]


def best_trial(connection: sa.Connection, sweep_id: str, minimize: bool) -> TrialRow | None:
    """The trial with the best value of the sweep's metric; the earlier one of equals."""
    order = trials.c.best if minimize else trials.c.best.desc()
    query = (
        sa.select(trials)
        .where(trials.c.sweep_id == sweep_id, trials.c.best.is_not(None))
        .order_by(order, trials.c.number)
        .limit(1)
    )
    row = connection.execute(query).first()
    return _trial(row) if row else None


def seconds_used(connection: sa.Connection, sweep_id: str, now: float) -> float:
    """How long the attempts of all trials took, up to `now`."""
    running = sa.case((trials.c.state == _RUNNING, now - trials.c.started), else_=0.0)
    query = sa.select(sa.func.sum(trials.c.busy + running)).where(trials.c.sweep_id == sweep_id)
    return float(connection.execute(query).scalar() or 0.0)


def put_rung(connection: sa.Connection, trial: TrialRow, band: int, mark: Mark) -> None:
    """Note what a trial had after `band` reports; what an earlier attempt had there is forgotten."""
    if trial.attempt > 1:
        _delete_rung(connection, sweep_id=trial.sweep_id, number=trial.number, band=band)
    _insert_rung(
        connection, sweep_id=trial.sweep_id, number=trial.number, band=band, value=mark.value, best=mark.best,
        mean=mark.mean, others=_to_text(tuple(other[:3] for other in mark.others)), decided="",
    )  # fmt: skip


def note_decided(connection: sa.Connection, trial: TrialRow, band: int, decided: Mapping[str, Any]) -> None:
    """Note what was decided about a trial at a rung that it has come to."""
    _note_decided(connection, sweep_id=trial.sweep_id, number=trial.number, band=band, decided_=to_json(decided))


def decided_at(connection: sa.Connection, sweep_id: str) -> dict[tuple[int, int], dict[str, Any]]:
    """What was decided at the rungs, by trial number and band; only those at which something was."""
    query = sa.select(rungs.c.number, rungs.c.band, rungs.c.decided)
    rows = connection.execute(query.where(rungs.c.sweep_id == sweep_id, rungs.c.decided != ""))
    return {(row[0], row[1]): from_json(row[2]) for row in rows}


def delete_rungs(connection: sa.Connection, trial: TrialRow) -> None:
    """Forget a trial's rungs: it starts over."""
    _delete_rungs(connection, sweep_id=trial.sweep_id, number=trial.number)


def marks(connection: sa.Connection, sweep_id: str, number: int | None = None) -> Iterator[tuple[int, int, Mark]]:
    """Trial number, band and mark of every rung of a sweep, or of one trial of it."""
    if number is None:
        found = _select_rungs(connection, sweep_id=sweep_id)
    else:
        found = _select_rungs_of_trial(connection, sweep_id=sweep_id, number=number)
    return ((row[0], row[1], Mark(row[2], row[3], row[4], _others(row[5]))) for row in found.fetchall())


def _others(text: str) -> tuple[Mark, ...]:
    return tuple(Mark(*other) for other in from_json(text)) if text != "[]" else ()


def insert_agent(connection: sa.Connection, row: AgentRow) -> None:
    """Register an agent."""
    _insert_agent(connection, **msgspec.structs.asdict(row))


def get_agent(connection: sa.Connection, agent_id: str) -> AgentRow | None:
    """Read one agent."""
    row = _select_agent(connection, agent_id=agent_id).fetchone()
    return AgentRow(*row) if row else None


def agents_of(connection: sa.Connection, sweep_id: str) -> list[AgentRow]:
    """Every agent that ever joined, in order."""
    return [AgentRow(*row) for row in _select_agents(connection, sweep_id=sweep_id).fetchall()]


def active_at(connection: sa.Connection, sweep_id: str, host: str) -> list[AgentRow]:
    """The agents of a host that have neither left nor been found dead."""
    return [AgentRow(*row) for row in _select_active_at(connection, sweep_id=sweep_id, host=host).fetchall()]


def names_like(connection: sa.Connection, sweep_id: str, name: str) -> set[str]:
    """The names of agents that are `name`, or `name-` and more."""
    rows = _select_names(connection, sweep_id=sweep_id, name=name, first=f"{name}-", last=f"{name}.").fetchall()
    return {row[0] for row in rows}


def has_agents(connection: sa.Connection, sweep_id: str, since: float) -> bool:
    """Whether any agent that works for the sweep gave a sign of life after `since`."""
    return _any_agent(connection, sweep_id=sweep_id, since=since).fetchone() is not None


def see_agent(connection: sa.Connection, agent_id: str, now: float) -> AgentSign:
    """Note a sign of life, unless there was one just now; what the row then holds."""
    found = _see_agent(connection, id_=agent_id, now_=now, now=now, since=now - FRESH_S).fetchall()
    return AgentSign(*found[0]) if found else sign_of(connection, agent_id)


def sign_of(connection: sa.Connection, agent_id: str) -> AgentSign:
    """The last sign of life of an agent that has joined, and what it was asked."""
    row = _select_sign(connection, id_=agent_id).fetchone()
    return AgentSign(*row) if row else AgentSign(0.0)


def set_wish(connection: sa.Connection, agent_id: str, wish: str) -> None:
    """Ask an agent for something; it learns of it with the answer to what it says next."""
    _set_wish(connection, id_=agent_id, wish=wish)


def set_agent_gone(connection: sa.Connection, agent_id: str, state: str, seen: float) -> None:
    """An agent left, or was found dead, with its last sign of life at `seen`."""
    _set_gone(connection, id_=agent_id, state=state, seen=seen)


def work_of_agents(connection: sa.Connection, sweep_id: str, now: float) -> dict[str, tuple[int, float]]:
    """By agent id how many trials it ended and the seconds that its trials took, up to `now`.

    A trial counts for the agent that had it last; of one that waits to go on only what a single attempt took is known.
    """
    spent = sa.case(
        (trials.c.state == _RUNNING, now - trials.c.started),
        (trials.c.ended.is_not(None), trials.c.ended - trials.c.started),
        (trials.c.attempt == 1, trials.c.busy),
        else_=0.0,
    )
    query = sa.select(trials.c.agent_id, sa.func.count(trials.c.ended), sa.func.sum(spent))
    rows = connection.execute(query.where(trials.c.sweep_id == sweep_id).group_by(trials.c.agent_id))
    return {row[0]: (int(row[1]), float(row[2] or 0.0)) for row in rows}


def _sweep_columns(row: SweepRow, names: Sequence[str]) -> dict[str, Any]:
    columns = {name: getattr(row, name) for name in names}
    for name in ("metrics_seen", "warned"):
        if name in columns:
            columns[name] = _to_text(columns[name])
    if "state" in columns:
        columns["state"] = row.state.value
    return columns


def _to_text(items: tuple[Any, ...]) -> str:
    return to_json(items) if items else "[]"


def _trial_columns(row: TrialRow, names: Sequence[str]) -> dict[str, Any]:
    columns = {name: getattr(row, name) for name in names}
    if "state" in columns:
        columns["state"] = row.state.value
    if "objectives" in columns:
        columns["objectives"] = _to_text(row.objectives)
    return columns


def _sweep(row: Sequence[Any]) -> SweepRow:
    values = list(row)
    values[_SWEEP_STATE] = SweepState(values[_SWEEP_STATE])
    for place in _SWEEP_LISTS:
        values[place] = tuple(from_json(values[place])) if values[place] != "[]" else ()
    return SweepRow(*values)


def _trial(row: Sequence[Any]) -> TrialRow:
    values = list(row)
    values[_TRIAL_STATE] = TrialState(values[_TRIAL_STATE])
    values[_TRIAL_CONFIG] = from_json(values[_TRIAL_CONFIG])
    values[_TRIAL_OBJECTIVES] = tuple(from_json(values[_TRIAL_OBJECTIVES])) if values[_TRIAL_OBJECTIVES] != "[]" else ()
    return TrialRow(*values)
