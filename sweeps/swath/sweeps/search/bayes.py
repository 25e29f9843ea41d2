"""Bayesian search: random draws at first, then TPE over what the trials came to; Optuna itself is in `tpe`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from swath.sweeps.search.base import History, Impute, Observation, Suggestion
from swath.sweeps.search.unseen import draw_unseen
from swath.sweeps.space import Config, SearchSpace

if TYPE_CHECKING:
    from numpy.random import Generator

    from swath.sweeps.search.tpe import TpeModel

#: Trials with a result before the model is asked.
STARTUP = 10
#: Candidates that TPE draws for one suggestion: in a discrete space more, for many of them are old points.
_CANDIDATES, _DISCRETE_CANDIDATES = 24, 64
_TRIES = 4
_PENDING = frozenset({"queued", "running", "paused"})
_COMPLETE = frozenset({"finished", "stopped"})


class Bayes:
    """TPE (Bergstra et al. 2011; multivariate as in Falkner et al. 2018) over the axes of the space.

    Trials in flight count as running, which keeps the model from suggesting beside them. What it keeps is a cache of
    the history, brought up to date by `history.changes`.
    """

    uses_history = True

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._evidence: _Evidence | None = None

    def suggest(self, history: History, number: int, rng: Generator) -> Suggestion | None:
        evidence = self._up_to_date(history)
        informed = evidence.results >= STARTUP and bool(self._space.searched)

        def draw() -> Config:
            return self._space.from_unit(rng.random(len(self._space.searched)).tolist())

        config = self._modelled(evidence, history, number, rng) if informed else None
        if config is not None:
            return Suggestion(config, f"bayes: TPE over {evidence}")
        config = draw_unseen(self._space, history.seen, draw, rng)
        if config is None:
            return None
        why = "TPE found nothing new" if informed else f"until {STARTUP} trials have a result"
        return Suggestion(config, f"bayes: a random draw, {why}")

    def _up_to_date(self, history: History) -> _Evidence:
        if self._evidence is None or self._evidence.history is not history:
            self._evidence = _Evidence(self._space, history)
        self._evidence.sync()
        return self._evidence

    def _modelled(self, evidence: _Evidence, history: History, number: int, rng: Generator) -> Config | None:
        """What TPE suggests that was not handed out yet; None when it insists on old points."""
        model = evidence.model()
        if self._space.size is None:
            return model.sample(number, int(rng.integers(2**31)), _CANDIDATES)

        def old(config: Config) -> bool:
            return self._space.point_hash(config) in history.seen

        for attempt in range(_TRIES):
            config = model.sample(number, int(rng.integers(2**31)), _DISCRETE_CANDIDATES << attempt, old)
            if not old(config):
                return config
        return None


class _Evidence:
    """What each trial of a history counts as: an objective, pending, or nothing."""

    def __init__(self, space: SearchSpace, history: History) -> None:
        self.history = history
        self._space = space
        self._cursor = 0
        self._values: dict[int, float] = {}
        self._pending: set[int] = set()
        self._as_worst: set[int] = set()
        self._stale: set[int] = set()
        self._worst: float | None = None
        self._model: TpeModel | None = None

    def __str__(self) -> str:
        return f"{self.results} finished and {len(self._pending)} running trials"

    @property
    def results(self) -> int:
        """How many trials have an objective, imputed ones included."""
        return len(self._values) + (len(self._as_worst) if self._worst is not None else 0)

    def sync(self) -> None:
        """Take in what changed since the last time."""
        changed = set(self.history.changes[self._cursor :])
        self._cursor = len(self.history.changes)
        if not changed:
            return
        for number in changed:
            self._take(self.history.observations[number])
        self._stale |= changed
        worst = self._worst_value()
        if worst != self._worst:
            self._worst = worst
            self._stale |= self._as_worst

    def model(self) -> TpeModel:
        """TPE with all trials as they count now."""
        from swath.sweeps.search.tpe import TpeModel

        if self._model is None:
            self._model = TpeModel(self._space, self.history.goal)
        for number in self._stale:
            self._put(self._model, number)
        self._stale.clear()
        return self._model

    def _put(self, model: TpeModel, number: int) -> None:
        value = self._worst if number in self._as_worst else self._values.get(number)
        if value is None and number not in self._pending:
            model.leave_out(number)
        else:
            model.put(number, self.history.observations[number].config, value)

    def _take(self, trial: Observation) -> None:
        number = trial.number
        self._values.pop(number, None)
        self._pending.discard(number)
        self._as_worst.discard(number)
        if not self._space.contains(trial.config):
            return
        if trial.state in _PENDING and self.history.impute_while_running is None:
            self._pending.add(number)
            return
        value = trial.value if trial.state in _COMPLETE else self._imputed(trial)
        if value is not None and math.isfinite(value):
            self._values[number] = value
        else:
            self._as_worst.add(number)

    def _imputed(self, trial: Observation) -> float | None:
        """What a trial that did not end well, or has not ended, counts as; None for the worst of all."""
        how: Impute | None = self.history.impute
        if trial.state in _PENDING:
            how = self.history.impute_while_running
        return {"latest": trial.latest, "best": trial.best}.get(how or "worst")

    def _worst_value(self) -> float | None:
        worst = max if self.history.goal == "minimize" else min
        return worst(self._values.values(), default=None)
