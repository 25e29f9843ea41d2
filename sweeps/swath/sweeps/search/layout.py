"""Configs as points of the unit cube that a surrogate reads, and back; which points are good is told elsewhere.

An ordered axis has its values at equal steps from 0 to 1, a categorical one too, but there only being equal counts;
a real one is the quantile of its value. The coordinate of an axis that is not there is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from swath.sweeps.distributions import key_of
from swath.sweeps.search.axes import Axes, Params
from swath.sweeps.search.distances import Array, Mask
from swath.sweeps.space import Config, SearchSpace

if TYPE_CHECKING:
    from numpy.random import Generator

#: Deviations of the steps from a point to its neighbours along real axes.
_STEPS = (0.2, 0.05, 0.01)
#: Values of one discrete axis that are looked at as neighbours.
_MOST_VALUES = 24


class Layout:
    """The axes of a space as arrays: `sizes` (0 for a real axis), `categorical`, and which depend on which."""

    def __init__(self, space: SearchSpace) -> None:
        self._axes = Axes(space)
        axes = list(self._axes.by_name.values())
        self.sizes = np.array([axis.size or 0 for axis in axes], dtype=np.int64)
        self.categorical: Mask = np.array([axis.size is not None and not axis.ordered for axis in axes], dtype=bool)
        self._gaps = np.maximum(self.sizes - 1, 1)
        self._gates = _gates(space, self._axes)

    def __len__(self) -> int:
        return len(self.sizes)

    def point_of(self, config: Config) -> Array:
        """The point of a config of the space."""
        params = self._axes.params_of(config)
        found = np.full(len(self), np.nan)
        for axis, name in enumerate(self._axes.by_name):
            if name in params:
                found[axis] = params[name] / self._gaps[axis] if self.sizes[axis] else params[name]
        return found

    def config_of(self, point: Array) -> Config:
        """The config at a settled point."""
        params: Params = {}
        for (name, size), coordinate in zip(self._named_sizes, point.tolist(), strict=True):
            known = 0.0 if coordinate != coordinate else coordinate
            params[name] = round(known * max(size - 1, 1)) if size else known
        return self._axes.config_of(params)

    @cached_property
    def _named_sizes(self) -> list[tuple[str, int]]:
        return list(zip(self._axes.by_name, self.sizes.tolist(), strict=True))

    def settled(self, cube: Array) -> Array:
        """The points at places of the cube: discrete axes moved to their nearest values, absent ones to NaN."""
        steps = np.where(self.sizes > 0, self._gaps, 1)
        found: Array = np.where(self.sizes > 0, np.rint(cube * steps) / steps, cube)
        for axis, parent, open_at in self._gates:
            places = found[:, parent] * self._gaps[parent]
            there = ~np.isnan(places)
            there[there] = open_at[np.rint(places[there]).astype(np.int64)]
            found[~there, axis] = np.nan
        return found

    def spread(self, cube: Array) -> Array:
        """As `settled`, with an equal share of the cube for each value of a discrete axis."""
        sizes = np.maximum(self.sizes, 1)
        places = np.minimum(np.floor(cube * sizes), sizes - 1)
        return self.settled(np.where(self.sizes > 0, places / self._gaps, cube))

    def anywhere(self, count: int, rng: Generator) -> Array:
        """Points anywhere in the cube."""
        return self.spread(rng.random((count, len(self))))

    def near(self, point: Array, rng: Generator) -> Array:
        """Points that differ from a settled one along one axis, or a little along all real ones."""
        rows = []
        for axis in np.flatnonzero(~np.isnan(point)).tolist():
            values = self._values_near(axis, float(point[axis]), rng)
            moved = np.repeat(point[None], len(values), axis=0)
            moved[:, axis] = values
            rows.append(moved)
        real = np.flatnonzero((self.sizes == 0) & ~np.isnan(point))
        if len(real) > 1:
            moved = np.repeat(point[None], 4 * len(_STEPS), axis=0)
            steps = np.repeat(_STEPS, 4)[:, None] * 0.5
            moved[:, real] = np.clip(moved[:, real] + steps * rng.standard_normal((len(moved), len(real))), 0.0, 1.0)
            rows.append(moved)
        found = np.concatenate(rows) if rows else np.empty((0, len(self)))
        if self._gates:  # a branch that opens has no values yet
            found = np.where(np.isnan(found), self.spread_unconditioned(rng.random(found.shape)), found)
        return self.settled(found)

    def spread_unconditioned(self, cube: Array) -> Array:
        """As `spread`, with values also on the axes that are not there."""
        sizes = np.maximum(self.sizes, 1)
        return np.where(self.sizes > 0, np.minimum(np.floor(cube * sizes), sizes - 1) / self._gaps, cube)

    def _values_near(self, axis: int, value: float, rng: Generator) -> Array:
        size, gaps = int(self.sizes[axis]), int(self._gaps[axis])
        if not size:
            steps = np.repeat(_STEPS, 2) * rng.standard_normal(2 * len(_STEPS))
            return np.clip(value + steps, 0.0, 1.0)
        if size <= _MOST_VALUES:
            return np.arange(size, dtype=np.float64) / gaps
        if self.categorical[axis]:
            return rng.integers(size, size=_MOST_VALUES) / gaps
        steps = np.rint(np.repeat(_STEPS, 4) * rng.standard_normal(4 * len(_STEPS)) * gaps)
        steps = np.concatenate([steps, [-1.0, 1.0]]) / gaps
        return np.clip(value + steps, 0.0, 1.0)


def keys_of(points: Array) -> list[bytes]:
    """A text for each point that equal points share."""
    rounded = np.rint(np.where(np.isnan(points), -1.0, points) * 1e9) + 0.0
    return [row.tobytes() for row in np.ascontiguousarray(rounded)]


def _gates(space: SearchSpace, axes: Axes) -> list[tuple[int, int, Mask]]:
    """Axis, parent axis and the parent's places at which the axis is there, for each condition; parents first."""
    numbers = _axis_numbers(space)
    found = []
    for leaf_number, _ in enumerate(space.leaves):
        axis = numbers[leaf_number]
        if axis is None:
            continue
        for parent, keys in _conditions(space, leaf_number):
            parent_axis = numbers[parent]
            open_at = None if parent_axis is None else _open_at(axes, parent_axis, keys)
            if parent_axis is not None and open_at is not None:
                found.append((axis, parent_axis, open_at))
    return found


def _conditions(space: SearchSpace, leaf: int) -> list[tuple[int, frozenset[str]]]:
    """The conditions of a leaf, those of the constants that it depends on included, for these are no axes."""
    found = []
    for condition in space.leaves[leaf].when:
        found.append((condition.parent, condition.keys))
        if space.leaves[condition.parent].distribution.size == 1:
            found.extend(_conditions(space, condition.parent))
    return found


def _axis_numbers(space: SearchSpace) -> Sequence[int | None]:
    numbers, found = 0, []
    for leaf in space.leaves:
        searched = leaf.distribution.size != 1
        found.append(numbers if searched else None)
        numbers += searched
    return found


def _open_at(axes: Axes, parent: int, keys: frozenset[str]) -> Mask | None:
    """None for a parent with too many values to list: its children then count as always there."""
    axis = list(axes.by_name.values())[parent]
    if axis.size is None:
        return None
    return np.array([key_of(axis.value_of(place)) in keys for place in range(axis.size)], dtype=bool)
