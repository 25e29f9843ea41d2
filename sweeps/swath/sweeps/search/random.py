"""Random search: independent draws from the distributions of the parameters, none twice where they can be counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swath.sweeps.search.base import History, Suggestion
from swath.sweeps.search.unseen import Unseen
from swath.sweeps.space import SearchSpace

if TYPE_CHECKING:
    from numpy.random import Generator

    from swath.sweeps.search.priors import Priors


class Random:
    """Uniform over the unit cube of the space, which is each parameter's own distribution.

    Where there are `priors` every other trial, from the first on, is drawn from them.
    """

    uses_history = False

    def __init__(self, space: SearchSpace, priors: Priors | None = None) -> None:
        self._unseen = Unseen(space)
        self._priors = priors

    def suggest(self, history: History, number: int, rng: Generator) -> Suggestion | None:
        if self._priors and number % 2:
            config = self._priors.draw(self._unseen, history.seen, rng)
            if config is not None:
                return Suggestion(config, "random: an independent draw from the priors")
        config = self._unseen.random(history.seen, rng)
        return None if config is None else Suggestion(config, "random: an independent draw")
