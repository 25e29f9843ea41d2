"""The contenders of the search benchmark behind one protocol: ask for a configuration, tell what it was worth.

Each peer is called as its own users call it, by its own code; it is imported when it is made.
"""

from __future__ import annotations

import importlib
import itertools
import logging
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from problems import Axis, Config, Problem


class Contender(Protocol):
    """Several configurations may be asked for before the first is told of. A `ticket` says which one is meant."""

    def ask(self) -> tuple[Any, Config]: ...

    def tell(self, ticket: Any, value: float) -> None: ...


@dataclass(frozen=True)
class Entry:
    """How a contender is made for a problem, a seed and a budget, and the modules that it needs."""

    make: Callable[[Problem, int, int], Contender]
    modules: tuple[str, ...]
    #: Whether it plans for the budget, so that its first trials differ from those of a shorter run.
    plans: bool = False


def parameters_of(axes: tuple[Axis, ...], conditions: bool = True) -> dict[str, Any]:
    """The axes as the `parameters` of a sweep."""
    found: dict[str, Any] = {}
    for axis in axes:
        if axis.values:
            found[axis.name] = {"values": list(axis.values)}
        elif axis.whole:
            found[axis.name] = {"min": int(axis.low), "max": int(axis.high)}
        else:
            kind = "log_uniform_values" if axis.log else "uniform"
            found[axis.name] = {"distribution": kind, "min": axis.low, "max": axis.high}
        if axis.when and conditions:
            found[axis.name]["when"] = dict([axis.when])
    return found


class Swath:
    def __init__(self, method: str, problem: Problem, seed: int) -> None:
        from swath.sweeps.search import make_history, make_searcher
        from swath.sweeps.space import SearchSpace
        from swath.sweeps.spec import parse_spec

        metric = {"name": "loss", "goal": "minimize"}
        spec = parse_spec({"method": method, "metric": metric, "parameters": parameters_of(problem.axes)})
        self._space = SearchSpace.from_parameters(spec.parameters)
        self._searcher, self._history = make_searcher(spec, self._space, seed=seed), make_history(spec)
        self._seed, self._numbers = seed, itertools.count(1)

    def ask(self) -> tuple[Any, Config]:
        from swath.sweeps.search import Observation, rng_for

        number = next(self._numbers)
        found = self._searcher.suggest(self._history, number, rng_for(self._seed, number))
        assert found is not None
        self._history.put(Observation(number, found.config, "running"), self._space.point_hash(found.config))
        return number, found.config

    def tell(self, ticket: Any, value: float) -> None:
        from swath.sweeps.search import Observation

        config = self._history.observations[ticket].config
        self._history.put(Observation(ticket, config, "finished", value, value, value), "")


class Optuna:
    """Define by run: the axes of a branch are asked for once its parent is known."""

    def __init__(self, sampler: str, problem: Problem, seed: int, steps: bool) -> None:
        optuna: Any = importlib.import_module("optuna")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", module="optuna")
        made = getattr(optuna.samplers, sampler)(seed=seed)
        self._study = optuna.create_study(sampler=made, pruner=optuna.pruners.NopPruner())
        self._axes, self._steps = problem.axes, steps

    def ask(self) -> tuple[Any, Config]:
        trial = self._study.ask()
        config: dict[str, Any] = {}
        for axis in self._axes:
            if axis.when is None or config.get(axis.when[0]) == axis.when[1]:
                config[axis.name] = self._suggested(trial, axis)
        return trial, config

    def _suggested(self, trial: Any, axis: Axis) -> Any:
        if axis.values and axis.ordered and self._steps:
            return axis.values[trial.suggest_int(axis.name, 0, len(axis.values) - 1)]
        if axis.values:
            return trial.suggest_categorical(axis.name, list(axis.values))
        if axis.whole:
            return trial.suggest_int(axis.name, int(axis.low), int(axis.high))
        return trial.suggest_float(axis.name, axis.low, axis.high, log=axis.log)

    def tell(self, ticket: Any, value: float) -> None:
        self._study.tell(ticket, value)


