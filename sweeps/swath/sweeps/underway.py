"""The trials of a sweep that run or wait, by what an agent's question needs of them: a cache of the store."""

from __future__ import annotations

import math

import sqlalchemy as sa

from swath.sweeps import ledger
from swath.sweeps.ledger import SweepRow, TrialRow
from swath.sweeps.states import TrialState


class Underway:
    """A cache of the store that the controller's steps keep up to date; one that saw a failed step is of no use.

    Without it each question of an agent would look at the rows of all running trials, as many as there are agents.
    Say `read` in a step before anything is asked.
    """

    def __init__(self) -> None:
        self._version: int | None = None
        self._behind = True
        self._running: dict[int, TrialRow] = {}
        self._answers: dict[tuple[str, str], int] = {}
        self._queued: set[int] = set()
        #: No lease runs out before. Leases are only ever renewed, so that it may be too early, but never too late.
        self._soonest = math.inf

    def follow(self, connection: sa.Connection, sweep: SweepRow, foreign: bool) -> None:
        """Begin a step. `foreign`: others may have changed trials since the last one; they are read when asked for."""
        self._behind = self._behind or foreign
        if not self._behind:
            self._version = sweep.version - 1  # what this step is called is not stored yet

    def read(self, connection: sa.Connection, sweep: SweepRow) -> None:
        """Catch up with what others have changed."""
        if not self._behind:
            return
        if self._version is None:
            found = ledger.underway(connection, sweep.id)
        else:
            found = ledger.changed_since(connection, sweep.id, self._version)
        for trial in found:
            self.note(trial)
        self._version, self._behind = sweep.version - 1, False

    def note(self, trial: TrialRow) -> None:
        """A trial's row is stored like that."""
        before = self._running.pop(trial.number, None)
        if before is not None:
            self._answers.pop((before.agent_id, before.request), None)
        self._queued.discard(trial.number)
        if trial.state is TrialState.RUNNING:
            self._running[trial.number] = trial
            self._answers[trial.agent_id, trial.request] = trial.number
            if trial.expires is not None and trial.expires < self._soonest:
                self._soonest = trial.expires
        elif trial.state is TrialState.QUEUED:
            self._queued.add(trial.number)

    def answer_to(self, agent_id: str, request: str) -> TrialRow | None:
        """The running trial that this very request was answered with."""
        number = self._answers.get((agent_id, request))
        return None if number is None else self._running[number]

    def any_expired(self, now: float) -> bool:
        """Whether the lease of a running trial has run out before `now`."""
        if self._soonest < now:
            ends = (trial.expires for trial in self._running.values())
            self._soonest = min((end for end in ends if end is not None), default=math.inf)
        return self._soonest < now

    def any_queued(self) -> bool:
        """Whether a trial waits in the queue; it may have to wait longer."""
        return bool(self._queued)

    def holders(self) -> set[str]:
        """The agents that hold a trial."""
        return {trial.agent_id for trial in self._running.values()}
