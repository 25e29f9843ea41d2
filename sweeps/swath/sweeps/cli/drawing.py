"""Figures in characters for a terminal of a given width: points, lines and rows of bars; reads nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from rich.text import Text

from swath.sweeps.cli import words
from swath.sweeps.figures.model import Axis, Bars, Figure, Line, Panel, Points, Role

#: The kinds that make sense in characters.
DRAWN = frozenset({"history", "slice", "rungs", "front", "importance"})
#: Two panels stand side by side from this width on.
_TWO = 80
_GAP = "  "


@dataclass(frozen=True)
class Sheet:
    """The room for one figure: its width, and the height of the plotted part of a panel, in characters."""

    width: int
    height: int
    ascii_only: bool = False


@dataclass(frozen=True)
class _Sign:
    """How a mark is drawn: a character, one of ASCII, and a colour for those who see it."""

    character: str
    ascii: str
    style: str

    def of(self, ascii_only: bool) -> str:
        return self.ascii if ascii_only else self.character


_SIGNS: dict[Role, _Sign] = {
    "finished": _Sign("●", "o", "blue"),
    "stopped": _Sign("×", "x", "yellow"),
    "other": _Sign("△", "^", "bright_black"),
    "best": _Sign("─", "-", "bold"),
    "front": _Sign("◆", "*", "bold green"),
    "dominated": _Sign("·", ".", "bright_black"),
    "over": _Sign("×", "x", "red"),
    "limit": _Sign("┄", ":", "red"),
    "went_on": _Sign("█", "#", "blue"),
    "waiting": _Sign("▒", "+", "cyan"),
    "sure": _Sign("█", "#", "cyan"),
    "chance": _Sign("░", ".", "bright_black"),
}
_STOPPED_BAR = _Sign("░", ".", "yellow")


def draw(figure: Figure, sheet: Sheet) -> Iterator[Text]:
    """The lines of a figure: a title with the meaning of the signs, the panels, and the note."""
    yield _head(figure, sheet)
    across = 2 if sheet.width >= _TWO and len(figure.panels) > 1 and not _has_bars(figure.panels[0]) else 1
    width = (sheet.width - len(_GAP) * (across - 1)) // across
    for start in range(0, len(figure.panels), across):
        if start:
            yield Text("")
        beside = [_panel(panel, Sheet(width, sheet.height, sheet.ascii_only))
                  for panel in figure.panels[start : start + across]]  # fmt: skip
        yield from _joined(beside, width)
    if figure.note:
        yield Text(figure.note, style="dim")


def _head(figure: Figure, sheet: Sheet) -> Text:
    head = Text(figure.title, style="bold")
    named: dict[str, _Sign] = {}
    for panel in figure.panels:
        for mark in panel.marks:
            if isinstance(mark, Points | Line | Bars) and mark.name:
                named[mark.name] = _sign(mark)
    for name, sign in named.items():
        head.append("   ").append(sign.of(sheet.ascii_only), style=sign.style).append(f" {name}", style="not bold")
    return head


def _sign(mark: Points | Line | Bars) -> _Sign:
    return _STOPPED_BAR if isinstance(mark, Bars) and mark.role == "stopped" else _SIGNS[mark.role]


def _has_bars(panel: Panel) -> bool:
    return any(isinstance(mark, Bars) for mark in panel.marks)


def _joined(panels: Sequence[list[Text]], width: int) -> Iterator[Text]:
    for row in zip_longest(*panels, fillvalue=Text("")):
        line = Text("")
        for place, part in enumerate(row):
            part = part.copy()
            if place < len(row) - 1:
                part.pad_right(max(width - part.cell_len, 0))
                part.append(_GAP)
            line.append_text(part)
        line.rstrip()
        yield line


def _panel(panel: Panel, sheet: Sheet) -> list[Text]:
    return list(_bars(panel, sheet)) if _has_bars(panel) else _plot(panel, sheet)


# Bars.


def _bars(panel: Panel, sheet: Sheet) -> Iterator[Text]:
    """A row for each category, whichever way its bars stand in a picture."""
    named, measured = (panel.y, panel.x) if panel.y.categories else (panel.x, panel.y)
    marks = [mark for mark in panel.marks if isinstance(mark, Bars)]
    yield Text(" by ".join(filter(None, (measured.title, named.title))), style="dim")
    names = [words.cut(name, 30) for name in named.categories]
    room = max(map(len, names), default=0)
    totals = [sum(mark.lengths[place] for mark in marks) for place in range(len(names))]
    told = [_told(marks, place) for place in range(len(names))]
    width = max(sheet.width - room - max(map(len, told), default=0) - 4, 8)
    most = max(totals, default=0.0) or 1.0
    for place, name in enumerate(names):
        line = Text(name.rjust(room) + "  ")
        used, reached = 0, 0.0
        for mark in marks:
            reached += mark.lengths[place]
            end, sign = round(reached / most * width), _sign(mark)
            line.append(sign.of(sheet.ascii_only) * (end - used), style=sign.style)
            used = max(used, end)
        yield line.append(f"  {told[place]}")


def _told(marks: Sequence[Bars], place: int) -> str:
    return " + ".join(mark.texts[place] for mark in marks if mark.texts and mark.texts[place])


# Points and lines.


class _Span:
    """One axis in characters: from values to cells, and what stands beside it."""

    def __init__(self, axis: Axis, values: Sequence[float], cells: int) -> None:
        self._axis, self._cells = axis, cells
        known = [self._to(value) for value in values]
        if axis.categories:
            self._low, self._high = -0.5, len(axis.categories) - 0.5
        else:
            self._low, self._high = min(known, default=0.0), max(known, default=1.0)
        if self._high <= self._low:
            self._low, self._high = self._low - 0.5, self._high + 0.5

    def _to(self, value: float) -> float:
        return math.log10(value) if self._axis.log else value

    def cell(self, value: float) -> int:
        """The cell of a value, 0 for the lowest."""
        share = (self._to(value) - self._low) / (self._high - self._low)
        return min(max(round(share * (self._cells - 1)), 0), self._cells - 1)

    def labels(self, count: int) -> list[tuple[int, str]]:
        """Up to `count` cells with what stands there."""
        if self._axis.categories:
            return [(self.cell(place), name) for place, name in enumerate(self._axis.categories)]
        powers = range(math.ceil(self._low), math.floor(self._high) + 1) if self._axis.log else range(0)
        if len(powers) > 1:
            return [(self.cell(10.0**power), f"{10.0**power:g}") for power in powers[:: -(-len(powers) // count)]]
        steps = [self._low + (self._high - self._low) * place / (count - 1) for place in range(count)]
        values = [10**step if self._axis.log else step for step in steps]
        if self._axis.whole:
            values = sorted({float(round(value)) for value in values})
        return [(self.cell(value), f"{value:.{6 if self._axis.whole else 3}g}") for value in values]


def _plot(panel: Panel, sheet: Sheet) -> list[Text]:
    marks = [mark for mark in panel.marks if isinstance(mark, Points | Line)]
    ys = _Span(panel.y, [value for mark in marks for value in mark.y], sheet.height)
    beside = dict(ys.labels(3))
    room = max(len(text) for text in beside.values())
    width = max(sheet.width - room - 3, 10)
    xs = _Span(panel.x, [value for mark in marks for value in mark.x], width)
    cells = _cells(marks, xs, ys, sheet.ascii_only)
    wall, corner = ("|", "+") if sheet.ascii_only else ("│", "└")
    lines = [Text(_title(panel.y), style="dim")]
    for row in reversed(range(sheet.height)):
        line = Text(beside.get(row, "").rjust(room), style="").append(f" {wall}", style="bright_black")
        for column in range(width):
            character, style = cells.get((row, column), (" ", ""))
            line.append(character, style=style)
        lines.append(line)
    floor = ("-" if sheet.ascii_only else "─") * width
    lines.append(Text(" " * (room + 1) + corner + floor, style="bright_black"))
    lines.append(Text(" " * (room + 2) + _below(xs.labels(2 if width < 30 else 5), width)))
    lines.append(Text((" " * (room + 2)) + _title(panel.x).center(width).rstrip(), style="dim"))
    return lines


def _title(axis: Axis) -> str:
    return f"{axis.title}, logarithmic" if axis.log else axis.title


def _below(labels: Sequence[tuple[int, str]], width: int) -> str:
    """The labels under an axis, each around its cell, those left out that would touch another."""
    line = [" "] * width
    most = max(width // max(len(labels), 1) - 1, 3)
    for cell, text in labels:
        shown = words.cut(text, most)
        start = min(max(cell - len(shown) // 2, 0), width - len(shown))
        if all(character == " " for character in line[max(start - 1, 0) : start + len(shown) + 1]):
            line[start : start + len(shown)] = shown
    return "".join(line).rstrip()


Cells = dict[tuple[int, int], tuple[str, str]]


def _cells(marks: Sequence[Points | Line], xs: _Span, ys: _Span, ascii_only: bool) -> Cells:
    """What stands in each cell: lines first, points over them, later marks over earlier ones."""
    cells: Cells = {}
    for mark in sorted(marks, key=lambda mark: isinstance(mark, Points)):
        sign = _SIGNS[mark.role]
        if isinstance(mark, Points):
            for x, y in zip(mark.x, mark.y, strict=True):
                cells[ys.cell(y), xs.cell(x)] = (sign.of(ascii_only), sign.style)
        elif mark.step:
            _steps(cells, mark, xs, ys, sign, ascii_only)
        elif mark.role == "limit":
            _straight(cells, mark, xs, ys, sign, ascii_only)
    return cells


def _steps(cells: Cells, mark: Line, xs: _Span, ys: _Span, sign: _Sign, ascii_only: bool) -> None:
    down, up, land, rise = "||||" if ascii_only else "┐└┘┌"
    wall = "|" if ascii_only else "│"
    points = [(xs.cell(x), ys.cell(y)) for x, y in zip(mark.x, mark.y, strict=True)]
    for (left, height), (right, after) in pairwise(points):
        for column in range(left, right):
            cells[height, column] = (sign.of(ascii_only), sign.style)
        for row in range(min(height, after), max(height, after) + 1):
            cells[row, right] = (wall if after != height else sign.of(ascii_only), sign.style)
        if after != height:
            cells[height, right] = (down if after < height else land, sign.style)
            cells[after, right] = (up if after < height else rise, sign.style)
    if points:
        cells[points[-1][1], points[-1][0]] = (sign.of(ascii_only), sign.style)


def _straight(cells: Cells, mark: Line, xs: _Span, ys: _Span, sign: _Sign, ascii_only: bool) -> None:
    columns, rows = [xs.cell(x) for x in mark.x], [ys.cell(y) for y in mark.y]
    upright = columns[0] == columns[-1]
    character = ("|" if ascii_only else "┆") if upright else sign.of(ascii_only)
    for row in range(min(rows), max(rows) + 1):
        for column in range(min(columns), max(columns) + 1):
            cells[row, column] = (character, sign.style)
