"""Trials whose agents are gone: finds them, takes over what they logged, and gives them back to the queue."""

from __future__ import annotations

from collections.abc import Set

import msgspec

from swath.agents.executors.group import reap_orphan
from swath.sweeps import endings, intake, ledger, settling
from swath.sweeps.ledger import AgentRow, TrialRow
from swath.sweeps.settling import Settlement
from swath.sweeps.states import TrialState
from swath.sweeps.step import Step
from swath.tracking import layout
from swath.tracking.apply.liveness import is_gone
from swath.tracking.host import this_host

#: Agents renew their leases at a third of them. Where none at all was heard for longer than this share of a lease, it
#: was not the agents: the server was away, the network was cut, or the machine slept.
_HUSH = 2 / 3
#: Who looks on, and wants no trial, takes none back from agents that were silent together for less than this.
_LONG_S = 120.0


def hear(step: Step, lease_s: float) -> None:
    """An agent is heard. After a hush of all of them every lease begins anew: the others will be heard in a moment."""
    if step.sweep.heard is not None and step.now - step.sweep.heard > _HUSH * lease_s:
        until = step.now + lease_s
        for trial in ledger.trials_in(step.connection, step.sweep.id, TrialState.RUNNING):
            step.save(msgspec.structs.replace(trial, expires=max(trial.expires or 0.0, until)))
    step.change(heard=step.now)


def is_hushed(step: Step, lease_s: float) -> bool:
    """Whether no agent at all was heard lately, and not for so long either that none can be there any more."""
    heard = step.sweep.heard
    return heard is not None and _HUSH * lease_s < step.now - heard < _LONG_S


def reap_expired(step: Step, lease_s: float) -> int:
    """Take back the trials whose lease ran out; how many."""
    gone = ledger.expired(step.connection, step.sweep.id, step.now)
    for trial in gone:
        take_back(step, trial, f"its agent was silent for {lease_s:g} s")
    return len(gone)


def reap_dead(step: Step, among: Set[str] | None = None) -> int:
    """Take back the trials of this machine's agents that have died, without waiting for their leases; how many.

    `among`: look at these agents only.
    """
    dead = [
        agent
        for agent in ledger.active_at(step.connection, step.sweep.id, this_host())
        if (among is None or agent.id in among) and is_gone(agent.host, agent.pid, agent.started)
    ]
    return sum(_unregister(step, agent, "dead", "its process is gone") for agent in dead)


def release(step: Step, agent: AgentRow, reason: str) -> int:
    """Unregister an agent that leaves in good order, and take back what it still holds; how many trials."""
    return _unregister(step, agent, "left", reason)


def _unregister(step: Step, agent: AgentRow, state: str, reason: str) -> int:
    running = ledger.trials_in(step.connection, step.sweep.id, TrialState.RUNNING)
    held = [trial for trial in running if trial.agent_id == agent.id]
    if agent.state == "active":
        step.set_agent_gone(agent.id, state, step.now if state == "left" else agent.seen)
        step.event("agent.left", agent.id, name=agent.name, reason=reason, state=state)
    verb = "left" if state == "left" else "died"
    for trial in held:
        take_back(step, trial, f"its agent {agent.name} {verb}", orderly=state == "left")
    return len(held)


def take_back(step: Step, trial: TrialRow, why: str, orderly: bool = False) -> None:
    """Take a trial from an agent that is gone; `orderly`: the agent itself gave it back.

    What it logged is taken over first: a trial that had told its good end is finished, one with a verdict gets what the
    verdict says, any other is run again. Its processes are killed, where they are this machine's.
    """
    folder = layout.run_dir(step.root, trial.run_id)
    taken = intake.take(step, trial, intake.on_disk(folder, trial.attempt), final=True)
    reap_orphan(folder, trial.attempt)
    trial, run = msgspec.structs.replace(taken.trial, losses=trial.losses + (not orderly)), taken.run
    if trial.verdict != "continue":
        states = {"stop": TrialState.STOPPED, "pause": TrialState.PAUSED, "exploit": TrialState.QUEUED}
        settled = Settlement(states.get(trial.verdict, TrialState.KILLED), trial.verdict_reason)
    elif run.state == "finished":
        trial = msgspec.structs.replace(trial, exit_code=0)
        settled = Settlement(TrialState.FINISHED, f"ran to its end; then {why}")
    elif orderly:
        settled = settling.left(trial, step.plan.spec.retry, bool(run.applied), why)
    else:
        settled = settling.lost(trial, step.plan.spec.retry, why)
    if settled.state is TrialState.QUEUED:
        endings.requeue(step, trial, run, settled.reason, settled.delay_s, "preempted" if orderly else "lost")
    elif settled.state is TrialState.PAUSED:
        endings.pause(step, trial, run, settled.reason)
    else:
        endings.close(
            step, trial, run, settled, "crashed" if settled.state is TrialState.FAILED else str(settled.state)
        )
