"""Figures as one HTML page that opens offline, by plotly's own script inside it; needs plotly, by way of its door."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from swath.sweeps.figures.looks import COLOUR_MAP, LOOKS, grid_of, opacity_of
from swath.sweeps.figures.model import Axis, Bars, Figure, Line, Mark, Panel, Points, Scale, Surface, Threads
from swath.sweeps.figures.parameters import NOT_THERE
from swath.tracking.media.plotly import Plotly

#: The height of a row of panels, and what stands above and below, in pixels.
_ROW, _FRAME = 340, 110
#: The least width of a column of panels.
_COLUMN = 340
_GREY = "#E5E5E5"
_CONFIG = {"displaylogo": False, "responsive": True}

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>body{{font-family:system-ui,sans-serif;max-width:1240px;margin:2em auto;padding:0 1em;color:#222}}
h1{{font-size:1.3em}} h2{{font-size:1.05em;margin:2em 0 0}} p{{color:#555;margin:.3em 0}}
.wide{{overflow-x:auto;overflow-y:hidden}}</style></head>
<body><h1>{title}</h1>{subtitle}
{body}
</body></html>
"""


def page(figures: Sequence[Figure], title: str, subtitle: str = "") -> str:
    """All figures on one page. Raises `UsageError` where plotly is not installed."""
    parts = []
    for place, figure in enumerate(figures):
        drawn = Plotly(plotly_dict(figure)).figure
        picture = drawn.to_html(full_html=False, include_plotlyjs=not place, config=_CONFIG)
        note = f"<p>{escape(figure.note)}</p>" if figure.note else ""
        wide = f'<div class="wide"><div style="min-width:{_least_width(figure)}px">{picture}</div></div>'
        parts.append(f'<h2 id="{figure.kind}">{escape(figure.title)}</h2>{note}\n{wide}')
    below = f"<p>{escape(subtitle)}</p>" if subtitle else ""
    return _PAGE.format(title=escape(title), subtitle=below, body="\n".join(parts))


def _least_width(figure: Figure) -> int:
    """Pixels below which a figure cannot be read: on a phone it is scrolled sideways then."""
    if figure.threads is not None:
        return 110 * len(figure.threads.columns)
    return _COLUMN * grid_of(len(figure.panels))[1]


def plotly_dict(figure: Figure) -> dict[str, Any]:
    """One figure in plotly's own form."""
    layout: dict[str, Any] = {
        "paper_bgcolor": "white", "plot_bgcolor": "white", "font": {"size": 13}, "hovermode": "closest",
        "margin": {"l": 70, "r": 30, "t": 60, "b": 60}, "barmode": "stack",
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
    }  # fmt: skip
    if figure.scale is not None:
        layout["coloraxis"] = _coloraxis(figure.scale)
    if figure.threads is not None:
        layout |= {"height": 520, "margin": {"l": 90, "r": 60, "t": 70, "b": 40}}
        return {"data": [_threads(figure.threads, figure.scale)], "layout": layout}
    rows, columns = grid_of(len(figure.panels))
    layout["height"] = rows * _row_height(figure) + _FRAME
    data: list[dict[str, Any]] = []
    named: set[str] = set()
    for place, panel in enumerate(figure.panels):
        number = "" if not place else str(place + 1)
        layout[f"xaxis{number}"] = _axis(panel.x) | _domain(place % columns, columns) | {"anchor": f"y{number}"}
        upright = _domain(rows - 1 - place // columns, rows, gap=0.24 / rows if rows > 1 else 0.0)
        layout[f"yaxis{number}"] = _axis(panel.y) | upright | {"anchor": f"x{number}"} | _reversed(panel)
        if place and panel.y == figure.panels[0].y:
            layout[f"yaxis{number}"]["matches"] = "y"
        for mark in panel.marks:
            data.append(
                _trace(mark, panel, figure.scale)
                | {"xaxis": f"x{number}", "yaxis": f"y{number}"}
                | _legend(mark, named)
            )
    return {"data": data, "layout": layout}


def _row_height(figure: Figure) -> int:
    """Bars that lie need room for each."""
    return max([_ROW, *(28 * len(panel.y.categories) + 40 for panel in figure.panels)])


def _domain(place: int, count: int, gap: float = 0.0) -> dict[str, Any]:
    gap = gap or (0.08 if count == 2 else 0.07)
    width = (1.0 - gap * (count - 1)) / count if count > 1 else 1.0
    low = place * (width + gap)
    return {"domain": [round(low, 4), round(min(low + width, 1.0), 4)]}


def _axis(axis: Axis) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "title": {"text": escape(axis.title)}, "gridcolor": _GREY, "zeroline": False, "linecolor": "#888",
        "ticks": "outside", "automargin": True,
    }  # fmt: skip
    if axis.log:
        shown |= {"type": "log", "exponentformat": "power"}
    if axis.percent:
        shown["tickformat"] = ".0%"
    if axis.whole and not axis.log:
        shown["tickformat"] = "d"
    if axis.categories:
        shown |= {
            "tickvals": list(range(len(axis.categories))), "ticktext": [escape(text) for text in axis.categories],
            "range": [-0.6, len(axis.categories) - 0.4],
        }  # fmt: skip
    return shown


