"""One transaction of the controller: the sweep's row as it changes and the events it leaves, written at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from swath.sweeps import ledger
from swath.sweeps.ledger import AgentSign, SweepRow, TrialRow
from swath.sweeps.plan import Plan
from swath.sweeps.states import SweepState, TrialState, check_sweep_move, check_trial_move
from swath.tracking.errors import NotFound
from swath.tracking.store import Database, runs
from swath.tracking.store.runs import Event


class Known(msgspec.Struct):
    """Rows as they are stored: of running trials, by run id, and of active agents, by id. Handed from step to step."""

    running: dict[str, TrialRow] = {}
    signs: dict[str, AgentSign] = {}


class Step:
    """What one change of a sweep works on. `sweep` is always the present row, also after changes of this very step.

    `known` is what is stored, and known to be the present state. `foreign`: others may have changed the sweep since the
    caller's last step.
    """

    def __init__(self, connection: sa.Connection, sweep: SweepRow, now: float, root: Path, known: Known) -> None:
        self.connection = connection
        self.sweep = msgspec.structs.replace(sweep, version=sweep.version + 1)
        self.now = now
        self.root = root
        self.known = known
        self._stored = sweep
        self.plan: Plan
        self.foreign = False
        self._events: list[Event] = []

    def change(self, **changes: Any) -> None:
        """Change columns of the sweep's row."""
        self.sweep = msgspec.structs.replace(self.sweep, **changes)

    def move(self, state: SweepState, reason: str) -> None:
        """Put the sweep into another state. Raises `NotAllowed` when that is no legal move."""
        check_sweep_move(self.sweep.id, self.sweep.state, state)
        over = state in (SweepState.FINISHED, SweepState.CANCELLED)
        self.change(state=state, reason=reason, ended=self.now if over else None)
        self.event("sweep.state", self.sweep.id, state=str(state), reason=reason)

    def move_trial(self, trial: TrialRow, state: TrialState, reason: str, **changes: Any) -> TrialRow:
        """Put a trial into another state and store it. Raises `NotAllowed` when that is no legal move."""
        check_trial_move(trial.run_id, trial.state, state)
        return self.save(msgspec.structs.replace(trial, state=state, reason=reason, **changes))

    def trial(self, run_id: str) -> TrialRow | None:
        """The present row of a trial."""
        known = self.known.running.get(run_id) or ledger.get_trial(self.connection, run_id)
        if known is not None and known.state is TrialState.RUNNING:
            self.known.running[run_id] = known
        return known

    def add(self, trial: TrialRow) -> None:
        """Store a new trial."""
        ledger.insert_trial(self.connection, trial)
        self._know(trial)

    def save(self, trial: TrialRow) -> TrialRow:
        """Store a changed trial under the sweep's present version."""
        trial = msgspec.structs.replace(trial, version=self.sweep.version)
        ledger.update_trial(self.connection, trial, self.known.running.get(trial.run_id))
        self._know(trial)
        return trial

    def _know(self, trial: TrialRow) -> None:
        self.plan.note(trial)
        if trial.state is TrialState.RUNNING:
            self.known.running[trial.run_id] = trial
        else:
            self.known.running.pop(trial.run_id, None)

    def see_agent(self, agent_id: str) -> str:
        """Note an agent's sign of life; what it was asked ("": nothing)."""
        sign = self.known.signs.get(agent_id)
        if sign is None or not sign.is_fresh(self.now):
            sign = self.known.signs[agent_id] = ledger.see_agent(self.connection, agent_id, self.now)
        return sign.wish

    def wish_of(self, agent_id: str) -> str:
        """What an agent was asked ("": nothing)."""
        sign = self.known.signs.get(agent_id)
        return (sign or ledger.sign_of(self.connection, agent_id)).wish

    def set_agent_gone(self, agent_id: str, state: str, seen: float) -> None:
        """An agent left, or was found dead, with its last sign of life at `seen`."""
        self.known.signs.pop(agent_id, None)
        ledger.set_agent_gone(self.connection, agent_id, state, seen)

    def busy(self, trial: TrialRow) -> float:
        """Seconds that the attempts of a trial took, with the one that ends now."""
        running = trial.state is TrialState.RUNNING and trial.started is not None
        return trial.busy + (max(0.0, self.now - (trial.started or 0.0)) if running else 0.0)

    def event(self, kind: str, subject: str, **payload: Any) -> None:
        """Leave an event."""
        self._events.append(Event(kind, self.sweep.id, subject, payload))

    def warn(self, key: str, message: str) -> None:
        """Leave a warning, once a sweep for each `key`."""
        if key not in self.sweep.warned:
            self.change(warned=(*self.sweep.warned, key))
            self.event("sweep.warning", self.sweep.id, message=message)

    def close(self) -> None:
        """Write what was gathered."""
        ledger.update_sweep(self.connection, self.sweep, self._stored)
        if self._events:
            runs.append_events(self.connection, self.now, self._events)


@contextmanager
def change(database: Database, sweep_id: str, now: float, root: Path, last: Step | None = None) -> Iterator[Step]:
    """A step under the store's write lock. Raises `NotFound` when there is no such sweep.

    `last` is the caller's last step that was committed: nothing is read again when none was made since.
    """
    with database.write() as connection:
        moved = ledger.moved_on(connection, last.sweep) if last else ledger.get_sweep(connection, sweep_id)
        sweep = moved or (last.sweep if last else None)
        if sweep is None:
            raise NotFound(f"there is no sweep {sweep_id!r} in {root}", "list the sweeps with: sweep list")
        step = Step(connection, sweep, now, root, last.known if last and not moved else Known())
        step.foreign = last is None or moved is not None
        yield step
        step.close()
