"""A figure as a PNG picture; the one file of the wing that imports matplotlib."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

from swath.sweeps.figures.looks import COLOUR_MAP, LOOKS, grid_of, opacity_of
from swath.sweeps.figures.model import Axis, Bars, Figure, Line, Mark, Panel, Points, Scale, Surface, Threads
from swath.sweeps.figures.parameters import NOT_THERE
from swath.tracking.media.base import needs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DPI = 130
#: The shades of a surface.
_SHADES = 14
_GREY = "#E5E5E5"


def png(figure: Figure) -> bytes:
    """The picture. Raises `UsageError` where matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure as Canvas
    except ImportError:
        raise needs("matplotlib", "media", "a plot as PNG") from None
    canvas = Canvas(figsize=_size(figure), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(canvas)
    if figure.threads is not None:
        _threads(canvas.subplots(), figure.threads, figure.scale)
    else:
        rows, columns = grid_of(len(figure.panels))
        shared = len({panel.y for panel in figure.panels}) == 1
        grid = canvas.subplots(rows, columns, squeeze=False, sharey=shared)
        for axes, panel in zip(grid.flat, figure.panels, strict=False):
            _panel(axes, panel, figure.scale)
        for axes in grid.flat[len(figure.panels) :]:
            axes.set_visible(False)
    canvas.suptitle(figure.title, fontsize=12, x=0.01, ha="left")
    _legend(canvas)
    if figure.scale is not None:
        _colourbar(canvas, figure.scale)
    if figure.note:
        canvas.supxlabel(figure.note, fontsize=8, color="#666666")
    written = io.BytesIO()
    canvas.savefig(written, format="png")
    return written.getvalue()


def _size(figure: Figure) -> tuple[float, float]:
    if figure.threads is not None:
        return min(max(8.0, 1.3 * len(figure.threads.columns)), 18.0), 4.8
    rows, columns = grid_of(len(figure.panels))
    lying = max((len(panel.y.categories) for panel in figure.panels), default=0)
    high = max(3.1, 0.32 * lying + 1.0) * rows + 0.8
    return (8.0 if columns == 1 else 4.4 * columns), max(high, 4.4 if columns == 1 else 0.0)


def _panel(axes: Axes, panel: Panel, scale: Scale | None) -> None:
    _axis(axes, panel.x, "x")
    _axis(axes, panel.y, "y")
    axes.grid(color=_GREY, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    behind = [0.0] * max(len(panel.x.categories), len(panel.y.categories))
    for mark in panel.marks:
        _mark(axes, mark, panel, scale, behind)
    if panel.y.categories and any(isinstance(mark, Bars) for mark in panel.marks):
        axes.invert_yaxis()
        axes.margins(x=0.12)


def _axis(axes: Axes, axis: Axis, which: str) -> None:
    getattr(axes, f"set_{which}label")(axis.title, fontsize=9)
    if axis.log:
        getattr(axes, f"set_{which}scale")("log")
    if axis.percent or axis.whole:
        _ticks(getattr(axes, f"{which}axis"), axis)
    if axis.categories:
        slanted = which == "x" and sum(map(len, axis.categories)) > 40
        turn: dict[str, Any] = {"rotation": 30, "ha": "right"} if slanted else {}
        getattr(axes, f"set_{which}ticks")(range(len(axis.categories)), axis.categories, **turn)
        getattr(axes, f"set_{which}lim")(-0.6, len(axis.categories) - 0.4)
    axes.tick_params(labelsize=8)


def _ticks(side: Any, axis: Axis) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    if axis.percent:
        side.set_major_formatter(PercentFormatter(1.0, decimals=0))
    elif not axis.log:
        side.set_major_locator(MaxNLocator(integer=True))


def _mark(axes: Axes, mark: Mark, panel: Panel, scale: Scale | None, behind: list[float]) -> None:
    match mark:
        case Points():
            _points(axes, mark, scale)
        case Line():
            style: dict[str, Any] = {"drawstyle": "steps-post"} if mark.step else {}
            dash = "--" if mark.role == "limit" else "-"
            axes.plot(
                mark.x, mark.y, dash, color=LOOKS[mark.role].colour, label=mark.name or None, linewidth=1.6, **style
            )
        case Bars():
            _bars(axes, mark, bool(panel.y.categories), behind)
        case Surface():
            rows = [[math.nan if value is None else value for value in row] for row in mark.rows]
            axes.contourf(mark.x, mark.y, rows, levels=_levels(scale), extend="both", **_shading(scale))


def _levels(scale: Scale | None) -> list[float]:
    """Where the colour of a surface changes: evenly over the scale."""
    if scale is None:
        return []
    to, back = (math.log10, lambda at: 10.0**at) if scale.log else (float, float)
    low, high = to(scale.low), to(scale.high)
    return [float(back(low + (high - low) * place / _SHADES)) for place in range(_SHADES + 1)]


def _points(axes: Axes, mark: Points, scale: Scale | None) -> None:
    look = LOOKS[mark.role]
    shape: dict[str, Any] = {"marker": look.marker, "s": 26 if len(mark.x) <= 250 else 16, "label": mark.name}
    if look.marker != "x":
        shape |= {"edgecolors": "white", "linewidths": 0.4}
    if mark.shades:
        axes.scatter(mark.x, mark.y, c=mark.shades, **_shading(scale), **shape)
    else:
        axes.scatter(mark.x, mark.y, color=look.colour, alpha=opacity_of(len(mark.x)), **shape)


def _bars(axes: Axes, mark: Bars, lying: bool, behind: list[float]) -> None:
    places, colour = range(len(mark.lengths)), LOOKS[mark.role].colour
    if lying:
        drawn = axes.barh(places, mark.lengths, left=behind, color=colour, label=mark.name)
    else:
        drawn = axes.bar(places, mark.lengths, bottom=behind, color=colour, label=mark.name)
    ink = "white" if mark.role == "went_on" else "black"
    room: dict[str, Any] = {"padding": 3} if lying else {"label_type": "center", "color": ink}
    axes.bar_label(drawn, mark.texts, fontsize=8, **room)
    behind[:] = [before + length for before, length in zip(behind, mark.lengths, strict=True)]


def _shading(scale: Scale | None) -> dict[str, Any]:
    """How shades become colours."""
    from matplotlib.colors import LogNorm, Normalize

    if scale is None:
        return {}
    norm = LogNorm(scale.low, scale.high) if scale.log else Normalize(scale.low, scale.high)
    return {"cmap": COLOUR_MAP + ("_r" if scale.better == "high" else ""), "norm": norm}


def _colourbar(canvas: Any, scale: Scale) -> None:
    from matplotlib.cm import ScalarMappable

    bar = canvas.colorbar(ScalarMappable(**_shading(scale)), ax=canvas.axes, aspect=30, pad=0.02, extend=_extend(scale))
    bar.set_label(scale.title, fontsize=9)
    bar.ax.tick_params(labelsize=8)


def _extend(scale: Scale) -> str:
    return {"low": "max", "high": "min"}.get(scale.better, "neither")


def _legend(canvas: Any) -> None:
    """One legend for all panels, each name once, above them."""
    known: dict[str, Any] = {}
    for axes in canvas.axes:
        handles, names = axes.get_legend_handles_labels()
        known |= {name: handle for name, handle in zip(names, handles, strict=True) if name not in known}
    if len(known) > 1:
        canvas.legend(known.values(), known.keys(), loc="outside upper right", ncols=min(len(known), 4), fontsize=8,
                      frameon=False)  # fmt: skip


def _threads(axes: Axes, threads: Threads, scale: Scale | None) -> None:
    from matplotlib.collections import LineCollection

    places = range(len(threads.columns))
    lines = [[(at, NOT_THERE if value is None else value) for at, value in zip(places, row, strict=True)]
             for row in threads.rows]  # fmt: skip
    drawn = LineCollection(lines, array=threads.shades, alpha=opacity_of(len(lines)), linewidths=1.1, **_shading(scale))
    axes.add_collection(drawn)
    for at, column in zip(places, threads.columns, strict=True):
        axes.axvline(at, color="#555555", linewidth=0.9)
        for height, text in column.ticks:
            axes.annotate(text, (at, height), xytext=(3, 0), textcoords="offset points", fontsize=7, va="center",
                          bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.75})  # fmt: skip
    low = min([0.0, *(height for column in threads.columns for height, _ in column.ticks)])
    axes.set_xlim(-0.15, len(threads.columns) - 0.6)
    axes.set_ylim(low - 0.05, 1.06)
    axes.set_xticks(places, [column.title for column in threads.columns], fontsize=9)
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", length=0)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
