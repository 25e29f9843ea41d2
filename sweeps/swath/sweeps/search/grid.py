"""Grid search: trial n is point n of the grid, whatever came of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swath.sweeps.search.base import History, Suggestion
from swath.sweeps.space import SearchSpace

if TYPE_CHECKING:
    from numpy.random import Generator


class Grid:
    """All points of the grid in order, without making them beforehand."""

    uses_history = False

    def __init__(self, space: SearchSpace) -> None:
        self._space = space

    def suggest(self, history: History, number: int, rng: Generator) -> Suggestion | None:
        if number > self._space.grid_size:
            return None
        return Suggestion(self._space.grid_point(number - 1), f"grid: point {number} of {self._space.grid_size}")
