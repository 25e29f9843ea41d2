"""How much memory a trial asks for after it ran out of it, and which agents have room for that; it hands out nothing.

Agents of one pool share its memory. Nothing here matters to a sweep without `retry.oom`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from swath.sweeps import ledger
from swath.sweeps.ledger import AgentRow, TrialRow
from swath.sweeps.spec import SweepSpec
from swath.sweeps.states import TrialState
from swath.sweeps.step import Step

#: An agent that was silent for so long does not count as one that could run what is left.
_SILENT_S = 120.0


class Growth(msgspec.Struct, frozen=True):
    """What a trial that ran out of memory had, what it would ask for next, and the most that any agent could give.

    In bytes; `most` is None where that is not known.
    """

    had: int
    wanted: int
    most: int | None


class Choice(msgspec.Struct, frozen=True):
    """What an agent may be given: `trial`, or (`new`) any that was not made yet, or for now nothing at all."""

    trial: TrialRow | None = None
    new: bool = False


def request(spec: SweepSpec, ooms: int) -> int | None:
    """The bytes that a trial asks for that ran out of memory, and was given more, so often; None: it does not say."""
    base, grow = spec.resources.memory, spec.retry.oom
    return base if base is None or grow is None or not ooms else int(base * grow.factor**ooms)


def growth(step: Step, trial: TrialRow) -> Growth | None:
    """What more memory would mean for a trial; None where the sweep file does not ask for more."""
    spec = step.plan.spec
    had, wanted = request(spec, trial.ooms), request(spec, trial.ooms + 1)
    if spec.retry.oom is None or had is None or wanted is None:
        return None
    return Growth(had, wanted, _most(_alive(step)))


def choose(step: Step, agent_id: str, ready: Sequence[TrialRow]) -> Choice:
    """Which of the `ready` trials, the first ones first, the agent's pool has room for now.

    A trial for which no pool has room at present is waited for by the pool that is nearest to it.
    """
    spec = step.plan.spec
    agent = ledger.get_agent(step.connection, agent_id) if spec.retry.oom is not None else None
    if agent is None or agent.memory is None:
        return Choice(ready[0]) if ready else Choice(new=True)
    free, agents = _free(step), _alive(step)
    mine = free.get(_pool(agent), agent.memory)
    for trial in ready:
        needed = request(spec, trial.ooms) or 0
        if needed <= mine or (not trial.ooms and mine >= agent.memory):
            return Choice(trial)
        if trial.ooms and needed <= agent.memory and _pool(agent) == _nearest(needed, free, agents):
            return Choice()
    base = request(spec, 0) or 0
    return Choice(new=base <= mine or mine >= agent.memory)


def beyond(step: Step, queued: Sequence[TrialRow]) -> list[tuple[TrialRow, str]]:
    """The queued trials that ask for more than any agent that is here could give, each with a sentence that says so."""
    most = _most(_alive(step))
    if most is None:
        return []
    asked = ((trial, request(step.plan.spec, trial.ooms) or 0) for trial in queued if trial.ooms)
    return [
        (trial, f"it asks for {said(bytes_)} of memory, and no agent that is left can give more than {said(most)}")
        for trial, bytes_ in asked
        if bytes_ > most
    ]


def unplaced(connection: sa.Connection, sweep_id: str, spec: SweepSpec, now: float) -> int | None:
    """The most memory that a queued trial asks for, where no agent has so much; None where there is no such trial."""
    if spec.retry.oom is None:
        return None
    queued = [trial for trial in ledger.trials_in(connection, sweep_id, TrialState.QUEUED) if trial.ooms]
    asked = max((request(spec, trial.ooms) or 0 for trial in queued), default=0)
    agents = [agent for agent in _active(connection, sweep_id, now) if not agent.wish]
    if not asked or any(agent.memory is None or agent.memory >= asked for agent in agents):
        return None
    return asked


def said(amount: int) -> str:
    """Bytes for people: `1.5 GiB`."""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB")):
        if amount >= 2**power:
            return f"{amount / 2**power:.3g} {unit}"
    return f"{amount / 2**10:.3g} KiB"


def _alive(step: Step) -> list[AgentRow]:
    return _active(step.connection, step.sweep.id, step.now)


def _active(connection: sa.Connection, sweep_id: str, now: float) -> list[AgentRow]:
    found = ledger.agents_of(connection, sweep_id)
    return [agent for agent in found if agent.state == "active" and agent.seen > now - _SILENT_S]


def _most(agents: Sequence[AgentRow]) -> int | None:
    amounts = [agent.most if agent.most is not None else agent.memory for agent in agents]
    known = [amount for amount in amounts if amount is not None]
    return max(known) if known and len(known) == len(amounts) else None


def _pool(agent: AgentRow) -> str:
    return agent.pool or agent.id


def _free(step: Step) -> dict[str, int]:
    """By pool the memory that no running trial there has."""
    agents = {agent.id: agent for agent in ledger.agents_of(step.connection, step.sweep.id)}
    free = {_pool(agent): agent.memory for agent in agents.values() if agent.memory is not None}
    for trial in ledger.trials_in(step.connection, step.sweep.id, TrialState.RUNNING):
        agent = agents.get(trial.agent_id)
        if agent is not None and _pool(agent) in free:
            free[_pool(agent)] -= request(step.plan.spec, trial.ooms) or 0
    return free


def _nearest(needed: int, free: dict[str, int], agents: Sequence[AgentRow]) -> str:
    """The pool that could hold so much and is nearest to it."""
    able = {_pool(agent) for agent in agents if agent.memory is not None and agent.memory >= needed and not agent.wish}
    return max(sorted(able), key=lambda pool: free.get(pool, 0), default="")
