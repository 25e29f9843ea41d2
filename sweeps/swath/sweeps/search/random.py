"""Random search: independent draws from the distributions of the parameters, none twice where they can be counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swath.sweeps.search.base import History, Suggestion
from swath.sweeps.search.unseen import Unseen
from swath.sweeps.space import SearchSpace

if TYPE_CHECKING:
    from numpy.random import Generator


class Random:
    """Uniform over the unit cube of the space, which is each parameter's own distribution."""

    uses_history = False

    def __init__(self, space: SearchSpace) -> None:
        self._unseen = Unseen(space)

    def suggest(self, history: History, number: int, rng: Generator) -> Suggestion | None:
        config = self._unseen.random(history.seen, rng)
        return None if config is None else Suggestion(config, "random: an independent draw")
