"""What is expected of the optimum as a distribution of configs: its mode, draws, quantiles; no search and no arrays."""

from __future__ import annotations

import copy
import random
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from math import exp
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from swath.sweeps.distributions import Categorical, key_of
from swath.sweeps.search.axes import Axes, Axis, Params
from swath.sweeps.search.base import History, Searcher, Suggestion
from swath.sweeps.search.unseen import Unseen
from swath.sweeps.space import Belief, Config, Leaf, SearchSpace, find
from swath.sweeps.space.beliefs import exact, written
from swath.sweeps.space.product import ABSENT

if TYPE_CHECKING:
    from numpy.random import Generator

#: The standard deviation of the normal distribution around the value, as a share of the axis.
SPREADS: Mapping[str, float] = {"low": 0.4, "medium": 0.2, "high": 0.1}
#: On an axis with few values it is at least so many steps between two, or no other value would have a chance.
LEAST_STEPS = 0.5
#: The probability that the value of an unordered axis has beside its own share of the rest.
RAISED: Mapping[str, float] = {"low": 0.25, "medium": 0.5, "high": 0.75}
#: Draws until one may be handed out, and configs among which the mode is found where constraints forbid the first.
_DRAWS, _MODES = 64, 1000
_STANDARD = NormalDist()


class Bell:
    """A normal distribution around `centre`, cut off at the ends of a real axis."""

    def __init__(self, centre: float, spread: float) -> None:
        self.centre, self.spread = centre, spread
        self._low = _STANDARD.cdf(-centre / spread)
        #: How much of the distribution lies on the axis.
        self.share = _STANDARD.cdf((1 - centre) / spread) - self._low

    def at(self, u: float) -> float:
        """The coordinate at quantile `u`."""
        quantile = min(max(self._low + u * self.share, 1e-300), 1 - 2**-53)
        return min(max(self.centre + self.spread * _STANDARD.inv_cdf(quantile), 0.0), 1.0)


class Places:
    """Probabilities of the places of an axis with a list of values."""

    def __init__(self, weights: Sequence[float]) -> None:
        total = sum(weights)
        self.shares = [weight / total for weight in weights]
        self._cumulated = list(accumulate(self.shares))

    def at(self, u: float) -> int:
        """The place at quantile `u`."""
        return min(bisect_right(self._cumulated, u), len(self.shares) - 1)


class Priors:
    """The priors of a space, each axis by itself; an axis without one has its parameter's own distribution.

    It is false where no parameter that is searched has one.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._axes = Axes(space)
        self.by_axis: dict[int, Bell | Places] = {
            number: _prior(leaf, axis, leaf.belief)
            for number, (leaf, axis) in enumerate(zip(space.searched, self._axes.by_name.values(), strict=True))
            if leaf.belief is not None
        }

    def __bool__(self) -> bool:
        return bool(self.by_axis)

    def config_at(self, cube: Sequence[float]) -> Config:
        """The config at quantiles of the priors, one for each searched leaf."""
        params: Params = {}
        for number, ((name, axis), u) in enumerate(zip(self._axes.by_name.items(), cube, strict=True)):
            prior = self.by_axis.get(number)
            params[name] = axis.param_at(u) if prior is None else prior.at(u)
        return self._axes.config_of(params)

    def draw(self, unseen: Unseen, seen: set[str], rng: Generator) -> Config | None:
        """The first of some draws that may be handed out; None where there was none."""
        for _ in range(_DRAWS):
            config = self.config_at(rng.random(len(self._space.searched)).tolist())
            if not unseen.barred(config, seen):
                return config
        return None

    @cached_property
    def mode(self) -> Config | None:
        """The config with all values that the priors name, and the middle of every other axis.

        Where constraints forbid it, or parameters with priors are not there in it, other values of the other axes are
        tried. None: no config with these values was found that the constraints allow.
        """
        dice, axes = random.Random(0), len(self._space.searched)
        found, most = None, 0
        for attempt in range(_MODES if self else 0):
            config = self._with_priors([dice.random() if attempt else 0.5 for _ in range(axes)])
            named = len(self._named_in(config))
            if named > most and self._space.allows(config):
                found, most = config, named
            if most == len(self.by_axis) or (found is not None and not self._space.conditional):
                break
        return found

    def is_mode(self, config: Config) -> bool:
        """Whether `config` has the values that the mode has from the priors."""
        return all(_has(leaf, find(config, leaf.path, ABSENT)) for leaf in self._wanted)

    @cached_property
    def _wanted(self) -> list[Leaf]:
        return [] if self.mode is None else self._named_in(self.mode)

    def _with_priors(self, cube: Sequence[float]) -> Config:
        pairs = zip(self._space.searched, cube, strict=True)
        return self._space.from_values(
            [
                leaf.distribution.ppf(u) if leaf.belief is None else written(leaf.distribution, leaf.belief.value)
                for leaf, u in pairs
            ]
        )

    def _named_in(self, config: Config) -> list[Leaf]:
        """The leaves with a prior that are there."""
        pairs = zip(self._space.searched, self._space.searched_values(config), strict=True)
        return [leaf for leaf, value in pairs if leaf.belief is not None and value is not ABSENT]


def _has(leaf: Leaf, value: Any) -> bool:
    """Whether `value` is the one that the leaf's prior names."""
    assert leaf.belief is not None
    if not leaf.distribution.contains(value):
        return False
    return key_of(exact(leaf.distribution, value)) == key_of(exact(leaf.distribution, leaf.belief.value))


def _prior(leaf: Leaf, axis: Axis, belief: Belief) -> Bell | Places:
    at = axis.param_of(belief.value)
    spread = SPREADS[belief.confidence]
    if axis.size is None:
        return Bell(at, spread)
    if axis.ordered:
        width = axis.size * max(spread, LEAST_STEPS / axis.size)
        return Places([exp(-0.5 * ((place - at) / width) ** 2) for place in range(axis.size)])
    raised = RAISED[belief.confidence]
    shares = [(1 - raised) * share for share in _own_shares(leaf, axis.size)]
    shares[int(at)] += raised
    return Places(shares)


def _own_shares(leaf: Leaf, size: int) -> list[float]:
    """How likely each place of an unordered axis is by the parameter's own distribution."""
    distribution = leaf.distribution
    if not isinstance(distribution, Categorical) or distribution.weights is None:
        return [1 / size] * size
    shares = [0.0] * size
    for option, weight in zip(distribution.options, distribution.weights, strict=True):
        if weight > 0:
            shares[distribution.index_of(option)] += weight
    return shares


class ModeFirst:
    """The method `name`, which begins with the mode of the priors.

    Where the sweep has `given` points the trial after them has it, unless a trial has its values already.
    """

    uses_history = True

    def __init__(self, searcher: Searcher, space: SearchSpace, priors: Priors, name: str, given: int = 0) -> None:
        self._searcher = searcher
        self._unseen = Unseen(space)
        self._priors = priors
        self._name = name
        self._given = given

    def suggest(self, history: History, number: int, rng: Generator) -> Suggestion | None:
        mode = self._priors.mode if number <= self._given + 1 else None
        if mode is None or self._was_tried(history) or self._unseen.barred(mode, history.seen):
            return self._searcher.suggest(history, number, rng)
        return Suggestion(copy.deepcopy(mode), f"{self._name}: the values that the priors name")

    def _was_tried(self, history: History) -> bool:
        return any(self._priors.is_mode(trial.config) for trial in history.observations.values())
