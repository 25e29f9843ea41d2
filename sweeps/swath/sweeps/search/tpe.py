"""The one door to Optuna: its TPE sampler over a space's axes; which trials it learns from is the caller's business."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from swath.sweeps.distributions import Distribution
from swath.sweeps.search.base import Goal
from swath.sweeps.space import Config, SearchSpace, value_in

#: Discrete axes with more values than this are searched as real ones and rounded.
LARGEST_INDEX = 10_000

Params = dict[str, int | float]


class _Axis:
    """One searched leaf as Optuna sees it: the place among sorted values, or a real coordinate of the unit interval."""

    def __init__(self, distribution: Distribution) -> None:
        self._leaf = distribution
        size = distribution.size
        self._indexed = size is not None and size <= LARGEST_INDEX and (distribution.even or not distribution.ordered)
        self._order: list[int] = []
        self._rank: dict[int, int] = {}
        self.optuna: BaseDistribution = FloatDistribution(0.0, 1.0)
        if self._indexed and size is not None:
            self._order = list(range(size))
            if distribution.ordered:
                self._order.sort(key=distribution.value_at)
                self.optuna = IntDistribution(0, size - 1)
            else:
                self.optuna = CategoricalDistribution(self._order)
            self._rank = {index: rank for rank, index in enumerate(self._order)}

    def param_of(self, value: Any) -> int | float:
        return self._rank[self._leaf.index_of(value)] if self._indexed else self._leaf.to_unit(value)

    def value_of(self, param: int | float) -> Any:
        return self._leaf.value_at(self._order[int(param)]) if self._indexed else self._leaf.ppf(float(param))


class _Trials(InMemoryStorage):
    """A storage that shows the trials it is given, so that what a trial counts as can change later."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: dict[int, FrozenTrial] = {}

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        trials = [self.shown[number] for number in sorted(self.shown)]
        return trials if states is None else [trial for trial in trials if trial.state in states]

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """The sampler's note to other workers about the trial it samples: there are none, the caller puts trials."""


class _FreshTpe(TPESampler):
    """TPE that prefers the best candidate that is not old to the best one.

    It filters inside one sampling, since sampling again until a new point comes rebuilds the model each time. Should
    Optuna stop calling this method, suggestions may be old ones, and the caller samples again.
    """

    def __init__(self, seed: int, candidates: int, is_old: Callable[[Mapping[str, int | float]], bool] | None) -> None:
        super().__init__(n_startup_trials=0, n_ei_candidates=candidates, seed=seed)
        self._is_old = is_old

    def _compute_acquisition_func(self, samples: dict[str, Any], mpe_below: Any, mpe_above: Any) -> Any:
        scores = super()._compute_acquisition_func(samples, mpe_below, mpe_above)
        if self._is_old is None:
            return scores
        names, rows = list(samples), zip(*(samples[name].tolist() for name in samples), strict=True)
        old = [self._is_old(dict(zip(names, row, strict=True))) for row in rows]
        return np.where(old, -np.inf, scores)


class TpeModel:
    """What TPE knows: trials by number, each with an objective or pending. It holds no randomness of its own."""

    def __init__(self, space: SearchSpace, goal: Goal) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        # Named by number: the dots of a name and those between nested names could make two names the same.
        self._axes = {str(number): _Axis(leaf.distribution) for number, leaf in enumerate(space.searched)}
        self._distributions = {name: axis.optuna for name, axis in self._axes.items()}
        self._trials = _Trials()
        self._study = optuna.create_study(storage=self._trials, direction=goal, pruner=optuna.pruners.NopPruner())

    def put(self, number: int, config: Config, value: float | None) -> None:
        """Trial `number` counts with objective `value`, or as running when it is None."""
        self._trials.shown[number] = self._frozen(number, self._params(config), value)

    def leave_out(self, number: int) -> None:
        """Trial `number` counts for nothing."""
        self._trials.shown.pop(number, None)

    def sample(self, number: int, seed: int, candidates: int, old: Callable[[Config], bool] | None = None) -> Config:
        """What TPE suggests for trial `number`, a config that is not `old` if it has one among its candidates.

        The same for the same trials, `seed`, `candidates` and old configs.
        """
        is_old = None if old is None else lambda params: old(self._config(params))
        sampler = _FreshTpe(seed, candidates, is_old)
        trial = self._frozen(number, {}, None)
        params = sampler.sample_relative(self._study, trial, self._distributions)
        return self._config(params)

    def _params(self, config: Config) -> Params:
        axes = zip(self._axes.items(), self._space.searched, strict=True)
        return {name: axis.param_of(value_in(config, leaf.path)) for (name, axis), leaf in axes}

    def _config(self, params: Mapping[str, int | float]) -> Config:
        return self._space.from_values([axis.value_of(params[name]) for name, axis in self._axes.items()])

    def _frozen(self, number: int, params: Params, value: float | None) -> FrozenTrial:
        return FrozenTrial(
            number=number,
            state=TrialState.RUNNING if value is None else TrialState.COMPLETE,
            value=value,
            datetime_start=None,
            datetime_complete=None,
            params=params,
            distributions=self._distributions if params else {},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
            trial_id=number,
        )
