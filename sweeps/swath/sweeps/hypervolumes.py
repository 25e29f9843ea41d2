"""How much of the space behind it a front covers, in units that no metric's scale changes; it knows no trials."""

from __future__ import annotations

from collections.abc import Sequence

from swath.sweeps.pareto import Point, costs_of, nondominated
from swath.sweeps.spec.model import Goal

#: How far behind the worst value of each metric the reference point lies, as a share of the metric's extent.
MARGIN = 0.1
#: Up to so many points of a front it takes no more than a moment, by the number of metrics.
_MOST = {2: 100_000, 3: 3_000, 4: 300}
_FEW = 60


def reference_of(points: Sequence[Point], goals: Sequence[Goal]) -> tuple[float, ...]:
    """The worst value of each metric, and a tenth of the metric's extent beyond it."""
    found = []
    for column, goal in zip(zip(*points, strict=True), goals, strict=True):
        best, worst = (max(column), min(column)) if goal == "maximize" else (min(column), max(column))
        found.append(worst + MARGIN * (worst - best))
    return tuple(found)


def kept(part: Sequence[Point], whole: Sequence[Point], goals: Sequence[Goal]) -> float | None:
    """The hypervolume of `part` as a share of that of `whole`, both up to the reference point of `whole`.

    It is more than 1 where `part` has points that `whole` has not and that are better. None where there is nothing to
    compare, or where a front is so large in so many metrics that it would take long.
    """
    if not whole:
        return None
    least = [min(column) for column in zip(*(costs_of(point, goals) for point in whole), strict=True)]
    most = costs_of(reference_of(whole, goals), goals)
    units = [high - low or 1.0 for low, high in zip(least, most, strict=True)]
    found, full = (_volume(points, goals, most, units) for points in (part, whole))
    return None if found is None or not full else found / full


def _volume(
    points: Sequence[Point], goals: Sequence[Goal], most: Sequence[float], units: Sequence[float]
) -> float | None:
    """The volume between the points and `most`; points beyond that add nothing."""
    import numpy as np
    from optuna._hypervolume import compute_hypervolume

    front = sorted({costs_of(points[place], goals) for place in nondominated(points, goals)})
    if len(front) > _MOST.get(len(goals), _FEW):
        return None
    costs = np.asarray(front, dtype=float).reshape(-1, len(goals))
    scaled = (np.asarray(most) - costs) / np.asarray(units)
    scaled = scaled[(scaled > 0).all(axis=1)]
    return float(compute_hypervolume(-scaled, np.zeros(len(goals)), assume_pareto=True))
