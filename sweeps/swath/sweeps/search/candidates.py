"""Finds the points that a score likes best: any of the cube, neighbours of good ones, and a climb from the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from swath.sweeps.search.distances import Array, Mask, distances
from swath.sweeps.search.layout import Layout, keys_of

if TYPE_CHECKING:
    from numpy.random import Generator

Score = Callable[[Array], Array]
Allowed = Callable[[Array], Mask]
#: Points from anywhere, rounds of draws where constraints forbid most, and climbs with their steps.
_ANYWHERE, _ROUNDS = 300, 8
_CLIMBS, _STEPS = 2, 6
#: A climb ends when a step gains less than this.
_LEAST_GAIN = 1e-6


@dataclass
class Candidates:
    """The candidates for one suggestion in `layout`: none that `old` counts, each once, all `allowed`."""

    layout: Layout
    old: Mapping[bytes, int]
    allowed: Allowed | None = None
    _known: set[bytes] = field(default_factory=set)

    def ranked(self, score: Score, good: Array, rng: Generator, whole: Array | None = None) -> Array:
        """The points found, best first; `good` are some to look around, `whole` are all points where they are few."""
        if whole is not None:
            pool = self._new(whole)
            return pool[np.argsort(-score(pool), kind="stable")] if len(pool) else pool
        pool = np.concatenate([self._anywhere(rng), *[self._new(self.layout.near(point, rng)) for point in good]])
        if not len(pool):
            return pool
        scores = score(pool)
        for start in np.argsort(-scores, kind="stable")[:_CLIMBS]:
            found, gains = self._climb(score, pool[start], float(scores[start]), rng)
            pool, scores = np.concatenate([pool, found]), np.concatenate([scores, gains])
        return pool[np.argsort(-scores, kind="stable")]

    def _climb(self, score: Score, point: Array, height: float, rng: Generator) -> tuple[Array, Array]:
        """All points looked at on the way from `point` to the best neighbour, and on from there."""
        seen, heights = [np.empty((0, len(self.layout)))], [np.empty(0)]
        for _ in range(_STEPS):
            around = self._new(self.layout.near(point, rng))
            if not len(around):
                break
            scores = score(around)
            seen.append(around)
            heights.append(scores)
            best = int(scores.argmax())
            if scores[best] <= height + _LEAST_GAIN:
                break
            point, height = around[best], float(scores[best])
        return np.concatenate(seen), np.concatenate(heights)

    def _anywhere(self, rng: Generator) -> Array:
        found = [self._new(self.layout.anywhere(_ANYWHERE, rng))]
        rounds = 1
        while self.allowed and rounds < _ROUNDS and sum(map(len, found)) < _ANYWHERE // 4:
            found.append(self._new(self.layout.anywhere(_ANYWHERE, rng)))
            rounds += 1
        return np.concatenate(found)

    def _new(self, points: Array) -> Array:
        """Those that are not old, not given before and allowed."""
        keep = []
        for place, key in enumerate(keys_of(points)):
            if not self.old.get(key) and key not in self._known:
                self._known.add(key)
                keep.append(place)
        kept = points[keep]
        return kept[self.allowed(kept)] if self.allowed and len(kept) else kept


def most_apart(points: Array, taken: Array, categorical: Mask) -> int:
    """Which of `points` is farthest from all of `taken`, also as seen along each axis by itself.

    The criterion is that of maximum projection designs (Joseph et al. 2015): 1 / product of squared distances. An
    axis that is there in neither of two points counts as in two points by chance, or branches with few axes of their
    own would look crowded.
    """
    if not len(taken):
        return 0
    apart = distances(points, taken, categorical)
    neither = np.isnan(points).T[:, :, None] & np.isnan(taken).T[:, None, :]
    apart[neither] = 1 / 3
    crowding = np.exp(-2 * np.log(apart + 0.1).sum(axis=0)).sum(axis=1)
    return int(crowding.argmin())
