"""Asks agents to leave, wherever they run: a wish in the store, told with the answer to what an agent says next.

Here it is written down alone. An agent that is asked to drain gets no further trial; one that is asked to stop gives
its running trial back as well, when its next report is answered.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Literal

import msgspec

from swath.sweeps import ledger
from swath.sweeps.ledger import AgentRow
from swath.sweeps.step import Step
from swath.tracking.errors import NotFound

Wish = Literal["drain", "stop"]

DRAIN: Wish = "drain"
STOP: Wish = "stop"
ALL = "all"
#: What an agent says when it leaves.
REASONS: dict[str, str] = {
    DRAIN: "it was asked to leave after its trial",
    STOP: "it was asked to give its trial back and leave",
}


class Dismissal(msgspec.Struct, frozen=True):
    """What became of asking one agent. outcome: asked, asked before (nothing changed), or gone: left or dead already.

    `seen` is the agent's last sign of life.
    """

    name: str
    wish: Wish
    outcome: Literal["asked", "asked before", "left", "dead"]
    seen: float


def dismiss(step: Step, name: str, wish: Wish) -> list[Dismissal]:
    """Ask the agent called `name` (or the beginning of that, or its id), or all that are at work.

    May be repeated. Who was asked to stop is not asked to drain any more. Raises `NotFound` where there is no such
    agent; one that is gone is answered as such.
    """
    agents = ledger.agents_of(step.connection, step.sweep.id)
    chosen = [agent for agent in agents if agent.state == "active"] if name == ALL else [_named(agents, name, step)]
    return [_ask(step, agent, wish) for agent in chosen]


def _ask(step: Step, agent: AgentRow, wish: Wish) -> Dismissal:
    if agent.state != "active":
        return Dismissal(agent.name, wish, "left" if agent.state == "left" else "dead", agent.seen)
    if agent.wish in (wish, STOP):
        return Dismissal(agent.name, wish, "asked before", agent.seen)
    ledger.set_wish(step.connection, agent.id, wish)
    step.event("agent.asked", agent.id, name=agent.name, wish=wish)
    return Dismissal(agent.name, wish, "asked", agent.seen)


def _named(agents: list[AgentRow], name: str, step: Step) -> AgentRow:
    for agent in agents:
        if name in (agent.name, agent.id):
            return agent
    begun = [agent for agent in agents if name and agent.name.startswith(name)]
    begun = [agent for agent in begun if agent.state == "active"] or begun
    if len(begun) == 1:
        return begun[0]
    if begun:
        names = ", ".join(agent.name for agent in begun[:5])
        raise NotFound(f"{name!r} begins {len(begun)} agents: {names}", "write one in full")
    near = get_close_matches(name, [agent.name for agent in agents], 3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"list them with: sweep agents {step.sweep.id}"
    raise NotFound(f"sweep {step.sweep.id} has no agent {name!r}", hint)
