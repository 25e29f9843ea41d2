"""Figures of a sweep: what is in them, and how they become HTML or PNG; the terminal draws them by itself."""

from __future__ import annotations

from collections.abc import Callable

from swath.sweeps.figures.evidence import Evidence
from swath.sweeps.figures.model import Figure
from swath.sweeps.figures.parameters import contour, importance, parallel, slices
from swath.sweeps.figures.results import front, history
from swath.sweeps.figures.rungs import rungs

__all__ = ["KINDS", "Evidence", "Figure"]

#: How each kind of figure is made; None: there is nothing to draw.
KINDS: dict[str, Callable[[Evidence], Figure | None]] = {
    "history": history,
    "importance": importance,
    "slice": slices,
    "parallel": parallel,
    "contour": contour,
    "rungs": rungs,
    "front": front,
}
