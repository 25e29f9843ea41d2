"""`SearchSpace`: its leaves, the map to the unit cube, hashes of points and the grid; no search."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from swath.sweeps.distributions import (
    Categorical,
    Constant,
    Distribution,
    IntUniform,
    Quantised,
    Steps,
    Uniform,
    key_of,
)
from swath.sweeps.space.bounds import resolve_bounds
from swath.sweeps.space.expressions import Expression
from swath.sweeps.space.leaves import BRANCH, Config, Leaf, find, read_leaves, value_in
from swath.sweeps.space.product import ABSENT, Product


@dataclass(frozen=True)
class SearchSpace:
    """All leaves, sorted by name at every nesting level, parents first. A config is the nested dict of those there are.

    `constraints` must hold for a config; one that speaks of a parameter which is not there holds.
    """

    leaves: tuple[Leaf, ...]
    constraints: tuple[Expression, ...] = ()

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any], constraints: Iterable[str] = ()) -> SearchSpace:
        """The space of the checked `parameters` and `constraints` of a spec.

        Limits that name parameters are constraints as well.
        """
        bounded = resolve_bounds(parameters)
        texts = dict.fromkeys([*constraints, *bounded.constraints])
        return cls(read_leaves(bounded.parameters)[0], tuple(Expression(text) for text in texts))

    @cached_property
    def searched(self) -> tuple[Leaf, ...]:
        """The leaves with more than one value: the axes of the unit cube, in this order."""
        return tuple(leaf for leaf in self.leaves if leaf.distribution.size != 1)

    @cached_property
    def believed(self) -> bool:
        """Whether of a leaf that is searched it is said where its best value is expected."""
        return any(leaf.belief is not None for leaf in self.searched)

    @cached_property
    def conditional(self) -> bool:
        """Whether there are leaves that are not in every config."""
        return any(leaf.when for leaf in self.leaves)

    @cached_property
    def size(self) -> int | None:
        """How many distinct configs there are, constraints aside; None when a leaf is continuous."""
        continuous = any(leaf.distribution.size is None for leaf in self.leaves)
        return None if continuous else self._points.size

    def from_unit(self, cube: Sequence[float]) -> Config:
        """The config at a point of the unit cube (one coordinate in [0, 1] for each of `searched`).

        Coordinates of leaves that turn out not to be there mean nothing.
        """
        pairs = zip(self.searched, cube, strict=True)
        return self.from_values([leaf.distribution.ppf(float(coordinate)) for leaf, coordinate in pairs])

    def from_values(self, values: Sequence[Any]) -> Config:
        """The config with one value for each of `searched`; the other leaves have only one."""
        given = iter(values)
        settled = [next(given) if several else only for several, only in self._only]
        return self._config(settled)

    @cached_property
    def _only(self) -> tuple[tuple[bool, Any], ...]:
        """Of each leaf whether it is searched, and its one value where it is not."""
        sizes = [leaf.distribution for leaf in self.leaves]
        return tuple((item.size != 1, item.value_at(0) if item.size == 1 else None) for item in sizes)

    def _config(self, values: Sequence[Any]) -> Config:
        """The config of one value for each leaf, leaving out the leaves that are not there."""
        if not self.conditional:
            return _nested(zip((leaf.path for leaf in self.leaves), values, strict=True))
        keys: list[str | None] = []
        kept = []
        for leaf, value in zip(self.leaves, values, strict=True):
            there = value is not ABSENT and _is_there(leaf, keys)
            keys.append(key_of(value) if there else None)
            if there:
                kept.append((leaf.path, value))
        return _nested(kept)

    def values_in(self, config: Mapping[str, Any]) -> list[Any] | None:
        """The value of each leaf, `ABSENT` for those that are not there; None when `config` has another shape."""
        if not self.conditional:
            return self._plain_values(config)
        keys: list[str | None] = []
        values = []
        for leaf in self.leaves:
            there = _is_there(leaf, keys)
            value = find(config, leaf.path, ABSENT) if there else ABSENT
            if there and value is ABSENT:
                return None
            keys.append(key_of(value) if there else None)
            values.append(value)
        return values if _same_shape(config, self._shape_of(values)) else None

    def _plain_values(self, config: Mapping[str, Any]) -> list[Any] | None:
        """`values_in` where every leaf is in every config: this is asked of each trial of a history."""
        if self._flat_names is not None:
            if config.keys() != self._flat_names:
                return None
            return [config[leaf.path[0]] for leaf in self.leaves]
        if not _same_shape(config, self._whole_shape):
            return None
        return [value_in(config, leaf.path) for leaf in self.leaves]

    @cached_property
    def _flat_names(self) -> frozenset[str] | None:
        """The names of all leaves where none is nested."""
        flat = all(len(leaf.path) == 1 for leaf in self.leaves)
        return frozenset(leaf.path[0] for leaf in self.leaves) if flat else None

    def _shape_of(self, values: Sequence[Any]) -> Config:
        pairs = zip(self.leaves, values, strict=True)
        return _nested((leaf.path, None) for leaf, value in pairs if value is not ABSENT)

    @cached_property
    def _whole_shape(self) -> Config:
        return _nested((leaf.path, None) for leaf in self.leaves)

    def coordinates(self, config: Mapping[str, Any]) -> list[float | None]:
        """The point of the cube for `config`, which must be contained: None for leaves that are not there."""
        pairs = zip(self.leaves, self._known_values(config), strict=True)
        return [
            None if value is ABSENT else leaf.distribution.to_unit(value)
            for leaf, value in pairs
            if leaf.distribution.size != 1
        ]

    def to_unit(self, config: Mapping[str, Any]) -> tuple[float, ...]:
        """A point of the cube that `from_unit` maps to `config`, which must be contained; 0.5 where nothing counts."""
        return tuple(0.5 if coordinate is None else coordinate for coordinate in self.coordinates(config))

    def searched_values(self, config: Mapping[str, Any]) -> list[Any]:
        """The value of each of `searched` in `config`, which must be contained; `ABSENT` for those not there."""
        pairs = zip(self.leaves, self._known_values(config), strict=True)
        return [value for leaf, value in pairs if leaf.distribution.size != 1]

    def _known_values(self, config: Mapping[str, Any]) -> list[Any]:
        values = self.values_in(config)
        if values is None:
            raise ValueError("the config is not one of this space")
        return values

    def contains(self, config: Mapping[str, Any]) -> bool:
        """Whether `config` has exactly the parameters that it must have, with possible values that fit together."""
        values = self.values_in(config)
        if values is None:
            return False
        return self.allows(config) and all(
            value is ABSENT or leaf.distribution.contains(value) or step.contains(value)
            for leaf, step, value in zip(self.leaves, self._grid, values, strict=True)
        )

    def misfits(self, point: Mapping[str, Any]) -> list[tuple[tuple[str, ...], Any]]:
        """Path and value of whatever in `point`, which may leave parameters out, no config of this space can have."""
        return [
            (path, value)
            for path, value in _values_of(point, frozenset(leaf.path for leaf in self.leaves))
            if not any(leaf.path == path and leaf.distribution.contains(value) for leaf in self.leaves)
        ]

    def completed(self, point: Mapping[str, Any], cube: Sequence[float]) -> Config:
        """The config with the values of `point`, and those at `cube` where it says nothing or nothing possible."""
        drawn = iter(cube)
        values = []
        for leaf, (several, only) in zip(self.leaves, self._only, strict=True):
            value = leaf.distribution.ppf(float(next(drawn))) if several else only
            given = find(point, leaf.path, ABSENT)
            values.append(given if given is not ABSENT and leaf.distribution.contains(given) else value)
        return self._config(values)

    def allows(self, config: Mapping[str, Any]) -> bool:
        """Whether all constraints hold."""
        if not self.constraints:
            return True
        values = dict(named(config))
        return all(constraint.holds(values) for constraint in self.constraints)

    def point_hash(self, config: Mapping[str, Any]) -> str:
        """A text that equal configs share: the order of keys is nothing, 1 is 1.0 and -0.0 is 0.0, `true` is not 1."""
        values = self.values_in(config)
        if values is None:
            text = key_of([None, config])
        else:
            there = [(leaf, value) for leaf, value in zip(self.leaves, values, strict=True) if value is not ABSENT]
            text = key_of([_nested((leaf.path, _settled(leaf, value)) for leaf, value in there), None])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def point(self, index: int) -> Config:
        """The config number `index` (0 .. size - 1) of a space that has a size; the last leaf varies fastest."""
        return self._config(self._points.values(index))

    @cached_property
    def _points(self) -> Product:
        return Product(self.leaves, [leaf.distribution for leaf in self.leaves])

    # The grid: the same product, but `q_uniform` counts up from min and leaves max out.

    @cached_property
    def _grid(self) -> tuple[Distribution, ...]:
        return tuple(_in_grid(leaf.distribution) for leaf in self.leaves)

    @cached_property
    def _grid_points(self) -> Product:
        return Product(self.leaves, self._grid)

    @property
    def grid_size(self) -> int:
        """How many points the grid has, constraints aside; only for a space without `grid_faults`."""
        return self._grid_points.size

    def grid_point(self, index: int) -> Config:
        """Point number `index` of the grid, counted from 0, found without making the others."""
        return self._config(self._grid_points.values(index))

    def grid_faults(self) -> list[tuple[tuple[str, ...], str]]:
        """Path and complaint of each leaf that cannot be enumerated in a grid."""
        return [(leaf.path, fault) for leaf in self.leaves if (fault := _grid_fault(leaf.distribution))]


def named(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a nested config under its dotted name; a branch that is taken also under its choice's name."""
    for key, value in config.items():
        yield f"{prefix}{key}", value
        if isinstance(value, Mapping):
            yield from named(value, f"{prefix}{key}.")
            if BRANCH in value:
                yield f"{prefix}{key}", value[BRANCH]


