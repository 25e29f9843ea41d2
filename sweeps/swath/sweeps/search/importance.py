"""How much each parameter of a space matters for a result: PED-ANOVA by Optuna over the trials; it suggests nothing.

Watanabe, Bansal, Hutter: "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces" (IJCAI
2023). Its study is made here and not by the searchers, which learn from running and failed trials as well.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, create_trial

from swath.sweeps.search.axes import Axes, Axis
from swath.sweeps.search.base import Goal
from swath.sweeps.space import Config, SearchSpace, find

#: With fewer trials there is nothing to tell.
LEAST_TRIALS = 10
#: The best fifth of the trials is what the others are held against, but not fewer than this.
_SHARE, _LEAST_BEST = 0.2, 5
#: How often the results are dealt anew to see what chance alone would give.
_SHUFFLES = 20
Parts = dict[str, float]


@dataclass(frozen=True)
class Importance:
    """How much parameter `name` matters among the `trials` that have it.

    `share` is its part of what all parameters of these trials explain, in [0, 1]. `certain`: it explains more than in
    each of 20 times when the results were dealt anew. `best` are its values in the best trials: of ordered ones those
    between which half of them lie, else all of them, the most frequent first. `conditional`: not every trial has it.
    """

    name: str
    share: float
    certain: bool
    trials: int
    best: tuple[Any, ...]
    ordered: bool
    conditional: bool


def importances(space: SearchSpace, results: Sequence[tuple[Config, float]], goal: Goal) -> list[Importance]:
    """The parameters, those that matter most first; conditional ones behind the others.

    Parameters that fewer than `LEAST_TRIALS` of the trials have are left out, and so are all when every result is the
    same. Configs that are not of this space do not count.
    """
    sign = -1.0 if goal == "maximize" else 1.0
    known = [(config, sign * value) for config, value in results if math.isfinite(value) and space.contains(config)]
    axes = Axes(space)
    params = [axes.params_of(config) for config, _ in known]
    found: list[Importance] = []
    for group in axes.groups():
        places = [place for place, given in enumerate(params) if group[0] in given]
        if len(places) < LEAST_TRIALS:
            continue
        there = _There(axes, space, [known[place] for place in places])
        found += there.judged(group, conditional=len(places) < len(known))
    return sorted(found, key=lambda each: (each.conditional, -each.share))


class _There:
    """The trials that have the parameters of one group."""

    def __init__(self, axes: Axes, space: SearchSpace, known: Sequence[tuple[Config, float]]) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._axes, self._known = space, axes, known
        self._costs = np.array([cost for _, cost in known])
        self._count = max(math.ceil(_SHARE * len(known)), min(_LEAST_BEST, len(known) // 2))
        given = [axes.params_of(config) for config, _ in known]
        self._shared = [name for name in axes.by_name if all(name in params for params in given)]
        self._study = optuna.create_study(pruner=optuna.pruners.NopPruner())
        kinds = {name: _distribution(axes.by_name[name]) for name in self._shared}
        self._study.add_trials(
            create_trial(params={name: params[name] for name in kinds}, distributions=kinds, value=cost)
            for params, cost in zip(given, self._costs.tolist(), strict=True)
        )

    def judged(self, group: Sequence[str], conditional: bool) -> list[Importance]:
        """Each parameter of the group."""
        if self._costs.min() == self._costs.max():
            return []
        own, chance = self._parts(self._costs), self._by_chance()
        total = sum(own.values()) or 1.0
        return [
            Importance(
                self._leaf(name).name,
                share=own[name] / total,
                certain=own[name] > chance[name],
                trials=len(self._known),
                best=self._best(name),
                ordered=self._axes.by_name[name].ordered,
                conditional=conditional,
            )
            for name in group
        ]

    def _leaf(self, name: str) -> Any:
        return self._space.searched[int(name)]

    def _by_chance(self) -> Parts:
        """The most that each parameter explains when the results are dealt anew."""
        rng = np.random.default_rng(0)
        dealt = [self._parts(rng.permutation(self._costs)) for _ in range(_SHUFFLES)]
        return {name: max(parts[name] for parts in dealt) for name in self._shared}

    def _parts(self, costs: np.ndarray[Any, np.dtype[np.float64]]) -> Parts:
        """What each shared parameter explains, by its name among the axes, if the trials had these costs."""
        ranks = np.empty(len(costs))
        ranks[np.argsort(costs, kind="stable")] = np.arange(len(costs))

        def rank(trial: FrozenTrial) -> float:
            return float(ranks[trial.number])

        evaluator = PedAnovaImportanceEvaluator(target_quantile=self._count / len(costs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it reminds of the direction of a target that is given
            return evaluator.evaluate(self._study, params=self._shared, target=rank)

    def _best(self, name: str) -> tuple[Any, ...]:
        best = np.argsort(self._costs, kind="stable")[: self._count]
        values = [find(self._known[place][0], self._leaf(name).path, None) for place in best]
        if self._axes.by_name[name].ordered:
            ordered = sorted(values)
            return ordered[len(ordered) // 4], ordered[(3 * len(ordered) - 1) // 4]
        places = Counter(self._leaf(name).distribution.index_of(value) for value in values)
        return tuple(self._leaf(name).distribution.value_at(index) for index, _ in places.most_common())


def _distribution(axis: Axis) -> BaseDistribution:
    if axis.size is None:
        return FloatDistribution(0.0, 1.0)
    return IntDistribution(0, axis.size - 1) if axis.ordered else CategoricalDistribution(list(range(axis.size)))
