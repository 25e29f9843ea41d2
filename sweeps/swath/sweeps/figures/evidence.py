"""The trials of a sweep as figures see them: results, coordinates on the axes of parameters, and words for both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from swath.sweeps.distributions import Categorical, Distribution, LogNormal, LogUniform, Quantised, is_number, key_of
from swath.sweeps.figures.model import Axis, Role
from swath.sweeps.flat import flatten
from swath.sweeps.results import Weights, metrics_of, value_of, weights_of
from swath.sweeps.setups import SetupView, setups_of, standing_for
from swath.sweeps.space import Leaf, SearchSpace
from swath.sweeps.spec import Metric, SweepSpec
from swath.sweeps.views import EventView, MarkView, SweepView, TrialView

#: Numbers in a list are an axis of categories up to so many, and beyond that one of numbers.
_MOST_CATEGORIES = 12
#: Positive values that differ by more than this factor are drawn on a logarithmic axis.
_WIDE = 100.0
ABSENT: Any = object()


@dataclass(frozen=True)
class Evidence:
    """All that figures are made of. `wanted` names the parameters to draw; empty: all of them.

    With repeats figures show configurations, by what their runs come to together.
    """

    view: SweepView
    spec: SweepSpec
    trials: Sequence[TrialView]
    marks: Sequence[MarkView] = ()
    events: Sequence[EventView] = ()
    wanted: tuple[str, ...] = ()

    @cached_property
    def setups(self) -> dict[int, SetupView]:
        """The configurations of a sweep with repeats by the number of their first run; none without."""
        return {setup.first.number: setup for setup in setups_of(self.trials, self.metrics, self.spec.repeats)}

    @cached_property
    def compared(self) -> list[TrialView]:
        """What is drawn: the trials, or with repeats the first run of each configuration with what all come to."""
        return standing_for(self.trials, self.metrics, self.spec.repeats)

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """All metrics of the sweep."""
        return metrics_of(self.spec)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters that are searched and wanted, in order."""
        space = SearchSpace.from_parameters(self.spec.parameters, self.spec.constraints)
        found = [Parameter(leaf, [value for trial in self.compared if (value := _own(leaf, trial)) is not ABSENT])
                 for leaf in space.searched]  # fmt: skip
        if not self.wanted:
            return tuple(found)
        return tuple(each for name in self.wanted for each in found if each.name == name)

    @cached_property
    def weights(self) -> list[Weights]:
        """How much each parameter matters for each metric."""
        return weights_of(self.trials, self.spec)

    def values(self, index: int = 0) -> dict[int, float]:
        """The result in a metric of each trial that has one, by number."""
        found = ((trial.number, value_of(trial, self.spec, index)) for trial in self.compared)
        return {number: value for number, value in found if value is not None}

    def with_value(self, index: int = 0) -> list[TrialView]:
        """The trials that have a result in a metric."""
        values = self.values(index)
        return [trial for trial in self.compared if trial.number in values]

    def missing(self, index: int = 0) -> str:
        """How many trials are not drawn, in words; "" when all are."""
        count, what = len(self.compared) - len(self.values(index)), "configurations" if self.setups else "trials"
        return "" if not count else f"{count} of {len(self.compared)} {what} have no value"

    def metric_axis(self, index: int = 0) -> Axis:
        """The axis of a metric."""
        metric = self.metrics[index]
        better = "higher" if metric.goal == "maximize" else "lower"
        return Axis(f"{metric.name} ({better} is better)", is_wide(self.values(index).values()))


@dataclass(frozen=True)
class Parameter:
    """One searched parameter and the values of it that were tried."""

    leaf: Leaf
    tried: Sequence[Any]

    @property
    def name(self) -> str:
        """Its dotted name."""
        return self.leaf.name

    @cached_property
    def categories(self) -> tuple[Any, ...]:
        """The values where they are categories: what is no number, and numbers of a short list."""
        distribution = self.leaf.distribution
        if isinstance(distribution, Categorical):
            few = not distribution.ordered or distribution.size <= _MOST_CATEGORIES
            values = list(distribution.values())
            return tuple(sorted(values) if distribution.ordered else values) if few else ()
        return ()

    @cached_property
    def log(self) -> bool:
        """Whether equal factors should be equal distances."""
        positive = all(is_number(value) and value > 0 for value in self.tried)
        return bool(self.tried) and positive and is_logarithmic(self.leaf.distribution) and not self.categories

    @property
    def axis(self) -> Axis:
        """Its axis."""
        whole = bool(self.tried) and all(isinstance(value, int) for value in self.tried)
        return Axis(self.name, self.log, tuple(label(value) for value in self.categories), whole)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {key_of(value): place for place, value in enumerate(self.categories)}

    def at(self, trial: TrialView) -> float | None:
        """Where a trial stands on the axis; None when it does not have the parameter."""
        value = _own(self.leaf, trial)
        if value is ABSENT:
            return None
        if self.categories:
            place = self._places.get(key_of(value))
            return None if place is None else float(place)
        return float(value) if is_number(value) and (value > 0 or not self.log) else None


def is_logarithmic(distribution: Distribution) -> bool:
    """Whether a distribution spreads over orders of magnitude."""
    base = distribution.base if isinstance(distribution, Quantised) else distribution
    return isinstance(base, LogUniform | LogNormal)


def is_wide(values: Any) -> bool:
    """Whether values are all positive and of different orders of magnitude."""
    known = [value for value in values if math.isfinite(value)]
    return bool(known) and min(known) > 0 and max(known) / min(known) >= _WIDE


def label(value: Any) -> str:
    """A value in a few characters."""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value) if value is not None else "null"
    return text if len(text) <= 24 else f"{text[:23]}…"


def beside(place: float, number: int) -> float:
    """A place a little beside a category, another for each trial, so that none hides another."""
    return place + 0.5 * ((number * 0.618034) % 1.0 - 0.5)


def told(trial: TrialView, results: Mapping[str, float | None]) -> str:
    """What a trial is, in a few lines."""
    shown = [f"trial {trial.number} ({trial.name}), {trial.state}"]
    shown += [f"{name} = {value:.6g}" for name, value in results.items() if value is not None]
    return "\n".join([*shown, *(f"{key} = {label(value)}" for key, value in flatten(trial.config).items())])


def role_of(trial: TrialView) -> Role:
    """What a trial is drawn as."""
    return "finished" if trial.state == "finished" else "stopped" if trial.state == "stopped" else "other"


#: In the order in which they are drawn: what finished must not be hidden.
ROLE_NAMES: tuple[tuple[Role, str], ...] = (
    ("other", "failed, killed or not over"), ("stopped", "stopped early"), ("finished", "finished"),
)  # fmt: skip


def _own(leaf: Leaf, trial: TrialView) -> Any:
    value: Any = trial.config
    for key in leaf.path:
        if not isinstance(value, Mapping) or key not in value:
            return ABSENT
        value = value[key]
    return value if leaf.distribution.contains(value) else ABSENT
