"""The picture of a running sweep on a terminal: from a snapshot to a rich renderable; reads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from swath.sweeps.cli import words
from swath.sweeps.cli.roster import agents_table
from swath.sweeps.cli.styles import style_of
from swath.sweeps.views import AgentView, SweepView

#: The order in which states are counted and drawn into the bar.
SHOWN_STATES = ("finished", "stopped", "failed", "killed", "running", "queued")
#: A sweep of more trials than this is shown as one without an end.
OPEN_ENDED = 1_000_000
ENDED_STATES = ("finished", "stopped", "failed", "killed")


@dataclass(frozen=True)
class RunningTrial:
    """A running trial as it is drawn: `curve` holds the last values of the metric, `elapsed` is in seconds."""

    number: int
    config: dict[str, Any]
    curve: Sequence[float]
    elapsed: float
    attempt: int = 1


@dataclass(frozen=True)
class Snapshot:
    """Everything that one picture shows. `left_s` is the estimated time to the end, None when it cannot be known.

    `crew` are the agents at work, `now` is the time at which they were looked at.
    """

    view: SweepView
    running: Sequence[RunningTrial] = ()
    keys: Sequence[str] = ()
    elapsed: float = 0.0
    left_s: float | None = None
    agents: int = 0
    notices: Sequence[str] = field(default=())
    crew: Sequence[AgentView] = ()
    now: float = 0.0


@dataclass(frozen=True)
class Screen:
    """The room there is, in characters."""

    width: int
    height: int
    ascii_only: bool = False


def picture(snapshot: Snapshot, screen: Screen) -> RenderableType:
    """Head, bar, best and running trials, cut to the screen."""
    parts: list[RenderableType] = [
        _head(snapshot, screen),
        _bar_line(snapshot, screen),
        counts_line(snapshot.view),
    ]
    parts.append(_best_line(snapshot, screen))
    parts += [Text(words.cut(f"! {notice}", screen.width), style="yellow") for notice in snapshot.notices[-2:]]
    if snapshot.running:
        room = max(screen.height - len(parts) - 4, 1)
        crew = _room_for_crew(len(snapshot.running), len(snapshot.crew), room)
        room -= crew + _CREW_FRAME if crew else 0
        parts += [Text(""), _running_table(snapshot, screen, room)]
        if len(snapshot.running) > room:
            parts.append(Text(f"  and {len(snapshot.running) - room} more", style="dim"))
        if crew:
            parts += _crew(snapshot, screen, crew)
    return Group(*parts)


#: Lines beside those of the agents themselves: an empty one, the head, and that there are more.
_CREW_FRAME = 3


def _room_for_crew(running: int, agents: int, room: int) -> int:
    """How many agents are shown: all where there is room, else as many as leave half of it to the trials."""
    free = room - _CREW_FRAME
    return min(agents, max(free - running, free // 2)) if free >= 2 else 0


def _crew(snapshot: Snapshot, screen: Screen, room: int) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(""), agents_table(snapshot.crew[:room], snapshot.now, screen.width)]
    if len(snapshot.crew) > room:
        parts.append(Text(f"  and {len(snapshot.crew) - room} more: sweep agents {snapshot.view.id}", style="dim"))
    return parts


def progress_counts(view: SweepView) -> tuple[int, int | None]:
    """How many trials ended, and how many there will be; None when that is more than anybody will wait for."""
    total = view.total if view.total is not None and view.total <= OPEN_ENDED else None
    return sum(view.trials.get(state, 0) for state in ENDED_STATES), total


def _head(snapshot: Snapshot, screen: Screen) -> Text:
    view = snapshot.view
    left = Text(view.name or view.id, style="bold")
    left.append(f"  sweep {view.id}" if view.name and view.name != view.id else "", style="dim")
    goal = f" · {view.goal} {view.metric}" if view.metric else ""
    agents = f" · {words.plural(snapshot.agents, 'agent')}" if snapshot.agents else " · agents are starting"
    left.append(f"  {view.method}{goal}{agents}", style="dim")
    if view.state != "running":
        left.append(f"  {view.state}", style=style_of(view.state))
    return _spread(left, Text(words.duration(snapshot.elapsed)), screen.width)


def _bar_line(snapshot: Snapshot, screen: Screen) -> Text:
    done, total = progress_counts(snapshot.view)
    tail = f" {done}/{total}" if total is not None else f" {words.plural(done, 'trial')} done"
    if snapshot.left_s is not None:
        tail += f"  about {words.duration(snapshot.left_s)} left"
    if total is None:
        return Text(tail.strip(), style="bold")
    bar = _bar(snapshot.view, min(screen.width - max(len(tail), 28) - 1, 60), screen.ascii_only)
    return bar.append(tail, style="bold")


def _bar(view: SweepView, width: int, ascii_only: bool) -> Text:
    """One segment for each state, in its colour, then the rest."""
    width, total = max(width, 8), max(view.total or 1, 1)
    stroke, bar, used, counted = "#" if ascii_only else "━", Text(), 0, 0
    for state in SHOWN_STATES[:-1]:
        counted += view.trials.get(state, 0)
        end = min(round(counted / total * width), width)
        bar.append(
            ("-" if ascii_only else stroke) * (end - used) if state == "running" else stroke * (end - used),
            style_of(state),
        )
        used = max(used, end)
    return bar.append(("." if ascii_only else "─") * (width - used), style="bright_black")


def counts_line(view: SweepView) -> Text:
    """`9 finished · 3 stopped`: the states that have trials, in their colours."""
    line = Text()
    for state in SHOWN_STATES:
        if count := view.trials.get(state, 0):
            line.append(" · " if len(line) else "", style="dim").append(f"{count} {state}", style=style_of(state))
    return line if len(line) else Text("no trials yet", style="dim")


def _best_line(snapshot: Snapshot, screen: Screen) -> Text:
    view, best = snapshot.view, snapshot.view.best
    if best is None:
        return Text(f"best  no {view.metric} yet" if view.metric else "", style="dim")
    line = Text("best  ", style="bold").append(f"{best.metric} {words.metric(best.value)}", style="bold green")
    line.append(f"  trial {best.number}  ", style="dim")
    return line.append(words.config_line(best.config, snapshot.keys, max(screen.width - len(line), 8)))


def _running_table(snapshot: Snapshot, screen: Screen, room: int) -> Table:
    metric, curve = snapshot.view.metric, _curve_width(screen.width)
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim", width=screen.width)
    table.add_column("trial", justify="right", min_width=5, no_wrap=True)
    table.add_column("config", ratio=1, no_wrap=True, overflow="ellipsis")
    if metric:
        table.add_column(escape(words.cut(metric, 14)), justify="right", min_width=8, no_wrap=True)
        if curve:
            table.add_column("", width=curve, no_wrap=True)
    table.add_column("time", justify="right", min_width=6, no_wrap=True)
    for trial in list(snapshot.running)[:room]:
        table.add_row(*_cells(trial, snapshot, curve, screen.ascii_only))
    return table


def _cells(trial: RunningTrial, snapshot: Snapshot, curve: int, ascii_only: bool) -> list[Text]:
    number = f"{trial.number}" if trial.attempt == 1 else f"{trial.number} (attempt {trial.attempt})"
    cells = [Text(number), Text(words.config_line(trial.config, snapshot.keys))]
    if snapshot.view.metric:
        cells.append(Text(words.metric(trial.curve[-1] if trial.curve else None), style="bold"))
        if curve:
            cells.append(Text(words.sparkline(trial.curve, curve, ascii_only), style="cyan"))
    return [*cells, Text(words.duration(trial.elapsed), style="dim")]


def _curve_width(width: int) -> int:
    """Narrow terminals go without a curve."""
    return 0 if width < 60 else 12 if width < 100 else 24


def _spread(left: Text, right: Text, width: int) -> Text:
    """`left` and `right` at the two ends of a line; the left one is cut."""
    left.truncate(max(width - len(right) - 2, 1), overflow="ellipsis")
    left.append(" " * max(width - len(left) - len(right), 1))
    return left.append_text(right)
