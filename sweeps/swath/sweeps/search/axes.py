"""The searched leaves of a space as a model sees them: places in a list, or real numbers; no model and no sampling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swath.sweeps.distributions import Distribution
from swath.sweeps.space import Config, SearchSpace
from swath.sweeps.space.product import ABSENT

#: Discrete axes with more values than this are searched as real ones and rounded.
LARGEST_INDEX = 10_000

Params = dict[str, int | float]


class Axis:
    """One searched leaf: the place among its sorted values, or a real coordinate of the unit interval.

    `size` counts the places, and is None where the axis is real. `ordered`: neighbouring places are alike. An ordered
    axis with more than `most` places is real.
    """

    def __init__(self, distribution: Distribution, most: int = LARGEST_INDEX) -> None:
        self._leaf = distribution
        size = distribution.size
        places = most if distribution.ordered else LARGEST_INDEX
        indexed = size is not None and size <= places and (distribution.even or not distribution.ordered)
        self.size = size if indexed else None
        self.ordered = distribution.ordered
        self._order = list(range(self.size or 0))
        if self.ordered:
            self._order.sort(key=distribution.value_at)
        self._rank = {index: rank for rank, index in enumerate(self._order)}

    def param_of(self, value: Any) -> int | float:
        """What the model is told of `value`."""
        return self._leaf.to_unit(value) if self.size is None else self._rank[self._leaf.index_of(value)]

    def value_of(self, param: int | float) -> Any:
        """The value that the model means."""
        return self._leaf.ppf(float(param)) if self.size is None else self._leaf.value_at(self._order[int(param)])

    def param_at(self, u: float) -> int | float:
        """The param at quantile `u` of the parameter's own distribution."""
        return self.param_of(self._leaf.ppf(u))


class Axes:
    """All axes of a space, named by number: the dots of a name and those of nesting could make two names the same."""

    def __init__(self, space: SearchSpace, most: int = LARGEST_INDEX) -> None:
        self._space = space
        self.by_name = {str(number): Axis(leaf.distribution, most) for number, leaf in enumerate(space.searched)}

    def params_of(self, config: Config) -> Params:
        """The params of those leaves that are there in `config`, which must be contained."""
        values = zip(self.by_name.items(), self._space.searched_values(config), strict=True)
        return {name: axis.param_of(value) for (name, axis), value in values if value is not ABSENT}

    def config_of(self, params: Mapping[str, int | float]) -> Config:
        """The config that a param for every axis gives; those of leaves that turn out not to be there mean nothing."""
        return self._space.from_values([axis.value_of(params[name]) for name, axis in self.by_name.items()])

    def groups(self) -> list[list[str]]:
        """The names of the axes, those that are there under the same conditions together, parents first."""
        found: dict[Any, list[str]] = {}
        for name, leaf in zip(self.by_name, self._space.searched, strict=True):
            found.setdefault(leaf.when, []).append(name)
        return list(found.values())
