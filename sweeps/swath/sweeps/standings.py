"""How the trials of a sweep stand against each other: the stopper's book and curves, a cache of the store."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from swath.sweeps import ledger
from swath.sweeps.ledger import SweepRow, TrialRow
from swath.sweeps.states import ENDED, TrialState
from swath.sweeps.stopping import Book, Mark, Standing
from swath.sweeps.stopping.base import Goal
from swath.sweeps.values import finite
from swath.tracking import layout
from swath.tracking.apply.fold import lookup
from swath.tracking.runlog.history import rows_as_written


class Standings:
    """A cache of the store that the controller's steps keep up to date. `forget_all` when a step was not stored."""

    def __init__(self, goal: Goal, metric: str) -> None:
        self._goal = goal
        self._metric = metric
        self._version: int | None = None
        self._curves: dict[int, list[float]] = {}
        self.book = Book(goal)

    def follow(self, connection: sa.Connection, sweep: SweepRow, foreign: bool) -> None:
        """Begin a step: read what others have changed. `foreign`: they may have, since the last step here."""
        if self._version is None:
            self._read_all(connection, sweep)
        elif foreign:
            for trial in ledger.changed_since(connection, sweep.id, self._version):
                self._read(connection, trial)
        self._version = sweep.version

    def forget_all(self) -> None:
        """What was put in by a step that failed is not so: everything is read again."""
        self._version = None
        self._curves = {}
        self.book = Book(self._goal)

    def _read_all(self, connection: sa.Connection, sweep: SweepRow) -> None:
        for number, band, mark in ledger.marks(connection, sweep.id):
            self.book.put(number, band, mark)
        for trial in ledger.trials_in(connection, sweep.id):
            self.note(trial)

    def _read(self, connection: sa.Connection, trial: TrialRow) -> None:
        self.forget(trial)
        for number, band, mark in ledger.marks(connection, trial.sweep_id, trial.number):
            self.book.put(number, band, mark)
        self.note(trial)

    def note(self, trial: TrialRow) -> None:
        """A trial's row is stored like that."""
        if trial.best is not None:
            self.book.tell(trial.number, trial.best)
        if trial.state is TrialState.PAUSED:
            self.book.park(trial.number)
        elif trial.state in ENDED:
            self.book.end(trial.number)
            self._curves.pop(trial.number, None)
        else:
            self.book.unpark(trial.number)

    def forget(self, trial: TrialRow) -> None:
        """A trial starts over."""
        self.book.forget(trial.number)
        self._curves.pop(trial.number, None)

    def put(self, trial: TrialRow, band: int, mark: Mark) -> None:
        """A trial has come to a checkpoint of the stopper."""
        self.book.put(trial.number, band, mark)

    def extend(self, trial: TrialRow, values: list[float]) -> None:
        """Finite values that a trial, stored as `trial` until now, has reported."""
        known = self._curves.setdefault(trial.number, []) if trial.reports == 0 else self._curves.get(trial.number)
        if known is not None and len(known) == trial.reports:
            known += values
        else:
            self._curves.pop(trial.number, None)

    def standing(self, trial: TrialRow, root: Path, needs_curve: bool) -> Standing:
        """How a running trial stands now; its curve is read from its log where it is not known."""
        curve: list[float] = []
        if needs_curve:
            curve = self._curves.get(trial.number, [])
            if len(curve) != trial.reports:
                curve = self._curves[trial.number] = self._read_curve(trial, root)
        return Standing(
            trial.number, trial.reports, trial.latest, trial.best, before=trial.asked, unusable=trial.unusable,
            curve=curve,
        )  # fmt: skip

    def _read_curve(self, trial: TrialRow, root: Path) -> list[float]:
        rows = rows_as_written(layout.run_dir(root, trial.run_id), trial.attempt)
        found = (lookup(row.values, self._metric) for row in rows)
        return [float(value) for value in found if finite(value)][: trial.reports]
