"""Figures of results alone: the history of a sweep, and its metrics against each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from swath.sweeps.figures.evidence import ROLE_NAMES, Evidence, role_of, told
from swath.sweeps.figures.model import Axis, Figure, Line, Mark, Panel, Points, Role
from swath.sweeps.fronts import Ranked, front_of
from swath.sweeps.values import better
from swath.sweeps.views import TrialView

#: So many pairs of metrics are drawn.
_PAIRS = 6


def history(given: Evidence) -> Figure | None:
    """The value of each trial in the order of their numbers, and the best so far; a panel for each metric.

    With repeats what a configuration comes to stands at its last run, over its single runs, and the best so far is that
    of the configurations with all of their runs.
    """
    panels = [_course(given, index) for index in range(len(given.metrics)) if given.values(index)]
    notes = dict.fromkeys(given.missing(index) for index in range(len(given.metrics)))
    return Figure("history", "History", tuple(panels), note="; ".join(filter(None, notes))) if panels else None


def _course(given: Evidence, index: int) -> Panel:
    metric, values = given.metrics[index], given.values(index)
    shown = given.with_value(index)
    marks: list[Mark] = []
    if given.setups:
        return _course_of_setups(given, index, shown, values)
    for role, name in ROLE_NAMES:
        group = [trial for trial in shown if role_of(trial) == role]
        if group:
            marks.append(_points(given, name, role, group, values))
    best, bests = None, []
    for trial in shown:
        best = values[trial.number] if better(metric.goal, values[trial.number], best) else best
        bests.append(best)
    numbers = tuple(float(trial.number) for trial in shown)
    marks.append(Line("best so far", "best", numbers, tuple(value for value in bests if value is not None), step=True))
    return Panel(Axis("trial", whole=True), given.metric_axis(index), tuple(marks))


def _course_of_setups(given: Evidence, index: int, shown: Sequence[TrialView], values: dict[int, float]) -> Panel:
    singles, together, bests = list[tuple[float, float, str]](), list[tuple[float, float, str]](), list[float]()
    best, line = None, list[float]()
    for trial in sorted(shown, key=lambda trial: given.setups[trial.number].last.number):
        setup = given.setups[trial.number]
        for run, single in zip(setup.runs, setup.singles, strict=True):
            if (value := single[index]) is not None:
                text = told(run, dict(zip((metric.name for metric in given.metrics), single, strict=True)))
                singles.append((float(run.number), value, text))
        at = float(setup.last.number)
        together.append((at, values[trial.number], told(trial, results(given, trial))))
        if setup.complete:
            better_now = better(given.metrics[index].goal, values[trial.number], best)
            best = values[trial.number] if better_now or best is None else best
            bests.append(best)
            line.append(at)
    name = f"{given.spec.repeats.aggregate} of the runs of a configuration"
    marks: list[Mark] = [_scatter("single run", "dominated", sorted(singles)), _scatter(name, "finished", together)]
    if line:
        marks.append(Line("best so far", "best", tuple(line), tuple(bests), step=True))
    return Panel(Axis("trial", whole=True), given.metric_axis(index), tuple(marks))


def _scatter(name: str, role: Role, points: Sequence[tuple[float, float, str]]) -> Points:
    xs, ys, texts = zip(*points, strict=True)
    return Points(name, role, xs, ys, texts)


def _points(given: Evidence, name: str, role: Role, group: Sequence[TrialView], values: dict[int, float]) -> Points:
    return Points(
        name, role, tuple(float(trial.number) for trial in group), tuple(values[trial.number] for trial in group),
        tuple(told(trial, results(given, trial)) for trial in group),
    )  # fmt: skip


def results(given: Evidence, trial: TrialView) -> dict[str, float | None]:
    """The results of a trial by metric."""
    if not given.spec.metrics:
        return {given.metrics[0].name: trial.value} if given.metrics else {}
    return {metric.name: value for metric, value in zip(given.metrics, trial.objectives, strict=False)}


def front(given: Evidence) -> Figure | None:
    """Each pair of metrics: the trials on the Pareto front, those behind it, and those that overstep a limit."""
    if len(given.metrics) < 2:
        return None
    found = front_of(given.compared, given.metrics)
    if not found.ranked:
        return None
    pairs = list(combinations(range(len(given.metrics)), 2))
    panels = tuple(
        _pair(given, found.ranked, one, other, line=len(given.metrics) == 2) for one, other in pairs[:_PAIRS]
    )
    what = "configurations have not run as often as asked, or" if given.setups else "trials"
    notes = [] if not found.left_out else [f"{found.left_out} {what} ended without a result in each metric"]
    notes += [] if len(pairs) <= _PAIRS else [f"the first {_PAIRS} of {len(pairs)} pairs of metrics"]
    return Figure("front", "Pareto front", panels, note="; ".join(notes))


def _pair(given: Evidence, ranked: Sequence[Ranked], one: int, other: int, line: bool) -> Panel:
    marks: list[Mark] = []
    groups = {
        "over": [each for each in ranked if each.front is None],
        "dominated": [each for each in ranked if each.front is not None and each.front > 1],
        "front": [each for each in ranked if each.front == 1],
    }
    for index, axis in ((one, "x"), (other, "y")):
        marks += _limit(given, ranked, index, one if axis == "y" else other, axis)
    for role, name in _GROUPS:
        if group := [each.trial for each in groups[role]]:
            x, y = _column(group, one), _column(group, other)
            if role == "front" and line and len(group) > 1:
                marks.append(Line("", "front", *_sorted(x, y)))
            marks.append(Points(name, role, x, y, tuple(told(trial, results(given, trial)) for trial in group)))
    return Panel(given.metric_axis(one), given.metric_axis(other), tuple(marks))


_GROUPS: tuple[tuple[Role, str], ...] = (
    ("over", "oversteps a limit"), ("dominated", "dominated by another"), ("front", "Pareto front"),
)  # fmt: skip


def _limit(given: Evidence, ranked: Sequence[Ranked], index: int, across: int, axis: str) -> list[Mark]:
    """The limit of a metric as a line across the panel."""
    limit = given.metrics[index].limit
    if limit is None or (given.metric_axis(index).log and limit <= 0):
        return []
    along = _column([each.trial for each in ranked], across)
    ends, same = (min(along), max(along)), (limit, limit)
    name = f"limit of {given.metrics[index].name}, {limit:g}"
    return [Line(name, "limit", same, ends) if axis == "x" else Line(name, "limit", ends, same)]


def _column(trials: Sequence[TrialView], index: int) -> tuple[float, ...]:
    return tuple(float(value) for trial in trials if (value := trial.objectives[index]) is not None)


def _sorted(x: tuple[float, ...], y: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    pairs = sorted(zip(x, y, strict=True))
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
