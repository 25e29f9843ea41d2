"""How the trials of a sweep stand against each other: the stopper's book and curves, a cache of the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from swath.sweeps import ledger
from swath.sweeps.ledger import SweepRow, TrialRow
from swath.sweeps.spec import Metric
from swath.sweeps.states import ENDED, TrialState
from swath.sweeps.stopping import Book, Joint, Mark, Standing
from swath.sweeps.tallies import JointTally, Vector
from swath.sweeps.values import finite
from swath.tracking import layout
from swath.tracking.apply.fold import lookup
from swath.tracking.runlog.history import rows_as_written
from swath.tracking.runlog.records import Row


class Standings:
    """A cache of the store that the controller's steps keep up to date; one that saw a failed step is of no use."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = tuple(metrics)
        self._version: int | None = None
        self._curves: dict[int, list[Any]] = {}
        self.book = self._empty()

    def _empty(self) -> Book:
        return Book(self._metrics[0].goal) if len(self._metrics) == 1 else Joint(self._metrics)

    def follow(self, connection: sa.Connection, sweep: SweepRow, foreign: bool) -> None:
        """Begin a step: read what others have changed. `foreign`: they may have, since the last step here."""
        if self._version is None:
            self._read_all(connection, sweep)
        elif foreign:
            for trial in ledger.changed_since(connection, sweep.id, self._version):
                self._read(connection, trial)
        self._version = sweep.version

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
        if len(self._metrics) > 1 and (bests := self._tally(trial).bests):
            self.book.tell(trial.number, bests[0], bests[1:])
        elif trial.best is not None and len(self._metrics) == 1:
            self.book.tell(trial.number, trial.best)
        if trial.state is TrialState.PAUSED:
            self.book.park(trial.number)
        elif trial.state in ENDED:
            self.book.end(trial.number)
            self._curves.pop(trial.number, None)
        else:
            self.book.go(trial.number)

    def forget(self, trial: TrialRow) -> None:
        """A trial starts over."""
        self.book.forget(trial.number)
        self._curves.pop(trial.number, None)

    def put(self, trial: TrialRow, band: int, mark: Mark) -> None:
        """A trial has come to a checkpoint of the stopper."""
        self.book.put(trial.number, band, mark)

    def extend(self, trial: TrialRow, before: int, values: Sequence[float | Vector]) -> None:
        """Reports that a trial has made after `before` others."""
        known = self._curves.setdefault(trial.number, []) if before == 0 else self._curves.get(trial.number)
        if known is not None and len(known) == before:
            known += values
        else:
            self._curves.pop(trial.number, None)

    def standing(self, trial: TrialRow, root: Path, needs_curve: bool) -> Standing:
        """How a running trial stands now; its curve is read from its log where it is not known."""
        if len(self._metrics) > 1:
            return self._joint_standing(trial, root, needs_curve)
        return Standing(
            trial.number, trial.reports, trial.latest, trial.best, before=trial.asked, unusable=trial.unusable,
            curve=self._curve(trial, trial.reports, root) if needs_curve else (),
        )  # fmt: skip

    def _joint_standing(self, trial: TrialRow, root: Path, needs_curve: bool) -> Standing:
        tally = self._tally(trial)
        if not tally.count:
            return Standing(trial.number, 0, before=trial.asked, unusable=trial.unusable)
        curve = self._curve(trial, tally.count, root) if needs_curve else []
        curves = list(zip(*curve, strict=True))
        return Standing(
            trial.number, tally.count, tally.reported[0], tally.bests[0], trial.asked, trial.unusable,
            curves[0] if curves else (), tally.reported, tally.bests, curves,
        )  # fmt: skip

    def _tally(self, trial: TrialRow) -> JointTally:
        return JointTally.of(trial.told, len(self._metrics))

    def _curve(self, trial: TrialRow, count: int, root: Path) -> list[Any]:
        """The reports of a trial in order."""
        curve = self._curves.get(trial.number, [])
        if len(curve) != count:
            rows = rows_as_written(layout.run_dir(root, trial.run_id), trial.attempt)
            curve = self._curves[trial.number] = self._reports_in(rows)[:count]
        return curve

    def _reports_in(self, rows: Sequence[Row]) -> list[Any]:
        if len(self._metrics) == 1:
            found = (lookup(row.values, self._metrics[0].name) for row in rows)
            return [float(value) for value in found if finite(value)]
        tally = JointTally.of("", len(self._metrics))
        made = [vector for row in rows for vector in tally.add(row.values, self._metrics)]
        return [*made, *tally.close(self._metrics)]
