"""Configurations that are run several times: which repeat is next, what its runs come to together, and when to give up.

A cache of the store, as `standings` is. A setup is one configuration with all of its repeats, counted from 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from swath.sweeps import ledger
from swath.sweeps.ledger import SweepRow, TrialRow
from swath.sweeps.search import Observation
from swath.sweeps.spec import Repeats
from swath.sweeps.spec.model import Aggregate
from swath.sweeps.states import ENDED, TrialState
from swath.sweeps.stopping.base import Goal

#: A setup is given up when chance alone would make it look so much worse than the best one in fewer cases than this.
_CHANCE = 0.05
_GOOD = frozenset({TrialState.FINISHED, TrialState.STOPPED})


@dataclass
class Setup:
    """One configuration: its trials by repeat."""

    number: int
    config: dict[str, Any]
    point: str
    trials: dict[int, TrialRow] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        """Whether one of its repeats has not ended."""
        return any(trial.state not in ENDED for trial in self.trials.values())

    @property
    def results(self) -> dict[int, float]:
        """The value of each repeat that ended with one."""
        ended = ((repeat, trial) for repeat, trial in self.trials.items() if trial.state in _GOOD)
        return {repeat: trial.best for repeat, trial in ended if trial.best is not None}


@dataclass(frozen=True)
class Next:
    """The repeat that is to be run: of a known setup, or of a new one where `setup` is None."""

    number: int
    repeat: int
    setup: Setup | None


class Repeating:
    """Keeps the setups of one sweep. `count` repeats of each; with `early`, fewer of those that are clearly worse."""

    def __init__(self, repeats: Repeats, goal: Goal) -> None:
        self._repeats = repeats
        self._goal = goal
        self._sign = -1.0 if goal == "maximize" else 1.0
        self._version: int | None = None
        self._setups: dict[int, Setup] = {}
        self._changed: set[int] = set()

    def follow(self, connection: sa.Connection, sweep: SweepRow, foreign: bool) -> None:
        """Begin a step: read what others have changed since the last step here."""
        if self._version is None or foreign:
            for trial in ledger.changed_since(connection, sweep.id, self._version or 0):
                self.note(trial)
        self._version = sweep.version

    def note(self, trial: TrialRow) -> None:
        """A trial's row is stored like that."""
        setup = self._setups.get(trial.setup)
        if setup is None:
            setup = Setup(trial.setup, self._repeats.plain(trial.config), trial.point)
            self._setups[trial.setup] = setup
        setup.trials[trial.repeat] = trial
        self._changed.add(trial.setup)

    def setup_of(self, trial: TrialRow) -> Setup:
        """The setup that a trial belongs to."""
        return self._setups[trial.setup]

    def config(self, config: Mapping[str, Any], repeat: int) -> dict[str, Any]:
        """The config of one repeat: with its number under the name that the spec gives."""
        return {**config, self._repeats.over: repeat}

    def next(self, more: bool = True) -> Next:
        """What is run next: repeats one after the other, and beside those that run a new setup.

        With `more` false there are no new setups any more: then repeats of one setup also run beside each other.
        """
        for _, setup in sorted(self._setups.items()):
            if len(setup.trials) < self._repeats.count and (not more or not setup.waits) and not self.given_up(setup):
                return Next(setup.number, len(setup.trials), setup)
        return Next(max(self._setups, default=0) + 1, 0, None)

    def given_up(self, setup: Setup) -> str:
        """Why no more repeats of a setup are run though not all were; "" where they are."""
        results = setup.results
        if len(setup.trials) >= self._repeats.count or setup.waits:
            return ""
        if not results and setup.trials:
            return "none of its runs came to a result"
        best = self.best() if self._repeats.early else None
        if best is None or best is setup:
            return ""
        chance = self._chance(results, best.results)
        if chance is None or chance >= _CHANCE:
            return ""
        return f"worse than setup {best.number} in {len(results)} repeats (p = {chance:.2g}, paired t test)"

    def best(self) -> Setup | None:
        """The setup with the best value of those that ran all of their repeats."""
        complete = [
            (self._sign * value, setup.number, setup)
            for setup in self._setups.values()
            if len(setup.results) >= self._repeats.count and (value := self.value(setup)) is not None
        ]
        return min(complete)[2] if complete else None

    def value(self, setup: Setup) -> float | None:
        """What its results come to together; None without any."""
        results = list(setup.results.values())
        return together(results, self._repeats.aggregate, self._goal) if results else None

    def observations(self) -> list[tuple[Observation, str]]:
        """The setups that changed since the last call, as the search sees them, with the hashes of their points."""
        changed, self._changed = sorted(self._changed), set()
        return [(self._observation(self._setups[number]), self._setups[number].point) for number in changed]

    def _observation(self, setup: Setup) -> Observation:
        value = self.value(setup)
        going_on = setup.waits or (len(setup.trials) < self._repeats.count and not self.given_up(setup))
        state = "running" if going_on else "finished" if value is not None else "failed"
        ended = None if going_on else value
        return Observation(setup.number, setup.config, state, ended, value, value)

    def _chance(self, own: Mapping[int, float], best: Mapping[int, float]) -> float | None:
        """How likely the differences to the best setup, repeat by repeat, would be if it were no better (one-sided)."""
        differences = [self._sign * (own[repeat] - best[repeat]) for repeat in own.keys() & best.keys()]
        if len(differences) < 2:
            return None
        mean = math.fsum(differences) / len(differences)
        error = _standard_error(differences, mean)
        if error == 0:
            return 0.0 if mean > 0 else 1.0
        from scipy.special import stdtr

        return float(stdtr(len(differences) - 1, -mean / error))


def together(values: Sequence[float], aggregate: Aggregate, goal: Goal) -> float:
    """What results come to together: their mean, their median, or the mean that is one standard error worse."""
    results = sorted(values)
    mean = math.fsum(results) / len(results)
    match aggregate:
        case "median":
            middle = len(results) // 2
            return results[middle] if len(results) % 2 else (results[middle - 1] + results[middle]) / 2
        case "lower":
            error = _standard_error(results, mean)
            return mean - error if goal == "maximize" else mean + error
    return mean


def _standard_error(values: list[float], mean: float) -> float:
    if len(values) < 2:
        return 0.0
    spread = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return math.sqrt(spread / len(values))
