"""What a replay in several metrics found of the Pareto front that the full search has; nothing is replayed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swath.sweeps import hypervolumes
from swath.sweeps.pareto import nondominated
from swath.sweeps.spec.model import Goal, Metric
from swath.sweeps.tallies import Vector
from swath.sweeps.values import violation


@dataclass(frozen=True)
class FrontKept:
    """The fronts of a replay and of the full search, by the numbers of trials, and how much the one is of the other.

    A result is a trial's last values, in the replay as far as it was run; trials that overstep a limit are on no front.
    `run_whole` are the trials of the full front that ran to their end. `hypervolume` is that of the replay's front as a
    share of the full one's, up to `reference`; None where it cannot be told (see `hypervolumes.kept`).
    """

    metrics: tuple[Metric, ...]
    front: tuple[int, ...]
    full_front: tuple[int, ...]
    run_whole: tuple[int, ...]
    hypervolume: float | None
    reference: tuple[float, ...]

    @property
    def share(self) -> float | None:
        """The share of the full front's trials that ran to their end; None without any."""
        return len(self.run_whole) / len(self.full_front) if self.full_front else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        names = [metric.name for metric in self.metrics]
        return {
            "metrics": [metric.to_dict() for metric in self.metrics],
            "front": list(self.front), "full_front": list(self.full_front), "full_front_run": list(self.run_whole),
            "front_share": self.share, "hypervolume_share": self.hypervolume,
            "reference": dict(zip(names, self.reference, strict=False)),
        }  # fmt: skip


def front_kept(
    metrics: Sequence[Metric], found: Mapping[int, Vector | None], full: Mapping[int, Vector | None], whole: set[int]
) -> FrontKept:
    """Hold the results that a replay `found` against those of the `full` search; `whole`: who ran to their end."""
    goals = [metric.goal for metric in metrics]
    part, all_of_it = _within(metrics, found), _within(metrics, full)
    points, full_points = list(part.values()), list(all_of_it.values())
    front, full_front = _front(part, goals), _front(all_of_it, goals)
    return FrontKept(
        tuple(metrics), front, full_front, tuple(number for number in full_front if number in whole),
        hypervolumes.kept(points, full_points, goals),
        hypervolumes.reference_of(full_points, goals) if full_points else (),
    )  # fmt: skip


def _front(results: Mapping[int, Vector], goals: Sequence[Goal]) -> tuple[int, ...]:
    numbers = list(results)
    return tuple(numbers[place] for place in nondominated(list(results.values()), goals))


def _within(metrics: Sequence[Metric], results: Mapping[int, Vector | None]) -> dict[int, Vector]:
    """The results that keep all limits."""
    known = {number: values for number, values in sorted(results.items()) if values is not None}
    return {number: values for number, values in known.items() if not violation(metrics, values)}
