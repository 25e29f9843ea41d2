"""The one door to Optuna: its samplers over a space's axes; which trials they learn from is the caller's business."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Container, Sequence
from typing import Any, TypeVar

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import GPSampler, NSGAIIISampler, NSGAIISampler, TPESampler
from optuna.samplers.nsgaii import BaseMutation, SBXCrossover
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from swath.sweeps.search.axes import LARGEST_INDEX, Axes, Axis, Params
from swath.sweeps.search.base import Goal
from swath.sweeps.search.evidence import Counted
from swath.sweeps.search.models import Asked
from swath.sweeps.space import Config, SearchSpace
from swath.tracking.errors import UsageError

#: Candidates that TPE draws for one suggestion, and how many times as many where some may be barred.
CANDIDATES, MORE = 24, 3
#: Children and points that a genetic method and a GP try for one that is not barred.
_CHILDREN, _TRIES, _POOL = 200, 4_000, 512
#: Ordered axes with more values are real ones for a GP, which otherwise tries value after value: five times as slow.
_GP_PLACES = 12
#: How often a mutation goes anywhere, and how far it goes else, as a share of the axis.
_FAR, _NEAR = 0.3, 0.1

_Made = TypeVar("_Made")


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


class _Study:
    """An Optuna study of the trials as they count now. Axes that are not there in a trial are those of `_absent`."""

    def __init__(self, space: SearchSpace, goals: Sequence[Goal], most_places: int = LARGEST_INDEX) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        self._axes = Axes(space, most_places)
        self._distributions = {name: _distribution(axis) for name, axis in self._axes.by_name.items()}
        self._trials = _Trials()
        self._counted: dict[int, Counted] = {}
        self._limited = False
        self._study = optuna.create_study(
            storage=self._trials, directions=list(goals), pruner=optuna.pruners.NopPruner()
        )

    def put(self, number: int, counted: Counted) -> None:
        self._counted[number] = counted
        self._trials.shown[number] = self._shown(number)

    def leave_out(self, number: int) -> None:
        self._counted.pop(number, None)
        self._trials.shown.pop(number, None)

    def _absent(self, number: int) -> Params:
        """What trial `number` counts as having on the axes that are not there in it."""
        return {}

    def _settle(self) -> None:
        """Show the limits of the metrics with all trials where a trial oversteps one, and else with none."""
        limited = any(counted.violation > 0 for counted in self._counted.values())
        if limited != self._limited:
            self._limited = limited
            self._trials.shown = {number: self._shown(number) for number in self._counted}

    def _shown(self, number: int) -> FrozenTrial:
        counted = self._counted[number]
        params = self._axes.params_of(counted.config)
        if len(params) < len(self._distributions):
            params = {**self._absent(number), **params}
        trial = self._frozen(number, params, counted.values)
        if self._limited and counted.values is not None:
            trial.set_constraint("limits", counted.violation)
        return trial

    def _frozen(self, number: int, params: Params, values: Sequence[float] | None) -> FrozenTrial:
        return FrozenTrial(
            number=number,
            state=TrialState.RUNNING if values is None else TrialState.COMPLETE,
            value=None,
            values=values,
            datetime_start=None,
            datetime_complete=None,
            params=params,
            distributions={name: self._distributions[name] for name in params},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
            trial_id=number,
        )


def _distribution(axis: Axis) -> BaseDistribution:
    if axis.size is None:
        return FloatDistribution(0.0, 1.0)
    return IntDistribution(0, axis.size - 1) if axis.ordered else CategoricalDistribution(list(range(axis.size)))


class Tpe(_Study):
    """TPE (Bergstra et al. 2011; multivariate as in Falkner et al. 2018; several goals as in Ozaki et al. 2022).

    Axes that are there under the same conditions are modelled together, from the trials in which they are there:
    with one value filled in for all others the model would learn that this value is tried often.
    """

    attempts = 4

    def __init__(
        self, space: SearchSpace, goals: Sequence[Goal], *, candidates: int = CANDIDATES, liar: bool = True
    ) -> None:
        super().__init__(space, goals)
        self._groups = self._axes.groups()
        self._candidates = candidates
        self._liar = liar

    def sample(self, asked: Asked) -> Config:
        self._settle()
        candidates = self._candidates * (1 if asked.barred is None else MORE)
        sampler = _ScoringTpe(asked.seed, candidates, self._liar)
        trial = self._frozen(asked.number, {}, None)
        ranked = [
            sampler.ranked(self._study, trial, {name: self._distributions[name] for name in group})
            for group in self._groups
        ]
        return self._first_allowed(ranked, asked)

    def _first_allowed(self, ranked: list[list[Params]], asked: Asked) -> Config:
        """The best candidates of all groups together, or else all second ones, and so on."""
        best: Config | None = None
        tried: set[tuple[float, ...]] = set()
        for parts in zip(*ranked, strict=True):
            params = {name: value for part in parts for name, value in part.items()}
            key = tuple(params.values())
            if key in tried:
                continue
            tried.add(key)
            config = self._axes.config_of(params)
            if not asked.refuses(config):
                return config
            best = config if best is None else best
        assert best is not None
        return best


class _ScoringTpe(TPESampler):
    """TPE that shows all its candidates, best first, since many of the best may be barred.

    To sample again until an allowed one comes would build the model again each time.
    """

    def __init__(self, seed: int, candidates: int, liar: bool) -> None:
        super().__init__(n_startup_trials=0, n_ei_candidates=candidates, seed=seed, constant_liar=liar)
        self._rows: list[dict[str, Any]] = []

    def ranked(
        self, study: optuna.Study, trial: FrozenTrial, distributions: dict[str, BaseDistribution]
    ) -> list[Params]:
        """The candidates for the axes of `distributions`, best first."""
        self._rows = []
        best = self.sample_relative(study, trial, distributions)
        return [
            {name: distributions[name].to_external_repr(value) for name, value in row.items()} for row in self._rows
        ] or [best]

    def _compute_acquisition_func(self, samples: dict[str, Any], mpe_below: Any, mpe_above: Any) -> Any:
        scores = super()._compute_acquisition_func(samples, mpe_below, mpe_above)
        order = np.argsort(-scores, kind="stable")
        columns = [samples[name][order].tolist() for name in samples]
        self._rows = [dict(zip(samples, row, strict=True)) for row in zip(*columns, strict=True)]
        return scores


class Gp(_Study):
    """A Gaussian process with a Matern 5/2 kernel and log expected improvement (Ament et al. 2023); needs torch.

    It learns from the best and the newest trials, for its time grows with the cube of their number. Axes that are not
    there stand at their middle, so that they add nothing to the distance between trials that lack them.
    """

    attempts = 1

    def __init__(
        self, space: SearchSpace, goals: Sequence[Goal], *, trials: int = 200, deterministic: bool = False
    ) -> None:
        _require_torch()
        super().__init__(space, goals, _GP_PLACES)
        self._most = trials
        self._deterministic = deterministic
        self._middle: Params = {name: axis.param_at(0.5) for name, axis in self._axes.by_name.items()}
        self._best_first: Callable[[FrozenTrial], float] | None = None
        if len(goals) == 1:
            sign = 1.0 if goals[0] == "minimize" else -1.0
            self._best_first = lambda trial: sign * (trial.value or 0.0)

    def _absent(self, number: int) -> Params:
        return self._middle

    def sample(self, asked: Asked) -> Config:
        self._settle()
        everything = self._trials.shown
        self._trials.shown = self._few()
        try:
            sampler = _FreshGp(asked, self._space, self._axes)
            sampler._deterministic = self._deterministic  # the argument warns that it is experimental
            trial = self._frozen(asked.number, {}, None)
            return self._axes.config_of(sampler.sample_relative(self._study, trial, self._distributions))
        finally:
            self._trials.shown = everything

    def _few(self) -> dict[int, FrozenTrial]:
        """All trials in flight, and of those with a result the newest and, with one goal, as many best ones."""
        pending = [trial for trial in self._trials.shown.values() if trial.state is TrialState.RUNNING]
        known = sorted((t for t in self._trials.shown.values() if t.state is TrialState.COMPLETE), reverse=True)
        if len(known) > self._most:
            newest = known[: self._most // 2 if self._best_first else self._most]
            older = sorted(known[len(newest) :], key=self._best_first) if self._best_first else []
            known = newest + older[: self._most - len(newest)]
        return {trial.number: trial for trial in [*pending, *known]}


class _FreshGp(GPSampler):
    """A GP sampler that, where the best point is barred, takes the best of many that are not.

    Should Optuna stop calling `_optimize_acqf`, suggestions may be barred ones, and the caller draws instead.
    """

    def __init__(self, asked: Asked, space: SearchSpace, axes: Axes) -> None:
        super().__init__(n_startup_trials=0, seed=asked.seed)
        self._asked = asked
        self._space = space
        self._axes = axes

    def _optimize_acqf(self, acqf: Any, best_params: Any) -> Any:
        found = super()._optimize_acqf(acqf, best_params)
        if self._asked.barred is None:
            return found
        config = self._axes.config_of(acqf.search_space.get_unnormalized_param(found))
        if not self._asked.refuses(config):
            return found
        pool = self._pool(config)
        if not pool:
            return found
        points = acqf.search_space.get_normalized_params(pool, pool)
        return points[int(np.argmax(acqf.eval_acqf_no_grad(points)))]

    def _pool(self, near: Config) -> list[Params]:
        """Some points that are not barred, one half from near a barred one, the other from anywhere."""
        rng = np.random.default_rng(self._asked.seed)
        centre = np.asarray(self._space.to_unit(near))
        middle: Params = {name: axis.param_at(0.5) for name, axis in self._axes.by_name.items()}
        pool: list[Params] = []
        for attempt in range(_TRIES):
            spread = centre + rng.normal(0.0, 0.02 * 2 ** (attempt % 5), len(centre))
            cube = np.clip(spread, 0.0, 1.0) if attempt % 2 else rng.random(len(centre))
            config = self._space.from_unit(cube.tolist())
            if not self._asked.refuses(config):
                pool.append({**middle, **self._axes.params_of(config)})
                if len(pool) == _POOL:
                    break
        return pool


def _require_torch() -> None:
    if importlib.util.find_spec("torch") is None:
        raise UsageError("method gp needs PyTorch, which is not installed", 'pip install "swath[torch]"')


class Genetic(_Study):
    """NSGA-II (Deb et al. 2002) or NSGA-III (Deb and Jain 2014) with simulated binary crossover (Deb and Agrawal 1995).

    A generation is a full population of trials with a result, in the order of their numbers, so that it follows from
    the history alone. Axes that are not there carry a gene all the same, drawn by the trial's number: selection does
    not act on it, and a child in which it counts finds all values in the population and not one.
    """

    attempts = 1

    def __init__(
        self,
        space: SearchSpace,
        goals: Sequence[Goal],
        *,
        population: int,
        crossover: float = 0.9,
        mutation: float | None = None,
        swapping: float = 0.5,
        reference: bool = False,
    ) -> None:
        super().__init__(space, goals)
        self._population = population
        self._kind: type[_Nsga2 | _Nsga3] = _Nsga3 if reference else _Nsga2
        self._crossover, self._mutation, self._swapping = crossover, mutation, swapping
        self._generations: list[tuple[list[FrozenTrial], list[FrozenTrial]]] = []

    def _absent(self, number: int) -> Params:
        genes = np.random.default_rng(number % 2**32).random(len(self._distributions))
        pairs = zip(self._axes.by_name.items(), genes.tolist(), strict=True)
        return {name: axis.param_at(gene) for (name, axis), gene in pairs}

    def sample(self, asked: Asked) -> Config:
        self._settle()
        sampler = self._sampler(asked.seed)
        sampler.parents = self._parents()
        trial = self._frozen(asked.number, {}, None)
        rng = np.random.default_rng(asked.seed)
        for _ in range(_CHILDREN):
            params = sampler.sample_relative(self._study, trial, self._distributions)
            for name, axis in self._axes.by_name.items():
                if name not in params:  # the first generation, and lists that mutate
                    params[name] = axis.param_at(float(rng.random()))
            config = self._axes.config_of(params)
            if not asked.refuses(config):
                break
        return config

    def _sampler(self, seed: int) -> _Nsga2 | _Nsga3:
        return _quietly(
            self._kind, population_size=self._population, crossover=_quietly(SBXCrossover), mutation=_Step(),
            crossover_prob=self._crossover, mutation_prob=self._mutation, swapping_prob=self._swapping, seed=seed,
        )  # fmt: skip

    def _parents(self) -> list[FrozenTrial]:
        """The elite of all full generations, one after the other; each is kept as long as its trials are the same."""
        known = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        parents: list[FrozenTrial] = []
        for generation in range(len(known) // self._population):
            born = known[generation * self._population : (generation + 1) * self._population]
            if generation == len(self._generations) or not _same(self._generations[generation][0], born):
                del self._generations[generation:]
                sampler = self._sampler(generation)
                sampler.born, sampler.parents = born, parents
                self._generations.append((born, sampler.select_parent(self._study, generation + 1)))
            parents = self._generations[generation][1]
        return parents


def _same(one: Sequence[FrozenTrial], other: Sequence[FrozenTrial]) -> bool:
    return all(a is b for a, b in zip(one, other, strict=True))


class _ByNumber:
    """What a genetic sampler of Optuna reads from attributes of trials, which a history does not have: given here."""

    born: list[FrozenTrial]
    parents: list[FrozenTrial]

    def get_trial_generation(self, study: optuna.Study, trial: FrozenTrial) -> int:
        return 1 if self.parents else 0

    def get_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        return self.born

    def get_parent_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        return self.parents


class _Nsga2(_ByNumber, NSGAIISampler):
    pass


class _Nsga3(_ByNumber, NSGAIIISampler):
    pass


class _Step(BaseMutation):
    """A step nearby, or now and then one to anywhere: a draw alone would never look around a good trial."""

    def __init__(self) -> None:
        """There is nothing to keep; the base class would warn that it is experimental."""

    def mutation(
        self, param: float, rng: np.random.RandomState, study: optuna.Study, search_space_bounds: np.ndarray
    ) -> float:
        low, high = search_space_bounds
        if rng.rand() < _FAR:
            return float(rng.uniform(low, high))
        return float(param + _NEAR * (high - low) * rng.normal())


def _quietly(kind: type[_Made], **settings: Any) -> _Made:
    """A new `kind`, past the wrapper around its initialiser that warns of experimental classes."""
    made = kind.__new__(kind)
    initialise: Any = kind.__init__
    getattr(initialise, "__wrapped__", initialise)(made, **settings)
    return made
