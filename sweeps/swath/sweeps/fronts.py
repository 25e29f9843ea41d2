"""The trials of a sweep with several metrics in order: the Pareto front first; how it is shown is told elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from swath.sweeps.pareto import ranks
from swath.sweeps.spec import Metric
from swath.sweeps.states import TrialState
from swath.sweeps.values import finite, violation
from swath.sweeps.views import TrialView

#: A trial that ended so has results which count.
WELL_ENDED = frozenset({TrialState.FINISHED, TrialState.STOPPED})


@dataclass(frozen=True)
class Ranked:
    """A trial with all its results. `front` is 1 on the Pareto front, 2 on the one behind it, and so on.

    It is None for a trial that oversteps limits of metrics, by `violation` in all.
    """

    trial: TrialView
    front: int | None
    violation: float = 0.0


@dataclass(frozen=True)
class Front:
    """All trials that can be compared: those that keep every limit by front, then the others by their violation.

    `left_out` counts the trials that ended without a result in one of the metrics, or ended badly.
    """

    metrics: tuple[Metric, ...]
    ranked: tuple[Ranked, ...]
    left_out: int = 0

    @property
    def best(self) -> tuple[TrialView, ...]:
        """The Pareto front: the trials that keep all limits and that no other such trial dominates."""
        return tuple(each.trial for each in self.ranked if each.front == 1)

    @property
    def keeps_limits(self) -> bool:
        """Whether any trial keeps all limits."""
        return any(each.front is not None for each in self.ranked)


def front_of(trials: Sequence[TrialView], metrics: Sequence[Metric]) -> Front:
    """The trials that ended well with a result in each of `metrics`, in order; within a front by the first metric."""
    whole = [trial for trial in trials if trial.state in WELL_ENDED and _is_whole(trial, len(metrics))]
    over = {trial.number: violation(metrics, trial.objectives) for trial in whole}
    kept = [trial for trial in whole if not over[trial.number]]
    found = ranks([_values(trial) for trial in kept], [metric.goal for metric in metrics])
    fronts = {trial.number: front for trial, front in zip(kept, found, strict=True)}
    sign = -1.0 if metrics[0].goal == "maximize" else 1.0

    def order(trial: TrialView) -> tuple[float, float, float, int]:
        front = fronts.get(trial.number)
        return (len(whole) if front is None else front, over[trial.number], sign * _values(trial)[0], trial.number)

    ranked = tuple(Ranked(trial, fronts.get(trial.number), over[trial.number]) for trial in sorted(whole, key=order))
    return Front(tuple(metrics), ranked, sum(trial.ended is not None for trial in trials) - len(whole))


def _is_whole(trial: TrialView, metrics: int) -> bool:
    return len(trial.objectives) == metrics and all(finite(value) for value in trial.objectives)


def _values(trial: TrialView) -> list[float]:
    return [value for value in trial.objectives if value is not None]
