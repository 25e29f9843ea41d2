"""What the verb agents does: shows the agents of a sweep, or asks some of them to leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import typer

from swath.sweeps.cli import words
from swath.sweeps.cli.agents import asks_server
from swath.sweeps.cli.frame import put_json
from swath.sweeps.cli.roster import agents_table, at_work
from swath.sweeps.cli.styles import console
from swath.sweeps.dismissing import DRAIN, STOP, Dismissal, Wish
from swath.sweeps.states import OVER
from swath.sweeps.views import AgentView
from swath.sweeps.workspace import Workspace
from swath.tracking.clock import SYSTEM_CLOCK
from swath.tracking.errors import UsageError
from swath.tracking.settings import Settings

#: So many agents that are gone are shown, the last ones; a preempted fleet has hundreds.
GONE = 10

#: A sweep's id, whether it is over, who was asked to leave, and its agents.
_Answer: TypeAlias = tuple[str, bool, list[Dismissal], Sequence[AgentView]]

_THEN = {
    DRAIN: "finishes its trial and leaves",
    STOP: "gives its trial back and leaves",
}


def agents(prefix: str, stop: Sequence[str], drain: Sequence[str], as_json: bool) -> None:
    """Show the agents; with names in `stop` or `drain` ask those to leave."""
    if stop and drain:
        raise UsageError("--stop and --drain were both given", "ask for one of them at a time")
    wish = STOP if stop else DRAIN
    asks = _of_server if asks_server(prefix) else _of_store
    sweep_id, over, asked, found = asks(prefix, stop or drain, wish)
    if stop or drain:
        _tell(sweep_id, asked, found, wish, as_json)
    elif as_json:
        put_json(msgspec.to_builtins(found))
    else:
        _show(sweep_id, over, found)


def _of_store(prefix: str, names: Sequence[str], wish: Wish) -> _Answer:
    with Workspace.open() as workspace:
        sweep_id = workspace.resolve(prefix)
        workspace.catch_up(sweep_id)
        asked = [each for name in names for each in workspace.dismiss(sweep_id, name, wish)]
        return sweep_id, workspace.show(sweep_id).state in OVER, asked, workspace.agents(sweep_id)


def _of_server(prefix: str, names: Sequence[str], wish: Wish) -> _Answer:
    from swath.sweeps.remote import RemoteSweeps

    settings = Settings.from_environment()
    with RemoteSweeps(settings.url or "", settings.token or "") as sweeps:
        asked = [each for name in names for each in sweeps.dismiss(prefix, name, wish)]
        crew = sweeps.crew(prefix)
        return crew.sweep, crew.over, asked, crew.agents


def _show(sweep_id: str, over: bool, found: Sequence[AgentView]) -> None:
    out, now = console(), SYSTEM_CLOCK.now()
    working = at_work(found)
    gone = sorted((agent for agent in found if agent.state != "active"), key=lambda agent: agent.seen)
    if not found:
        typer.echo(f"no agent has worked on sweep {sweep_id} yet: sweep run --resume {sweep_id}")
        return
    out.print(agents_table([*working, *gone[-GONE:]], now, out.width))
    if len(gone) > GONE:
        out.print(f"and {len(gone) - GONE} more that are gone: sweep agents {sweep_id} --json", style="dim")
    if not working and not over:
        out.print(f"no agent is at work: sweep run --resume {sweep_id}", style="yellow")


def _tell(sweep_id: str, asked: Sequence[Dismissal], found: Sequence[AgentView], wish: Wish, as_json: bool) -> None:
    if as_json:
        put_json({"sweep": sweep_id, "agents": [msgspec.to_builtins(each) for each in asked]})
        return
    if not asked:
        typer.echo(f"no agent is at work on sweep {sweep_id}: nothing to do")
    silent = {agent.name for agent in found if agent.standing == "silent"}
    for each in asked:
        typer.echo(_said(each, wish, each.name in silent))


def _said(each: Dismissal, wish: Wish, silent: bool) -> str:
    ago = words.ago(each.seen, SYSTEM_CLOCK.now())
    match each.outcome:
        case "left":
            return f"agent {each.name} is gone: it left ({ago})"
        case "dead":
            return f"agent {each.name} is gone: it died (last seen {ago})"
    before = "was asked before: it " if each.outcome == "asked before" else ""
    later = f", once it is heard of again (last seen {ago})" if silent else ""
    return f"agent {each.name} {before}{_THEN[wish]}{later}"
