"""The results of a sweep's trials in each metric, and how much each parameter matters for them; it shows nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swath.sweeps.fronts import WELL_ENDED
from swath.sweeps.space import SearchSpace
from swath.sweeps.spec import Metric, SweepSpec
from swath.sweeps.values import finite
from swath.sweeps.views import TrialView

if TYPE_CHECKING:
    from swath.sweeps.search.importance import Importance


@dataclass(frozen=True)
class Weights:
    """How much each parameter matters for one metric; no parameters where it cannot be told. `trials` have a value."""

    metric: str
    goal: str
    trials: int
    parameters: list[Importance]


def metrics_of(spec: SweepSpec) -> tuple[Metric, ...]:
    """All metrics of a sweep: several, one or none."""
    return spec.metrics or ((spec.metric,) if spec.metric is not None else ())


def value_of(trial: TrialView, spec: SweepSpec, index: int = 0) -> float | None:
    """A trial's result in metric number `index`: of several what it ended with, else the best it came to."""
    if not spec.metrics:
        return trial.value if finite(trial.value) else None
    value = trial.objectives[index] if index < len(trial.objectives) else None
    return value if finite(value) else None


def weights_of(trials: Sequence[TrialView], spec: SweepSpec) -> list[Weights]:
    """How much each parameter matters for each metric, by the trials that ended well."""
    from swath.sweeps.search.importance import LEAST_TRIALS, importances

    space = SearchSpace.from_parameters(spec.parameters, spec.constraints)
    found = []
    for index, metric in enumerate(metrics_of(spec)):
        results = [
            (spec.repeats.plain(trial.config), value)
            for trial in trials
            if trial.state in WELL_ENDED and (value := value_of(trial, spec, index)) is not None
        ]
        parameters = importances(space, results, metric.goal) if len(results) >= LEAST_TRIALS else []
        found.append(Weights(metric.name, metric.goal, len(results), parameters))
    return found
