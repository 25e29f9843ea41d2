"""What is in a figure, as frozen facts: axes, marks, panels; which colours and which library is not said here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Role: TypeAlias = Literal[
    "finished",
    "stopped",
    "other",
    "best",
    "front",
    "dominated",
    "over",
    "limit",
    "went_on",
    "waiting",
    "sure",
    "chance",
]
"""What a mark stands for; each way of drawing has one look for each."""

Numbers: TypeAlias = tuple[float, ...]


@dataclass(frozen=True)
class Axis:
    """One axis. With `categories` a value is a place among them (0, 1, ...), perhaps a little beside it.

    `whole`: only whole numbers mean something; `percent`: values are shares.
    """

    title: str
    log: bool = False
    categories: tuple[str, ...] = ()
    whole: bool = False
    percent: bool = False


@dataclass(frozen=True)
class Points:
    """Single points. `texts` says what each is; `shades` are the values on the figure's scale, where it has one."""

    name: str
    role: Role
    x: Numbers
    y: Numbers
    texts: tuple[str, ...] = ()
    shades: Numbers = ()


@dataclass(frozen=True)
class Line:
    """A line through points; `step`: it keeps its height until the next one. Without a name it explains itself."""

    name: str
    role: Role
    x: Numbers
    y: Numbers
    step: bool = False


@dataclass(frozen=True)
class Bars:
    """One bar for each category; the bars of one category are put one behind the other."""

    name: str
    role: Role
    lengths: Numbers
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Surface:
    """Values on the scale of the figure over a grid of `x` and `y`, a row for each y; None where nothing is known."""

    x: Numbers
    y: Numbers
    rows: tuple[tuple[float | None, ...], ...]


Mark: TypeAlias = Points | Line | Bars | Surface


@dataclass(frozen=True)
class Panel:
    """Two axes and what stands between them. Bars lie along x where `y` has the categories, else they stand on x."""

    x: Axis
    y: Axis
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Scale:
    """What shades of colour mean: values from `low` to `high`. `better` is the end that should stand out, if any."""

    title: str
    low: float
    high: float
    log: bool = False
    better: Literal["low", "high", ""] = ""


@dataclass(frozen=True)
class Column:
    """One upright axis of a parallel plot: `ticks` are places in [0, 1] and what stands there."""

    title: str
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Threads:
    """A parallel plot: each row is a trial with its place in [0, 1] on each column, None where it has no value."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[float | None, ...], ...]
    shades: Numbers
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """One picture: panels side by side, or threads. `note` says what is not in it."""

    kind: str
    title: str
    panels: tuple[Panel, ...] = ()
    threads: Threads | None = None
    scale: Scale | None = None
    note: str = ""
