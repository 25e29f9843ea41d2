"""Configurations that are run several times, as people see them: what their runs come to together, and in which order.

Derived from the trials alone; which repeat is run next, and when to give up, is told in `repeating`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from swath.sweeps.fronts import WELL_ENDED, front_of
from swath.sweeps.repeating import together
from swath.sweeps.spec import Metric, Repeats
from swath.sweeps.states import ENDED, TrialState
from swath.sweeps.values import finite
from swath.sweeps.views import TrialView


@dataclass(frozen=True)
class SetupView:
    """One configuration with its runs by repeat; `config` is without what a repeat adds to it.

    `values` holds what the runs that ended with a result come to together, in each metric of the sweep (None without
    any), and `singles` the results by run. It is `complete` when all `of` repeats have one; before that its values are
    those of the runs so far, and it stands behind all that are complete.
    """

    number: int
    config: dict[str, Any]
    runs: tuple[TrialView, ...]
    of: int
    aggregate: str
    values: tuple[float | None, ...]
    singles: tuple[tuple[float | None, ...], ...]

    @property
    def counted(self) -> int:
        """How many runs have a result in each metric."""
        return sum(bool(single) and None not in single for single in self.singles)

    @property
    def complete(self) -> bool:
        """Whether all repeats ended with a result."""
        return self.counted >= self.of

    @property
    def first(self) -> TrialView:
        """The run that stands for all."""
        return self.runs[0]

    @property
    def last(self) -> TrialView:
        """The run that was the last one to be made of those with a result; without any the first run."""
        with_result = [run for run, single in zip(self.runs, self.singles, strict=True) if None not in single]
        return with_result[-1] if with_result else self.first

    @property
    def words(self) -> str:
        """`mean of 3 runs`, `mean of 2 of 3 runs`."""
        return f"{self.aggregate} of {self.counted if self.complete else f'{self.counted} of {self.of}'} runs"

    def to_dict(self, metrics: Sequence[Metric]) -> dict[str, Any]:
        """Plain data for JSON."""
        names = [metric.name for metric in metrics]
        runs = [
            {"run": run.run_id, "number": run.number, "repeat": run.repeat, "state": str(run.state),
             "values": dict(zip(names, single, strict=False))}
            for run, single in zip(self.runs, self.singles, strict=True)
        ]  # fmt: skip
        return {
            "setup": self.number, "aggregate": self.aggregate, "of": self.of, "counted": self.counted,
            "values": dict(zip(names, self.values, strict=False)), "config": self.config, "runs": runs,
        }  # fmt: skip


def setups_of(trials: Sequence[TrialView], metrics: Sequence[Metric], repeats: Repeats) -> list[SetupView]:
    """The setups of a sweep with repeats, best first; with several metrics by front. Empty for one without repeats."""
    if repeats.count < 2:
        return []
    found: dict[int, list[TrialView]] = {}
    for trial in trials:
        found.setdefault(trial.setup, []).append(trial)
    setups = [_setup(number, runs, metrics, repeats) for number, runs in sorted(found.items())]
    return _ordered(setups, metrics)


def standing_for(trials: Sequence[TrialView], metrics: Sequence[Metric], repeats: Repeats) -> list[TrialView]:
    """One trial for each setup, in the order of their numbers; the trials themselves in a sweep without repeats.

    It is the setup's first run with the setup's configuration and values. Of one that is not complete it has no
    `objectives`, so that it is on no front.
    """
    if repeats.count < 2:
        return list(trials)
    setups = sorted(setups_of(trials, metrics, repeats), key=lambda setup: setup.number)
    return [_standing_for(setup, len(metrics)) for setup in setups]


def result_of(trial: TrialView, index: int, several: bool) -> float | None:
    """The result of a trial that ended well in metric number `index`."""
    if trial.state not in WELL_ENDED:
        return None
    value = (trial.objectives[index] if index < len(trial.objectives) else None) if several else trial.value
    return value if finite(value) else None


def _setup(number: int, trials: Sequence[TrialView], metrics: Sequence[Metric], repeats: Repeats) -> SetupView:
    runs = tuple(sorted(trials, key=lambda trial: trial.repeat))
    several = len(metrics) > 1
    singles = tuple(tuple(result_of(run, index, several) for index in range(len(metrics))) for run in runs)
    values = []
    for index, metric in enumerate(metrics):
        known = [value for single in singles if (value := single[index]) is not None]
        values.append(together(known, repeats.aggregate, metric.goal) if known else None)
    return SetupView(
        number, repeats.plain(runs[0].config), runs, repeats.count, repeats.aggregate, tuple(values), singles
    )


def _ordered(setups: list[SetupView], metrics: Sequence[Metric]) -> list[SetupView]:
    places: dict[int, int] = {}
    if len(metrics) > 1:
        ranked = front_of([_standing_for(setup, len(metrics)) for setup in setups], metrics).ranked
        places = {each.trial.setup: place for place, each in enumerate(ranked)}
    sign = -1.0 if metrics and metrics[0].goal == "maximize" else 1.0

    def order(setup: SetupView) -> tuple[bool, bool, float, int]:
        value = setup.values[0] if setup.values else None
        rank = float(places.get(setup.number, len(setups))) if places else sign * (value or 0.0)
        return not setup.complete, value is None, rank, setup.number

    return sorted(setups, key=order)


def _standing_for(setup: SetupView, metrics: int) -> TrialView:
    value = setup.values[0] if setup.values else None
    objectives = setup.values if metrics > 1 and setup.complete else ()
    return msgspec.structs.replace(
        setup.first, config=setup.config, state=_state(setup), value=value, best=value, objectives=objectives,
        name=f"setup {setup.number}, {setup.words}",
    )  # fmt: skip


def _state(setup: SetupView) -> TrialState:
    """What a setup is shown as: running until all of its runs have ended, and then as well as its runs ended."""
    if any(run.state not in ENDED for run in setup.runs):
        return TrialState.RUNNING
    if setup.complete:
        return TrialState.FINISHED
    return TrialState.STOPPED if setup.counted else setup.first.state
