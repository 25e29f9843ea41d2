"""Agents that are asked to leave learn it with the next answer, and lose no trial over it."""

from __future__ import annotations

from typing import Any

import pytest

from swath.agents.protocol import Outcome, Over
from swath.sweeps.dismissing import Dismissal
from swath.sweeps.states import TrialState
from swath.tracking.errors import NotFound

SPEC = {
    "method": "grid", "metric": {"name": "loss"}, "function": "m:f", "parameters": {"x": {"values": [1, 2, 3, 4]}},
}  # fmt: skip


def outcomes(asked: list[Dismissal]) -> list[tuple[str, str]]:
    return [(each.name, each.outcome) for each in asked]


def test_an_agent_that_drains_ends_its_trial_and_gets_no_other(bench: Any) -> None:
    b = bench(SPEC)
    trial = b.take()
    assert outcomes(b.workspace.dismiss(b.sweep, "a", "drain")) == [("a", "asked")]
    assert b.report(trial, 1.0).action == "continue"
    over = b.source.finish(trial.lease, Outcome("finished"), [], "next")
    assert over == Over("it was asked to leave after its trial")
    assert isinstance(b.offer(), Over)
    assert b.workspace.trial(trial.lease.run_id).state is TrialState.FINISHED
    b.join("b")
    assert b.take("b").number == 2


def test_an_agent_that_is_stopped_is_told_with_its_report_and_its_trial_goes_back(bench: Any) -> None:
    b = bench(SPEC)
    trial = b.take()
    b.workspace.dismiss(b.sweep, "all", "stop")
    assert b.source.report(trial.lease, []).action == "leave"
    assert b.source.finish(trial.lease, Outcome("preempted"), [], None) is None
    b.source.leave("a", "asked")
    b.join("b")
    again = b.take("b")
    assert (again.number, again.lease.attempt) == (1, 2)


def test_asking_again_changes_nothing_and_the_gone_are_told_as_such(bench: Any) -> None:
    b = bench(SPEC)
    b.join("b")
    assert outcomes(b.workspace.dismiss(b.sweep, "a", "stop")) == [("a", "asked")]
    assert outcomes(b.workspace.dismiss(b.sweep, "a", "stop")) == [("a", "asked before")]
    assert outcomes(b.workspace.dismiss(b.sweep, "a", "drain")) == [("a", "asked before")]
    assert outcomes(b.workspace.dismiss(b.sweep, "all", "drain")) == [("a", "asked before"), ("b", "asked")]
    assert [event["name"] for event in b.events("agent.asked")] == ["a", "b"]
    b.clock.advance(5)
    b.source.leave("a", "asked")
    left = b.workspace.dismiss(b.sweep, "a", "stop")
    assert (outcomes(left), left[0].seen) == ([("a", "left")], b.clock.now())
    with pytest.raises(NotFound, match="no agent 'x'"):
        b.workspace.dismiss(b.sweep, "x", "stop")


def test_utilisation_is_the_share_of_an_agents_life_that_its_trials_took(bench: Any) -> None:
    b = bench(SPEC)
    b.clock.advance(5)
    trial = b.take()
    b.clock.advance(10)
    b.finish(trial, 1.0)
    b.clock.advance(5)
    running = b.take()
    b.clock.advance(20)
    b.report(running, 1.0)
    [agent] = b.workspace.agents(b.sweep)
    assert (agent.standing, agent.trial, agent.done, agent.busy) == ("working", 2, 1, 30.0)
    assert agent.utilisation == pytest.approx(0.75)
    assert agent.since == b.clock.now() - 20
    b.clock.advance(60)
    assert b.workspace.agents(b.sweep)[0].standing == "silent"
    b.finish(running, 1.0)
    b.source.leave("a", "done")
    b.clock.advance(1000)
    [agent] = b.workspace.agents(b.sweep)
    assert (agent.standing, agent.trial, agent.utilisation) == ("left", None, pytest.approx(0.9))
