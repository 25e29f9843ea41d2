"""A small searcher of one's own, as `method: "custom: swath.sweeps.testing.example:Nearby"` would take it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swath.sweeps.search.base import History, Observation, Suggestion
from swath.sweeps.search.unseen import draw_unseen
from swath.sweeps.space import Config, SearchSpace

if TYPE_CHECKING:
    from numpy.random import Generator


class Nearby:
    """A step from the best trial so far, whose size is the option `step`; at first, and where there is none, a draw."""

    uses_history = True

    def __init__(self, space: SearchSpace, options: Mapping[str, Any]) -> None:
        self._space = space
        self._step = float(options.get("step", 0.1))

    def suggest(self, history: History, number: int, rng: Generator) -> Suggestion | None:
        best = self._best(history)
        centre = None if best is None else self._space.to_unit(best.config)

        def draw() -> Config:
            axes = len(self._space.searched)
            if centre is None:
                return self._space.from_unit(rng.random(axes).tolist())
            stepped = zip(centre, rng.normal(0.0, self._step, axes).tolist(), strict=True)
            return self._space.from_unit([min(1.0, max(0.0, place + step)) for place, step in stepped])

        config = draw_unseen(self._space, history.seen, draw, rng)
        if config is None:
            return None
        return Suggestion(config, "nearby: a draw" if best is None else f"nearby: a step from trial {best.number}")

    def _best(self, history: History) -> Observation | None:
        ended = [trial for trial in history.observations.values() if trial.state == "finished"]
        sign = 1.0 if history.goal == "minimize" else -1.0
        known = [(sign * trial.value, trial.number) for trial in ended if trial.value is not None]
        finite = [pair for pair in known if pair[0] == pair[0]]
        return history.observations[min(finite)[1]] if finite else None
