"""Grid search: trial n is point n of the grid, or of those that the constraints allow, whatever came of the others.

It draws nothing: whoever asks by `point` needs no generator, and so no numpy, which takes its time to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swath.sweeps.search.base import History, Suggestion
from swath.sweeps.space import SearchSpace

if TYPE_CHECKING:
    from numpy.random import Generator


class Grid:
    """All points of the grid in order, without making them beforehand. What it keeps is where the allowed ones are."""

    uses_history = False

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._allowed: list[int] = []
        self._next = 0

    def suggest(self, history: History, number: int, rng: Generator) -> Suggestion | None:
        return self.point(history, number)

    def point(self, history: History, number: int) -> Suggestion | None:
        """The suggestion for trial `number`."""
        index = self._index(number)
        if index is None:
            return None
        place = f"grid: point {index + 1} of {self._space.grid_size}"
        reason = f"{place}, number {number} of those allowed" if self._space.constraints else place
        return Suggestion(self._space.grid_point(index), reason)

    def _index(self, number: int) -> int | None:
        """Where in the grid the `number`th allowed point is."""
        if not self._space.constraints:
            return number - 1 if number <= self._space.grid_size else None
        while len(self._allowed) < number and self._next < self._space.grid_size:
            if self._space.allows(self._space.grid_point(self._next)):
                self._allowed.append(self._next)
            self._next += 1
        return self._allowed[number - 1] if number <= len(self._allowed) else None


class GridRest:
    """Whatever of a grid was not handed out yet, in order: of a grid that was changed while it ran."""

    uses_history = False

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._first = 0

    def suggest(self, history: History, number: int, rng: Generator) -> Suggestion | None:
        return self.point(history, number)

    def point(self, history: History, number: int) -> Suggestion | None:
        """The first point that was not handed out."""
        for index in range(self._first, self._space.grid_size):
            config = self._space.grid_point(index)
            if self._space.allows(config) and self._space.point_hash(config) not in history.seen:
                self._first = index  # those before are seen, and stay so
                return Suggestion(config, f"grid: point {index + 1} of {self._space.grid_size}, which was not run yet")
        return None
