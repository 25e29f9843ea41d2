"""What the controller remembers of trials and agents is what the store holds, whoever else has changed it."""

from __future__ import annotations

from typing import Any

from swath.agents.protocol import Assignment, TrialSource, Wait
from swath.sweeps.controller import WAIT_S
from swath.sweeps.workspace import Workspace

SPEC = {
    "method": "grid", "metric": {"name": "loss"}, "function": "m:f", "parameters": {"x": {"values": [1, 2, 3]}},
}  # fmt: skip


def another(b: Any) -> tuple[Workspace, TrialSource]:
    """The same sweep as another process has it."""
    workspace = Workspace(b.workspace.root, b.clock)
    return workspace, workspace.source(b.sweep)


def test_a_request_is_answered_the_same_whichever_process_is_asked(bench: Any) -> None:
    b = bench(SPEC)
    workspace, other = another(b)
    with workspace:
        b.join("b")
        first = other.acquire("b", "one")
        assert isinstance(first, Assignment)
        second = b.source.acquire("a", "one")
        assert isinstance(second, Assignment)
        assert b.source.acquire("b", "one") == first
        assert other.acquire("a", "one") == second
        b.finish(second, 1.0)
        third = other.acquire("a", "one")
        assert isinstance(third, Assignment)
        assert third.number == 3


def test_what_another_process_renewed_has_not_run_out_and_what_it_gave_back_is_handed_out(bench: Any) -> None:
    b = bench({**SPEC, "run_cap": 1})
    workspace, other = another(b)
    with workspace:
        b.join("b")
        trial = b.take()
        b.clock.advance(20)
        other.report(trial.lease, [])
        b.clock.advance(20)
        assert isinstance(b.offer("b"), Wait)
        other.leave("a", "it has to go")
        assert b.take("b").lease.run_id == trial.lease.run_id
        b.lapse()
        b.join("c")
        assert b.take("c").lease.attempt == 3


def test_idle_agents_ask_more_seldom_where_there_are_many(bench: Any) -> None:
    b = bench({**SPEC, "run_cap": 1})
    b.take()
    assert b.offer() == Wait(WAIT_S, "every trial is handed out; one whose agent dies would come back")
    for number in range(399):
        b.join(f"agent-{number}")
        b.offer(f"agent-{number}")
    assert b.offer("agent-1").seconds == 0.4
    for number in range(300):
        b.source.leave(f"agent-{number}", "it has to go")
    assert b.offer().seconds == WAIT_S


def test_an_agents_last_sign_of_life_is_stored_to_the_second(bench: Any) -> None:
    b = bench(SPEC)
    trial = b.take()
    seen = []
    for _ in range(4):
        b.clock.advance(0.4)
        b.report(trial, 1.0)
        [agent] = b.workspace.agents(b.sweep)
        seen.append(round(b.clock.now() - agent.seen, 1))
    assert seen == [0.4, 0.8, 0.0, 0.4]


def test_agents_that_ask_for_the_same_name_get_one_each(bench: Any) -> None:
    from swath.agents.protocol import AgentInfo

    b = bench(SPEC)
    for id_ in ("1", "2", "3"):
        b.source.join(AgentInfo(id_, "a", "elsewhere", 1, b.clock.now()))
    b.source.join(AgentInfo("4", "a%", "elsewhere", 1, b.clock.now()))
    assert sorted(agent.name for agent in b.workspace.agents(b.sweep)) == ["a", "a%", "a-2", "a-3", "a-4"]
