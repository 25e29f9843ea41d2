"""The typed search space of a sweep: its leaves, the map to the unit cube, hashes of points and the grid; no search."""

from __future__ import annotations

import copy
import hashlib
import math
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
    make_distribution,
)

Config = dict[str, Any]


@dataclass(frozen=True)
class Leaf:
    """One parameter that is not nested: where it stands in the config, and what it may be."""

    path: tuple[str, ...]
    distribution: Distribution

    @property
    def name(self) -> str:
        """The path with dots, as people write it."""
        return ".".join(self.path)


@dataclass(frozen=True)
class SearchSpace:
    """All leaves, sorted by name at every nesting level. A config is the nested dict with one value a leaf."""

    leaves: tuple[Leaf, ...]

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> SearchSpace:
        """The space of the checked `parameters` of a spec."""
        return cls(tuple(_leaves(parameters, ())))

    @cached_property
    def searched(self) -> tuple[Leaf, ...]:
        """The leaves with more than one value: the axes of the unit cube, in this order."""
        return tuple(leaf for leaf in self.leaves if leaf.distribution.size != 1)

    @cached_property
    def size(self) -> int | None:
        """How many distinct configs there are; None when a leaf is continuous."""
        return _product([leaf.distribution.size for leaf in self.leaves])

    def from_unit(self, cube: Sequence[float]) -> Config:
        """The config at a point of the unit cube (one coordinate in [0, 1] for each of `searched`)."""
        pairs = zip(self.searched, cube, strict=True)
        return self.from_values([leaf.distribution.ppf(float(coordinate)) for leaf, coordinate in pairs])

    def from_values(self, values: Sequence[Any]) -> Config:
        """The config with one value for each of `searched`; the other leaves have only one."""
        given = dict(zip((leaf.path for leaf in self.searched), values, strict=True))
        return _nested((path, given.get(path, only)) for path, only in self._only)

    @cached_property
    def _only(self) -> tuple[tuple[tuple[str, ...], Any], ...]:
        """Each leaf's path with its one value, or None where it is searched."""
        sizes = ((leaf.path, leaf.distribution) for leaf in self.leaves)
        return tuple((path, item.value_at(0) if item.size == 1 else None) for path, item in sizes)

    def to_unit(self, config: Mapping[str, Any]) -> tuple[float, ...]:
        """A point of the cube that `from_unit` maps to `config`, which must be contained."""
        return tuple(leaf.distribution.to_unit(value_in(config, leaf.path)) for leaf in self.searched)

    def contains(self, config: Mapping[str, Any]) -> bool:
        """Whether `config` has exactly the parameters of the space, each with a possible value."""
        if not _same_shape(config, self._shape):
            return False
        values = [value_in(config, leaf.path) for leaf in self.leaves]
        return all(
            leaf.distribution.contains(value) or step.contains(value)
            for leaf, step, value in zip(self.leaves, self._grid, values, strict=True)
        )

    @cached_property
    def _shape(self) -> Config:
        return _nested((leaf.path, None) for leaf in self.leaves)

    def point_hash(self, config: Mapping[str, Any]) -> str:
        """A text that equal configs share: the order of keys is nothing, 1 is 1.0 and -0.0 is 0.0, `true` is not 1."""
        settled = _nested((leaf.path, _settled(leaf, config)) for leaf in self.leaves if _has(config, leaf.path))
        text = key_of([settled, None if _same_shape(config, self._shape) else config])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def point(self, index: int) -> Config:
        """The config number `index` (0 .. size - 1) of a space that has a size; the last leaf varies fastest."""
        return self._at(index, [leaf.distribution for leaf in self.leaves])

    # The grid: the same product, but `q_uniform` counts up from min and leaves max out.

    @cached_property
    def _grid(self) -> tuple[Distribution, ...]:
        return tuple(_in_grid(leaf.distribution) for leaf in self.leaves)

    @cached_property
    def grid_size(self) -> int:
        """How many points the grid has; only for a space without `grid_faults`."""
        return _product([distribution.size for distribution in self._grid]) or 0

    def grid_point(self, index: int) -> Config:
        """Point number `index` of the grid, counted from 0, found without making the others."""
        return self._at(index, self._grid)

    def grid_faults(self) -> list[tuple[tuple[str, ...], str]]:
        """Path and complaint of each leaf that cannot be enumerated in a grid."""
        return [(leaf.path, fault) for leaf in self.leaves if (fault := _grid_fault(leaf.distribution))]

    def _at(self, index: int, distributions: Sequence[Distribution]) -> Config:
        digits = []
        for distribution in reversed(distributions):
            index, digit = divmod(index, distribution.size or 1)
            digits.append(digit)
        if index:
            raise IndexError("there is no such point")
        values = (item.value_at(digit) for item, digit in zip(distributions, reversed(digits), strict=True))
        return _nested(zip((leaf.path for leaf in self.leaves), values, strict=True))


def value_in(config: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The value at `path` of a nested config."""
    value: Any = config
    for key in path:
        value = value[key]
    return value


def _leaves(parameters: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Leaf]:
    for name in sorted(parameters):
        parameter = parameters[name]
        if "parameters" in parameter:
            yield from _leaves(parameter["parameters"], (*path, name))
        else:
            yield Leaf((*path, name), make_distribution(parameter))


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


def _has(config: Any, path: Sequence[str]) -> bool:
    for key in path:
        if not isinstance(config, Mapping) or key not in config:
            return False
        config = config[key]
    return True


def _settled(leaf: Leaf, config: Mapping[str, Any]) -> Any:
    """The value of `leaf`; of a quantised leaf the multiple meant, so that 0.3 and 3 * 0.1 are one point."""
    value = value_in(config, leaf.path)
    if isinstance(leaf.distribution, Quantised) and leaf.distribution.contains(value):
        return leaf.distribution.value_at(leaf.distribution.index_of(value))
    return value


def _product(sizes: Sequence[int | None]) -> int | None:
    return None if None in sizes else math.prod(size for size in sizes if size is not None)


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