def _reversed(panel: Panel) -> dict[str, Any]:
    """Lying bars are read from the top."""
    return {"range": [len(panel.y.categories) - 0.4, -0.6]} if panel.y.categories and _has_bars(panel) else {}


def _has_bars(panel: Panel) -> bool:
    return any(isinstance(mark, Bars) for mark in panel.marks)


def _legend(mark: Mark, named: set[str]) -> dict[str, Any]:
    """Each name is in the legend once."""
    if isinstance(mark, Surface):
        return {}
    first = bool(mark.name) and mark.name not in named
    named.add(mark.name)
    return {"name": escape(mark.name), "legendgroup": mark.name, "showlegend": first}


def _trace(mark: Mark, panel: Panel, scale: Scale | None) -> dict[str, Any]:
    match mark:
        case Points():
            return _points(mark, scale)
        case Line():
            return _line(mark)
        case Bars():
            return _bars(mark, lying=bool(panel.y.categories))
        case Surface():
            return _surface(mark, scale)


def _points(mark: Points, scale: Scale | None) -> dict[str, Any]:
    look = LOOKS[mark.role]
    marker: dict[str, Any] = {
        "symbol": look.symbol,
        "size": 8,
        "opacity": opacity_of(len(mark.x)),
        "color": look.colour,
    }
    if mark.shades:
        marker |= {"color": [_shade(value, scale) for value in mark.shades], "coloraxis": "coloraxis"}
        marker |= {"line": {"width": 0.6, "color": "white"}, "opacity": 0.95}
    texts = [escape(text).replace("\n", "<br>") for text in mark.texts]
    return {
        "type": "scatter", "mode": "markers", "x": list(mark.x), "y": list(mark.y), "marker": marker,
        "text": texts, "hoverinfo": "text",
    }  # fmt: skip


def _line(mark: Line) -> dict[str, Any]:
    look, limit = LOOKS[mark.role], mark.role == "limit"
    line: dict[str, Any] = {"color": look.colour, "width": 1.5 if limit else 2, "dash": "dash" if limit else "solid"}
    if mark.step:
        line["shape"] = "hv"
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(mark.x),
        "y": list(mark.y),
        "line": line,
        "hoverinfo": "skip",
    }


def _bars(mark: Bars, lying: bool) -> dict[str, Any]:
    places = list(range(len(mark.lengths)))
    along, across = ("x", "y") if lying else ("y", "x")
    words = {"textposition": "auto"} if lying else {"textposition": "inside", "insidetextanchor": "middle"}
    return {
        "type": "bar", along: list(mark.lengths), across: places, "orientation": "h" if lying else "v",
        "marker": {"color": LOOKS[mark.role].colour}, "text": list(mark.texts), "textangle": 0,
        "constraintext": "none", "hoverinfo": "text+name", **words,
    }  # fmt: skip


def _surface(mark: Surface, scale: Scale | None) -> dict[str, Any]:
    rows = [[None if value is None else _shade(value, scale) for value in row] for row in mark.rows]
    return {
        "type": "heatmap", "x": list(mark.x), "y": list(mark.y), "z": rows, "coloraxis": "coloraxis", "opacity": 0.75,
        "hoverinfo": "skip", "zsmooth": "best", "showlegend": False,
    }  # fmt: skip


def _shade(value: float, scale: Scale | None) -> float:
    """The number that stands for a value: what is better is greater, for plotly draws the greater thread on top."""
    if scale is None:
        return value
    known = math.log10(value) if scale.log else value
    return -known if scale.better == "low" else known


def _coloraxis(scale: Scale) -> dict[str, Any]:
    ends = sorted((_shade(scale.low, scale), _shade(scale.high, scale)))
    bar: dict[str, Any] = {"title": {"text": escape(scale.title)}, "thickness": 14}
    if scale.better:
        ticks = [ends[0] + (ends[1] - ends[0]) * place / 4 for place in range(5)]
        known = [-tick if scale.better == "low" else tick for tick in ticks]
        bar |= {"tickvals": ticks, "ticktext": [f"{10**value if scale.log else value:.3g}" for value in known]}
    shades = {"colorscale": COLOUR_MAP.title(), "cmin": ends[0], "cmax": ends[1], "colorbar": bar}
    return shades | {"reversescale": bool(scale.better)}


def _threads(threads: Threads, scale: Scale | None) -> dict[str, Any]:
    dimensions = []
    for place, column in enumerate(threads.columns):
        values = [row[place] for row in threads.rows]
        low = NOT_THERE if None in values else 0.0
        dimensions.append({
            "label": escape(column.title), "range": [low, 1.0],
            "values": [NOT_THERE if value is None else value for value in values],
            "tickvals": [at for at, _ in column.ticks], "ticktext": [escape(text) for _, text in column.ticks],
        })  # fmt: skip
    shades = [_shade(value, scale) for value in threads.shades]
    return {
        "type": "parcoords", "dimensions": dimensions, "line": {"color": shades, "coloraxis": "coloraxis"},
        "tickfont": {"color": "black", "size": 11},
    }  # fmt: skip
