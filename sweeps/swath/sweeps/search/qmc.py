"""Quasi-random search: trial n is point n of a scrambled Sobol sequence, which fills the space evenly at any length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swath.sweeps.search.base import History, Suggestion
from swath.sweeps.search.unseen import Unseen
from swath.sweeps.space import Config, SearchSpace
from swath.tracking.errors import SwathError, UsageError

if TYPE_CHECKING:
    from numpy.random import Generator

    from swath.sweeps.search.priors import Priors

#: Points made at once; a power of two, in which the sequence is balanced.
_BLOCK = 1024
#: Points in a row that the constraints may forbid, and those that may be old before a countable space is walked.
_FORBIDDEN, _OLD = 100_000, 256
#: The direction numbers that scipy has (Joe and Kuo 2008).
_MOST_AXES = 21_201


class Qmc:
    """Points of a Sobol sequence with the scrambling of Owen (1998), mapped by the parameters' quantile functions.

    Points that the constraints forbid do not count. In a space with a size an old point is left for the next new one.
    It depends on `seed`, the number, and in a space with a size on the points handed out; what it keeps is a cache.
    Where there are `priors` one axis more says which points these map: half of all, and evenly spread as well.
    """

    uses_history = False

    def __init__(self, space: SearchSpace, seed: int, *, scramble: bool = True, priors: Priors | None = None) -> None:
        axes = len(space.searched) + bool(priors)
        if axes > _MOST_AXES:
            told = f"qmc searches at most {_MOST_AXES:,} parameters, and there are {len(space.searched):,}"
            raise UsageError(told, "use method: random")
        self._space = space
        self._unseen = Unseen(space)
        self._priors = priors
        self._sequence = _Sequence(axes, seed, scramble)
        self._allowed: list[int] = []
        self._next = 0
        self._over = False
        self._hashes: list[str] = []

    def suggest(self, history: History, number: int, rng: Generator) -> Suggestion | None:
        place = number - 1 if self._space.size is None else self._new_place(history.seen, number - 1)
        if place is not None and (index := self._index(place)) is not None:
            drawn = ", taken from the priors" if self._by_priors(index) else ""
            return Suggestion(self._config(index), f"qmc: point {index + 1} of the Sobol sequence{drawn}")
        if self._space.size is None:
            raise SwathError(
                f"none of {_FORBIDDEN:,} points of the Sobol sequence in a row meets the constraints",
                "loosen the constraints of the sweep, or narrow the ranges of its parameters",
            )
        config = self._unseen.walk(history.seen, rng)
        return None if config is None else Suggestion(config, "qmc: a point that the Sobol sequence left out")

    def _new_place(self, seen: set[str], first: int) -> int | None:
        """The first place from `first` on at which a new point stands; None after a number of old ones."""
        for place in range(first, first + _OLD):
            while len(self._hashes) <= place:
                index = self._index(len(self._hashes))
                if index is None:
                    return None
                self._hashes.append(self._space.point_hash(self._config(index)))
            if self._hashes[place] not in seen:
                return place
        return None

    def _index(self, place: int) -> int | None:
        """Which point of the sequence is allowed point number `place`, both counted from 0."""
        if not self._space.constraints:
            return place
        while len(self._allowed) <= place and not self._over:
            if self._space.allows(self._config(self._next)):
                self._allowed.append(self._next)
            self._next += 1
            self._over = self._next - (self._allowed[-1] if self._allowed else 0) > _FORBIDDEN
        return self._allowed[place] if place < len(self._allowed) else None

    def _config(self, index: int) -> Config:
        point = self._sequence.point(index)
        if not self._priors:
            return self._space.from_unit(point)
        return self._priors.config_at(point[:-1]) if self._by_priors(index) else self._space.from_unit(point[:-1])

    def _by_priors(self, index: int) -> bool:
        return bool(self._priors) and self._sequence.point(index)[-1] < 0.5


class _Sequence:
    """The points of one scrambled sequence by number, a block kept at a time."""

    def __init__(self, axes: int, seed: int, scramble: bool) -> None:
        self._axes = axes
        self._seed = seed
        self._scramble = scramble
        self._engine: Any = None
        self._number = -1
        self._block: list[list[float]] = []

    def point(self, index: int) -> list[float]:
        if self._axes == 0:
            return []
        number, place = divmod(index, _BLOCK)
        if number != self._number:
            self._read(number)
        return self._block[place]

    def _read(self, number: int) -> None:
        from numpy.random import default_rng
        from scipy.stats.qmc import Sobol

        if self._engine is None or number <= self._number:
            self._engine = Sobol(self._axes, scramble=self._scramble, seed=default_rng(self._seed))
            self._number = -1
        skipped = number - self._number - 1
        if skipped:
            self._engine.fast_forward(skipped * _BLOCK)
        self._block = self._engine.random(_BLOCK).tolist()
        self._number = number