def _values_of(
    point: Mapping[str, Any], leaves: frozenset[tuple[str, ...]], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path and value of everything in a nested dict that is not a level of nesting itself."""
    for key, value in point.items():
        here = (*path, key)
        if isinstance(value, Mapping) and value and here not in leaves:
            yield from _values_of(value, leaves, here)
        else:
            yield here, value


def _is_there(leaf: Leaf, keys: Sequence[str | None]) -> bool:
    """Whether a leaf is there, given the keys of the values of those before it."""
    return all(keys[condition.parent] in condition.keys for condition in leaf.when)


def _nested(items: Iterable[tuple[tuple[str, ...], Any]]) -> Config:
    config: Config = {}
    for path, value in items:
        _put(config, path, value)
    return config


def _put(config: Config, path: Sequence[str], value: Any) -> None:
    for key in path[:-1]:
        config = config.setdefault(key, {})
    config[path[-1]] = copy.deepcopy(value) if isinstance(value, (list, dict)) else value


def _same_shape(config: Any, shape: Any) -> bool:
    if not isinstance(shape, dict):
        return True
    if not isinstance(config, Mapping) or config.keys() != shape.keys():
        return False
    return all(_same_shape(config[key], shape[key]) for key in shape)


def _settled(leaf: Leaf, value: Any) -> Any:
    """The value of `leaf`; of a quantised leaf the multiple meant, so that 0.3 and 3 * 0.1 are one point."""
    if isinstance(leaf.distribution, Quantised) and leaf.distribution.contains(value):
        return leaf.distribution.value_at(leaf.distribution.index_of(value))
    return value


def _in_grid(distribution: Distribution) -> Distribution:
    if isinstance(distribution, Quantised) and isinstance(distribution.base, Uniform):
        return Steps(distribution.base.min, distribution.base.max, distribution.q)
    return distribution


def _grid_fault(distribution: Distribution) -> str:
    if isinstance(distribution, Categorical):
        return "" if distribution.weights is None else "probabilities have no meaning in a grid"
    if isinstance(distribution, (Constant, IntUniform)) or isinstance(_in_grid(distribution), Steps):
        return ""
    if isinstance(distribution, Quantised):
        return "only q_uniform can be enumerated in a grid"
    return "a grid cannot enumerate a continuous range"
