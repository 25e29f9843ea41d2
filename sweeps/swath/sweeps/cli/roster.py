"""The agents of a sweep as lines of a table, the same in `sweep agents` and in the live picture; reads nothing."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from swath.sweeps.cli import words
from swath.sweeps.cli.styles import style_of
from swath.sweeps.views import AgentView

#: Below this width neither host and kind nor the last sign of life are shown.
WIDE = 100
_GAP = 2
_SHORTEST = 8


def agents_table(agents: Sequence[AgentView], now: float, width: int) -> Table:
    """One line an agent, no wider than `width`."""
    wide = width >= WIDE
    if not agents:
        return Table(box=None)
    rows = [_cells(agent, now, wide) for agent in agents]
    heads = ["agent", *(["host", "kind"] if wide else []), "state", *(["since", "seen"] if wide else [])]
    heads += ["runs", "done", "busy"]
    taken = sum(max(len(head), *(len(row[at]) for row in rows)) + _GAP for at, head in enumerate(heads) if at)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    for head in heads:
        # What is too long is the name: the other columns have the room that they need.
        room = max(width - taken - _GAP, _SHORTEST) if head == "agent" else None
        justify: JustifyMethod = "right" if head in ("done", "busy") else "left"
        table.add_column(head, justify=justify, no_wrap=True, overflow="ellipsis", max_width=room)
    for row in rows:
        table.add_row(*row)
    return table


def _cells(agent: AgentView, now: float, wide: bool) -> list[Text]:
    cells = [Text(agent.name)]
    if wide:
        cells += [Text(agent.host), Text(agent.kind)]
    cells.append(Text(agent.standing, style=style_of(agent.standing)))
    if wide:
        cells += [Text(words.ago(agent.started, now)), Text(words.ago(agent.seen, now), style="dim")]
    return [*cells, Text(_runs(agent, now)), Text(str(agent.done)), Text(share(agent.utilisation))]


def _runs(agent: AgentView, now: float) -> str:
    if agent.trial is None:
        return "-"
    spent = f" for {words.duration(now - agent.since)}" if agent.since is not None else ""
    return f"trial {agent.trial}{spent}"


def share(part: float | None) -> str:
    """`93%`; `-` where nothing is known yet."""
    return "-" if part is None else f"{part:.0%}"


def at_work(agents: Sequence[AgentView]) -> list[AgentView]:
    """Those that have not gone."""
    return [agent for agent in agents if agent.state == "active"]
