"""The figure of early stopping: how many trials came to each rung, and what became of them there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from swath.sweeps.figures.evidence import Evidence
from swath.sweeps.figures.model import Axis, Bars, Figure, Panel

#: So many rungs are drawn; of more neighbours are counted together.
_MOST = 16


def rungs(given: Evidence) -> Figure | None:
    """The trials that came to each rung, by what became of them there; None for a sweep without early stopping."""
    if given.spec.early_terminate is None:
        return None
    reached = _reached(given)
    lasts = {number: band for number, band, _ in _ends(given)}
    fates = {number: action for number, _, action in _ends(given)}
    bands = sorted({band for band, _ in reached} | set(lasts.values()))
    if not bands:
        return None
    groups = _groups(bands)
    went_on, waiting, stopped = [], [], []
    for low, high in groups:
        here = {number for band, number in reached if low <= band <= high}
        ends = [number for number, band in lasts.items() if low <= band <= high]
        here |= set(ends)
        paused = sum(fates[number] == "pause" for number in ends)
        went_on.append(len(here) - len(ends))
        waiting.append(paused)
        stopped.append(len(ends) - paused)
    shown = [("went on", "went_on", went_on), ("waits, or waited to the end", "waiting", waiting)]
    shown.append(("stopped", "stopped", stopped))
    bars = tuple(
        Bars(name, role, tuple(map(float, counts)), tuple(str(count) if count else "" for count in counts))  # type: ignore[arg-type]
        for name, role, counts in shown
        if any(counts)
    )
    names = tuple(str(low) if low == high else f"{low} to {high}" for low, high in groups)
    panel = Panel(Axis("reports of the metric at the rung", categories=names), Axis("trials that came there"), bars)
    return Figure(
        "rungs", "Survival by rung", (panel,), note="" if len(groups) == len(bands) else "rungs taken together"
    )


def _reached(given: Evidence) -> set[tuple[int, int]]:
    """Rung and trial, of each that came there."""
    return {(mark.band, mark.number) for mark in given.marks}


def _ends(given: Evidence) -> Iterator[tuple[int, int, str]]:
    """Trial, rung and action of the decision that each stopped or waiting trial did not get beyond."""
    last: dict[str, tuple[int, str]] = {}
    for event in given.events:
        if event.kind == "trial.decided" and event.payload.get("band") is not None:
            last[event.subject] = (int(event.payload["band"]), str(event.payload.get("action", "stop")))
        elif event.kind in ("trial.promoted", "trial.requeued", "trial.exploited"):
            last.pop(event.subject, None)
    for trial in given.trials:
        if trial.state in ("stopped", "paused") and trial.run_id in last:
            band, action = last[trial.run_id]
            yield trial.number, band, action


def _groups(bands: list[int]) -> list[tuple[int, int]]:
    """At most `_MOST` ranges that hold all bands."""
    count = min(len(bands), _MOST)
    edges = [len(bands) * place // count for place in range(count + 1)]
    return [(bands[low], bands[high - 1]) for low, high in pairwise(edges)]