class Wandb:
    """W&B's own engine (the package `sweeps`): `bayes` as the local controller runs it. It knows no conditions."""

    def __init__(self, problem: Problem, seed: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._engine: Any = importlib.import_module("sweeps.bayes_search")
            self._run: Any = importlib.import_module("sweeps.run")
        importlib.import_module("numpy").random.seed(seed)
        metric = {"name": "loss", "goal": "minimize"}
        self._config = {"method": "bayes", "metric": metric, "parameters": parameters_of(problem.axes, False)}
        self._runs: list[Any] = []

    def ask(self) -> tuple[Any, Config]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run = self._engine.bayes_search_next_run(self._runs, self._config)
        run.state = self._run.RunState.running
        self._runs.append(run)
        return run, {name: each["value"] for name, each in run.config.items()}

    def tell(self, ticket: Any, value: float) -> None:
        ticket.state = self._run.RunState.finished
        ticket.summary_metrics = {"loss": value}


class Smac:
    """SMAC3's facade for hyperparameters (random forest, log expected improvement), by ask and tell."""

    def __init__(self, problem: Problem, seed: int, budget: int) -> None:
        smac: Any = importlib.import_module("smac")
        logging.getLogger("smac").setLevel(logging.ERROR)
        self._lists = {axis.name: axis.values for axis in problem.axes if axis.values}
        self._folder = tempfile.TemporaryDirectory(prefix="swath-bench-smac-")
        scenario = smac.Scenario(
            self._space(problem.axes, seed),
            deterministic=True,
            n_trials=budget,
            seed=seed,
            output_directory=self._folder.name,
        )
        facade = smac.HyperparameterOptimizationFacade
        self._smac = facade(scenario, _never_called, overwrite=True, logging_level=40)
        self._value: Any = importlib.import_module("smac.runhistory.dataclasses").TrialValue

    def _space(self, axes: tuple[Axis, ...], seed: int) -> Any:
        """Lists by their places, for SMAC has no lists of mixed types."""
        kinds: Any = importlib.import_module("ConfigSpace")
        space = kinds.ConfigurationSpace(seed=seed)
        for axis in axes:
            places = list(range(len(axis.values)))
            if axis.values and axis.ordered:
                made = kinds.OrdinalHyperparameter(axis.name, places)
            elif axis.values:
                made = kinds.CategoricalHyperparameter(axis.name, places)
            elif axis.whole:
                made = kinds.UniformIntegerHyperparameter(axis.name, int(axis.low), int(axis.high))
            else:
                made = kinds.UniformFloatHyperparameter(axis.name, axis.low, axis.high, log=axis.log)
            space.add(made)
            if axis.when:
                parent, value = axis.when
                space.add(kinds.EqualsCondition(made, space[parent], self._lists[parent].index(value)))
        return space

    def ask(self) -> tuple[Any, Config]:
        info = self._smac.ask()
        config = {
            name: self._lists[name][int(v)] if name in self._lists else v for name, v in dict(info.config).items()
        }
        return info, config

    def tell(self, ticket: Any, value: float) -> None:
        self._smac.tell(ticket, self._value(cost=value))


def _never_called(config: Any, seed: int = 0) -> float:
    raise AssertionError("trials are asked for and told")


def _swath(method: str) -> Entry:
    return Entry(lambda problem, seed, _: Swath(method, problem, seed), ("swath.sweeps",))


def _optuna(sampler: str, steps: bool, modules: tuple[str, ...] = ("optuna",)) -> Entry:
    return Entry(lambda problem, seed, _: Optuna(sampler, problem, seed, steps), modules)


CONTENDERS: dict[str, Entry] = {
    "swath bayes": _swath("bayes"),
    "swath tpe": _swath("tpe"),
    "random": _swath("random"),
    "Optuna TPE": _optuna("TPESampler", False),
    "Optuna TPE (steps)": _optuna("TPESampler", True),
    "Optuna GPSampler (steps)": _optuna("GPSampler", True, ("optuna", "torch")),
    "SMAC3": Entry(Smac, ("smac",), plans=True),
    "W&B bayes": Entry(lambda problem, seed, _: Wandb(problem, seed), ("sweeps",)),
}
