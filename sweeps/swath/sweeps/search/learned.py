"""Searchers that learn from results: random draws at first, then what a model of the trials suggests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from swath.sweeps.search.base import Goal, History, Suggestion
from swath.sweeps.search.evidence import Evidence, goals_of
from swath.sweeps.search.models import Asked, Model
from swath.sweeps.search.unseen import Unseen
from swath.sweeps.space import Config, SearchSpace

if TYPE_CHECKING:
    from numpy.random import Generator

MakeModel = Callable[[SearchSpace, tuple[Goal, ...]], Model]


class Learned:
    """The method `name`: a model that `make` makes for the goals of a history, after `startup` trials with a result.

    What it keeps is a cache of the history, brought up to date by `history.changes`.
    """

    uses_history = True

    def __init__(self, space: SearchSpace, name: str, make: MakeModel, startup: int) -> None:
        self._space = space
        self._name = name
        self._make = make
        self._startup = startup
        self._unseen = Unseen(space)
        self._known: tuple[Evidence, Model] | None = None

    def suggest(self, history: History, number: int, rng: Generator) -> Suggestion | None:
        if not self._space.searched:
            config = self._unseen.random(history.seen, rng)
            return None if config is None else Suggestion(config, f"{self._name}: there is nothing to choose")
        evidence, model = self._up_to_date(history)
        informed = evidence.results >= self._startup
        config = self._modelled(model, history, number, rng) if informed else None
        if config is not None:
            return Suggestion(config, f"{self._name}: learned from {evidence}")
        config = self._unseen.random(history.seen, rng)
        if config is None:
            return None
        why = "the model found nothing new" if informed else f"until {self._startup} trials have a result"
        return Suggestion(config, f"{self._name}: a random draw, {why}")

    def _up_to_date(self, history: History) -> tuple[Evidence, Model]:
        if self._known is None or self._known[0].history is not history:
            self._known = Evidence(self._space, history), self._make(self._space, goals_of(history))
        evidence, model = self._known
        evidence.sync()
        for number, counted in evidence.changes():
            if counted is None:
                model.leave_out(number)
            else:
                model.put(number, counted)
        return evidence, model

    def _modelled(self, model: Model, history: History, number: int, rng: Generator) -> Config | None:
        """What the model suggests that is allowed and new; None when it insists on something else."""
        if self._space.size is None and not self._space.constraints:
            return model.sample(Asked(number, int(rng.integers(2**31))))

        def barred(config: Config) -> bool:
            return self._unseen.barred(config, history.seen)

        for _ in range(model.attempts):
            config = model.sample(Asked(number, int(rng.integers(2**31)), barred))
            if not barred(config):
                return config
        return None
