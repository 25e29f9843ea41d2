"""Figures of parameters and results: slices, whole configurations side by side, two parameters at once, importance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from swath.sweeps.figures.evidence import ROLE_NAMES, Evidence, Parameter, beside, is_wide, label, role_of, told
from swath.sweeps.figures.model import Axis, Bars, Column, Figure, Panel, Points, Scale, Surface, Threads
from swath.sweeps.figures.results import results
from swath.sweeps.views import TrialView

#: So many parameters are drawn at most; others are drawn by name.
MOST_PANELS, MOST_COLUMNS = 24, 16
#: The grid of a surface, and from how many trials on there is one.
_GRID, _LEAST_POINTS = 48, 8
#: How far a surface goes beyond the outermost trials, as a share of their range.
_RIM = 0.04
#: Where a parallel plot puts trials that do not have a parameter: below the axis.
NOT_THERE = -0.12

_Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


def slices(given: Evidence) -> Figure | None:
    """The first metric by each parameter; a shade for the number of the trial."""
    shown = given.with_value()
    drawn = given.parameters[:MOST_PANELS]
    if not shown or not drawn:
        return None
    numbers = [trial.number for trial in given.trials]
    scale = Scale("trial", float(min(numbers)), float(max(*numbers, min(numbers) + 1)))
    panels = tuple(_slice(given, parameter, shown) for parameter in drawn)
    return Figure("slice", "Slices", panels, scale=scale, note=_note(given, len(drawn), len(given.parameters)))


def _note(given: Evidence, drawn: int, of: int) -> str:
    notes = [given.missing()]
    if drawn < of:
        notes.append(f"{drawn} of {of} parameters: choose others with --params")
    return "; ".join(filter(None, notes))


def _slice(given: Evidence, parameter: Parameter, shown: Sequence[TrialView]) -> Panel:
    values, marks = given.values(), []
    for role, name in ROLE_NAMES:
        group = [(trial, place) for trial in shown
                 if role_of(trial) == role and (place := _beside(parameter, trial)) is not None]  # fmt: skip
        if group:
            marks.append(
                Points(
                    name, role, tuple(place for _, place in group), tuple(values[trial.number] for trial, _ in group),
                    tuple(told(trial, results(given, trial)) for trial, _ in group),
                    tuple(float(trial.number) for trial, _ in group),
                )
            )  # fmt: skip
    return Panel(parameter.axis, given.metric_axis(), tuple(marks))


def _beside(parameter: Parameter, trial: TrialView) -> float | None:
    place = parameter.at(trial)
    return beside(place, trial.number) if place is not None and parameter.categories else place


def _metric_scale(given: Evidence) -> Scale:
    values, metric = list(given.values().values()), given.metrics[0]
    low, high = min(values), max(values)
    # What is far worse than nearly all others would make these look alike.
    cut = sorted(values)
    if metric.goal == "minimize":
        high = cut[min(math.ceil(0.95 * len(cut)), len(cut)) - 1]
    else:
        low = cut[math.floor(0.05 * len(cut))]
    better = "low" if metric.goal == "minimize" else "high"
    return Scale(metric.name, low, high if high > low else low + 1.0, is_wide(values), better)  # type: ignore[arg-type]


def parallel(given: Evidence) -> Figure | None:
    """Each trial as a thread through the values of its parameters, its metrics last; a shade for the first metric."""
    shown, drawn = given.with_value(), given.parameters[:MOST_COLUMNS]
    if len(shown) < 2 or not drawn:
        return None
    columns, places = [], []
    for parameter in drawn:
        column, found = _parameter_column(parameter, shown)
        columns.append(column)
        places.append(found)
    for index, metric in enumerate(given.metrics):
        values = given.values(index)
        column, found = _column(metric.name, [values.get(trial.number) for trial in shown], is_wide(values.values()))
        columns.append(column)
        places.append(found)
    scale, values = _metric_scale(given), given.values()
    order = sorted(range(len(shown)), key=lambda place: values[shown[place].number], reverse=scale.better == "low")
    threads = Threads(
        tuple(columns), tuple(tuple(column[place] for column in places) for place in order),
        tuple(values[shown[place].number] for place in order),
        tuple(told(shown[place], results(given, shown[place])) for place in order),
    )  # fmt: skip
    note = _note(given, len(drawn), len(given.parameters))
    return Figure("parallel", "Configurations", threads=threads, scale=scale, note=note)


def _parameter_column(parameter: Parameter, shown: Sequence[TrialView]) -> tuple[Column, list[float | None]]:
    places = [parameter.at(trial) for trial in shown]
    if not parameter.categories:
        return _column(parameter.name, places, parameter.log)
    last = max(len(parameter.categories) - 1, 1)
    ticks = [(place / last, label(value)) for place, value in enumerate(parameter.categories)]
    spread = [None if place is None else (place + 0.3 * (beside(0, trial.number))) / last
              for place, trial in zip(places, shown, strict=True)]  # fmt: skip
    kept = [None if place is None else min(max(place, 0.0), 1.0) for place in spread]
    return Column(parameter.name, tuple(_with_absent(ticks, kept))), kept


def _column(title: str, values: Sequence[float | None], log: bool) -> tuple[Column, list[float | None]]:
    to = math.log10 if log else float
    known = [to(value) for value in values if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    span = high - low or 1.0
    places = [None if value is None else (to(value) - low) / span for value in values]
    ticks = [((at - low) / span, label(10.0**at if log else at)) for at in _ticks(low, high, log)]
    return Column(title, tuple(_with_absent(ticks, places))), places


def _ticks(low: float, high: float, log: bool) -> list[float]:
    """Both ends, and round numbers between them that do not stand on an end."""
    if high <= low:
        return [low]
    step = 10 ** math.floor(math.log10((high - low) / 2))
    step = next(step * factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    if log:
        step = max(1, round(step))
    first = math.ceil(low / step)
    inner = [number * step for number in range(first, math.floor(high / step) + 1)]
    free = 0.06 * (high - low)
    return [low, *(at for at in inner if low + free < at < high - free), high]


def _with_absent(ticks: list[tuple[float, str]], places: Sequence[float | None]) -> list[tuple[float, str]]:
    return [(NOT_THERE, "not there"), *ticks] if None in places else ticks


def contour(given: Evidence) -> Figure | None:
    """The first metric over the two parameters that matter most: the trials, and their local mean around them."""
    pair = _pair(given)
    if pair is None:
        return None
    across, up = pair
    shown = [trial for trial in given.with_value() if across.at(trial) is not None and up.at(trial) is not None]
    if len(shown) < 2:
        return None
    scale, values = _metric_scale(given), given.values()
    points = Points(
        "trials", "finished", tuple(_beside(across, trial) or 0.0 for trial in shown),
        tuple(_beside(up, trial) or 0.0 for trial in shown),
        tuple(told(trial, results(given, trial)) for trial in shown), tuple(values[trial.number] for trial in shown),
    )  # fmt: skip
    surface = _surface(points, across, up, scale.log)
    panel = Panel(across.axis, up.axis, (surface, points) if surface else (points,))
    title = f"{given.metrics[0].name} by {across.name} and {up.name}"
    note = "" if surface is None else "between the trials the colour is a local mean of those around"
    return Figure("contour", title, (panel,), scale=scale, note=note)


def _pair(given: Evidence) -> tuple[Parameter, Parameter] | None:
    """The two to draw: those wanted, else those that matter most, else the first two."""
    found = list(given.parameters)
    if len(found) > 2 and not given.wanted and given.weights and given.weights[0].parameters:
        rank = {each.name: place for place, each in enumerate(given.weights[0].parameters)}
        found.sort(key=lambda parameter: rank.get(parameter.name, len(rank)))
    return (found[0], found[1]) if len(found) >= 2 else None


def _surface(points: Points, across: Parameter, up: Parameter, log: bool) -> Surface | None:
    """A mean of the trials around each point of a grid, by a Gaussian kernel; nothing where no trial is near."""
    if across.categories or up.categories or len(points.x) < _LEAST_POINTS:
        return None
    x, grid_x = _unit(np.array(points.x), across.log)
    y, grid_y = _unit(np.array(points.y), up.log)
    z = np.array(points.shades)
    z = np.log10(z) if log else z
    width = 0.35 * len(z) ** (-1 / 6)
    steps = np.linspace(-_RIM, 1.0 + _RIM, _GRID)
    rows = []
    for height in steps:
        distance = ((steps[:, None] - x[None, :]) ** 2 + (height - y[None, :]) ** 2) / (2 * width**2)
        weights = np.exp(-distance)
        total = weights.sum(axis=1)
        means = (weights @ z) / np.maximum(total, 1e-300)
        near = distance.min(axis=1) < 4.0
        rows.append(tuple((float(10**m if log else m) if ok else None) for m, ok in zip(means, near, strict=True)))
    return Surface(tuple(grid_x.tolist()), tuple(grid_y.tolist()), tuple(rows))


def _unit(values: _Array, log: bool) -> tuple[_Array, _Array]:
    """Values mapped to [0, 1], and the values at the steps of the grid."""
    plain = np.log10(values) if log else values
    low, high = plain.min(), plain.max()
    span = high - low or 1.0
    grid = np.linspace(low - _RIM * span, low + (1 + _RIM) * span, _GRID)
    return (plain - low) / span, 10**grid if log else grid


def importance(given: Evidence) -> Figure | None:
    """How much each parameter matters for each metric."""
    panels = []
    for weights in given.weights:
        shown = weights.parameters[: 2 * MOST_PANELS]
        if not shown:
            continue
        names = tuple(each.name + (" *" if each.conditional else "") for each in shown)
        bars = [
            Bars(
                name, "sure" if sure else "chance",
                tuple(each.share if each.certain is sure else 0.0 for each in shown),
                tuple(f"{each.share:.0%}" if each.certain is sure else "" for each in shown),
            )
            for sure, name in ((True, "matters"), (False, "no more than chance"))
            if any(each.certain is sure for each in shown)
        ]  # fmt: skip
        axis = Axis(f"share in {weights.metric}", percent=True)
        panels.append(Panel(axis, Axis("", categories=names), tuple(bars)))
    conditional = any(each.conditional for weights in given.weights for each in weights.parameters)
    note = "* among the trials that have it" if conditional else ""
    return Figure("importance", "What matters (PED-ANOVA)", tuple(panels), note=note) if panels else None
