"""Random search: independent draws from the distributions of the parameters, none twice where they can be counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swath.sweeps.search.base import History, Suggestion
from swath.sweeps.search.unseen import draw_unseen
from swath.sweeps.space import Config, SearchSpace

if TYPE_CHECKING:
    from numpy.random import Generator


class Random:
    """Uniform over the unit cube of the space, which is each parameter's own distribution."""

    uses_history = False

    def __init__(self, space: SearchSpace) -> None:
        self._space = space

    def suggest(self, history: History, number: int, rng: Generator) -> Suggestion | None:
        def draw() -> Config:
            return self._space.from_unit(rng.random(len(self._space.searched)).tolist())

        config = draw_unseen(self._space, history.seen, draw, rng)
        return None if config is None else Suggestion(config, "random: an independent draw")
