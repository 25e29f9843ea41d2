"""What each trial of a history counts as: objectives, pending, or nothing; what a model makes of it is not said."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from swath.sweeps.search.base import Goal, History, Impute, Observation
from swath.sweeps.space import Config, SearchSpace

PENDING = frozenset({"queued", "running", "paused"})
COMPLETE = frozenset({"finished", "stopped"})

Objectives = tuple[float | None, ...]
"""One for each goal; None: the worst that any trial came to."""


@dataclass(frozen=True)
class Counted:
    """What a trial counts as. `values` holds an objective for each goal, and is None for a pending trial."""

    config: Config
    values: tuple[float, ...] | None
    violation: float = 0.0


def goals_of(history: History) -> tuple[Goal, ...]:
    """The goal of each metric, also where there is only one."""
    return history.goals or (history.goal,)


class Evidence:
    """The trials of one history as they count now, brought up to date by `sync`.

    With one goal a trial that did not end well counts as `history.impute` says, and one in flight as
    `history.impute_while_running`. With several, what a trial does not have counts as the worst of that goal.
    """

    def __init__(self, space: SearchSpace, history: History) -> None:
        self.history = history
        self._goals = goals_of(history)
        self._space = space
        self._cursor = 0
        self._objectives: dict[int, Objectives] = {}
        self._incomplete: set[int] = set()
        self._pending: set[int] = set()
        self._stale: set[int] = set()
        self._worst: Objectives = (None,) * len(self._goals)

    def __str__(self) -> str:
        return f"{self.results} finished and {len(self._pending)} running trials"

    @property
    def results(self) -> int:
        """How many trials have all objectives, imputed ones included."""
        unknown = len(self._incomplete) if None in self._worst else 0
        return len(self._objectives) - unknown

    def sync(self) -> None:
        """Take in what changed since the last time."""
        changed = set(self.history.changes[self._cursor :])
        self._cursor = len(self.history.changes)
        if not changed:
            return
        before = [self._objectives.get(number) for number in changed]
        for number in changed:
            self._take(self.history.observations[number])
        self._stale |= changed
        worst = tuple(self._worst_after(goal, changed, before) for goal in range(len(self._goals)))
        if worst != self._worst:
            self._worst = worst
            self._stale |= self._incomplete

    def changes(self) -> Iterator[tuple[int, Counted | None]]:
        """Each trial that counts differently since the last call, by number; None: it counts for nothing."""
        stale, self._stale = self._stale, set()
        return ((number, self.counted(number)) for number in sorted(stale))

    def counted(self, number: int) -> Counted | None:
        """What trial `number` counts as now."""
        trial = self.history.observations[number]
        if number in self._pending:
            return Counted(trial.config, None)
        found = self._objectives.get(number)
        if found is None:
            return None
        pairs = zip(found, self._worst, strict=True)
        values = [worst if value is None else value for value, worst in pairs]
        known = tuple(value for value in values if value is not None)
        return Counted(trial.config, known, trial.violation) if len(known) == len(values) else None

    def _take(self, trial: Observation) -> None:
        number = trial.number
        self._objectives.pop(number, None)
        self._pending.discard(number)
        self._incomplete.discard(number)
        if not self._space.contains(trial.config):
            return
        if trial.state in PENDING and self.history.impute_while_running is None:
            self._pending.add(number)
            return
        values = self._several(trial) if self.history.goals else (_finite(self._single(trial)),)
        self._objectives[number] = values
        if None in values:
            self._incomplete.add(number)

    def _single(self, trial: Observation) -> float | None:
        if trial.state in COMPLETE:
            return trial.value
        how: Impute | None = self.history.impute
        if trial.state in PENDING:
            how = self.history.impute_while_running
        return {"latest": trial.latest, "best": trial.best}.get(how or "worst")

    def _several(self, trial: Observation) -> Objectives:
        if trial.state not in COMPLETE or len(trial.values) != len(self._goals):
            return (None,) * len(self._goals)
        return tuple(_finite(value) for value in trial.values)

    def _worst_after(self, goal: int, changed: set[int], before: list[Objectives | None]) -> float | None:
        """The worst of all, from the changed ones alone unless the worst so far was among them."""
        known = self._worst[goal]
        if any(objectives is not None and objectives[goal] == known for objectives in before):
            return self._worst_of(goal)
        worst = max if self._goals[goal] == "minimize" else min
        found = (self._objectives[number][goal] for number in changed if number in self._objectives)
        return worst((value for value in (known, *found) if value is not None), default=None)

    def _worst_of(self, goal: int) -> float | None:
        worst = max if self._goals[goal] == "minimize" else min
        values = (objectives[goal] for objectives in self._objectives.values())
        return worst((value for value in values if value is not None), default=None)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
