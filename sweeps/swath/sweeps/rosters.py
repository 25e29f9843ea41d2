"""The agents of a sweep as people see them: what each does now, and how much of its life it spent on trials."""

from __future__ import annotations

import sqlalchemy as sa

from swath.sweeps import ledger
from swath.sweeps.ledger import AgentRow, TrialRow
from swath.sweeps.states import TrialState
from swath.sweeps.views import AgentView

_ASKED = {"drain": "draining", "stop": "stopping"}


def roster(connection: sa.Connection, sweep_id: str, now: float, lease_s: float) -> list[AgentView]:
    """Every agent that ever joined a sweep, in that order."""
    running = {row.agent_id: row for row in ledger.trials_in(connection, sweep_id, TrialState.RUNNING)}
    work = ledger.work_of_agents(connection, sweep_id, now)
    return [
        _view(agent, running.get(agent.id), work.get(agent.id, (0, 0.0)), now, lease_s)
        for agent in ledger.agents_of(connection, sweep_id)
    ]


def _view(agent: AgentRow, trial: TrialRow | None, work: tuple[int, float], now: float, lease_s: float) -> AgentView:
    done, busy = work
    alive = (now if agent.state == "active" else agent.seen) - agent.started
    return AgentView(
        id=agent.id, name=agent.name, host=agent.host, pid=agent.pid, kind=agent.kind, state=agent.state,
        seen=agent.seen, run_id=trial.run_id if trial else None, started=agent.started,
        standing=_standing(agent, trial, now, lease_s), trial=trial.number if trial else None,
        since=trial.started if trial else None, done=done, busy=busy,
        utilisation=min(max(busy / alive, 0.0), 1.0) if alive > 0 else None,
    )  # fmt: skip


def _standing(agent: AgentRow, trial: TrialRow | None, now: float, lease_s: float) -> str:
    if agent.state != "active":
        return agent.state
    if now - agent.seen > lease_s:
        return "silent"
    return _ASKED.get(agent.wish) or ("working" if trial else "idle")
