"""A trial that ran out of memory asks for more, is given it where there is room, and never more than there could be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from swath.agents.launchers.growing import ASK_S, Growing
from swath.agents.protocol import AgentInfo, Assignment, Wait
from swath.sweeps.explaining import explain
from swath.sweeps.spec import parse_spec
from swath.sweeps.spec.model import RetryOom
from swath.sweeps.states import TrialState
from swath.tracking.testing import FakeClock

GIB = 2**30
SPEC: dict[str, Any] = {
    "method": "grid", "program": "train.py", "parameters": {"x": {"values": [1, 2, 3, 4]}},
    "resources": {"memory": "2GiB"}, "retry": {"oom": {"memory": "x2", "max": 2}},
}  # fmt: skip


def begun(bench: Any, spec: dict[str, Any] = SPEC) -> Any:
    b = bench(spec)
    b.source.leave("a", "it does not say how much memory it has")
    return b


def join(b: Any, name: str, memory: int, pool: str = "", most: int | None = None) -> None:
    info = AgentInfo(name, name, "host-of-none", 1, b.clock.now(), pool=pool, memory=memory, most=most)
    b.source.join(info)


def oom(b: Any, trial: Assignment) -> None:
    b.finish(trial, ending="failed", exit_code=1, error="MemoryError", cause="oom")


def test_each_time_it_asks_for_more_which_is_told_everywhere_and_then_it_has_failed(bench: Any) -> None:
    b = begun(bench)
    join(b, "big", 16 * GIB)
    given = []
    for _ in range(3):
        trial = b.take("big")
        given.append(trial.memory)
        oom(b, trial)
    assert given == [None, 4 * GIB, 8 * GIB]
    view = b.workspace.trial(f"{b.sweep}-1")
    assert (view.state, view.memory) == (TrialState.FAILED, 8 * GIB)
    assert "with 8 GiB, and its 2 retries with more memory are used up" in view.reason
    told = explain(b.workspace, b.sweep, 1).attempts
    assert [attempt.memory for attempt in told] == [None, 4 * GIB, 8 * GIB]
    assert told[0].reason.endswith("ran out of memory (exit code 1) with 2 GiB; retry 1 of 2 with 4 GiB")


def test_what_no_agent_could_give_is_not_asked_for(bench: Any) -> None:
    b = begun(bench)
    join(b, "small", 3 * GIB)
    oom(b, b.take("small"))
    reason = b.workspace.trial(f"{b.sweep}-1").reason
    assert reason.endswith("it would ask for 4 GiB, and no agent can give more than 3 GiB")
    join(b, "other", 3 * GIB, most=6 * GIB)
    second = b.take("small")
    oom(b, second)
    assert b.workspace.trial(second.lease.run_id).state is TrialState.QUEUED
    assert b.workspace.unplaced_memory(b.sweep) == 4 * GIB


def test_agents_of_a_pool_share_its_memory_and_the_bigger_trial_is_not_passed_by_smaller_ones(bench: Any) -> None:
    b = begun(bench)
    for name in ("c", "b"):
        join(b, name, 5 * GIB, pool="machine")
    first, second = b.take("c"), b.take("b")
    oom(b, first)
    assert isinstance(b.offer("c"), Wait)  # 3 GiB are free
    b.finish(second)
    again = b.take("b")
    assert (again.number, again.memory) == (1, 4 * GIB)
    assert isinstance(b.offer("c"), Wait)
    b.finish(again)
    assert b.take("c").number == 3


def test_a_trial_goes_past_agents_that_are_too_small_and_fails_when_only_those_are_left(bench: Any) -> None:
    b = begun(bench, SPEC | {"run_cap": 2})
    join(b, "big", 9 * GIB)
    join(b, "small", 2 * GIB)
    oom(b, b.take("big"))
    other = b.take("small")
    assert other.number == 2
    b.finish(other)
    b.source.leave("big", "done")
    assert not isinstance(b.offer("small"), Assignment)
    view = b.workspace.trial(f"{b.sweep}-1")
    assert view.state is TrialState.FAILED
    assert view.reason == "it asks for 4 GiB of memory, and no agent that is left can give more than 2 GiB"


def test_the_key_survives_the_spec_s_own_dict_and_needs_something_to_multiply() -> None:
    spec = parse_spec(SPEC | {"retry": {"oom": {"memory": "x1.5"}}})
    assert spec.retry.oom == RetryOom(1.5, 2)
    assert parse_spec(spec.to_dict()).retry == spec.retry


@dataclass
class Sized:
    memory: int
    stands: bool = True
    leaves: bool = False

    def drain(self) -> None:
        self.leaves = True


def test_a_bigger_agent_takes_the_place_of_one_and_of_another_while_it_finds_no_room() -> None:
    clock = FakeClock()
    growing, agents = Growing(clock, 10.0), [Sized(2), Sized(2), Sized(2)]

    def step(wanted: int | None) -> tuple[int, list[int | None]]:
        clock.advance(ASK_S)
        change = growing.step(lambda: wanted, agents)
        for agent in change.leave:
            agent.drain()
        return len(change.leave), list(change.hire)

    assert step(None) == (0, [])
    assert step(4) == (1, [4])
    agents.append(Sized(4, stands=False))
    assert step(4) == (0, [])
    agents.pop(0)
    clock.advance(10.0)
    assert step(4) == (1, [])
    agents.pop(0)
    agents[-1].stands = True
    assert step(None) == (0, [None])
    assert step(None) == (0, [])


@pytest.mark.parametrize("wanted", ["2", "x1", "x0.5", "+1GiB", 2])
def test_a_multiple_is_above_one(wanted: Any) -> None:
    from swath.sweeps.spec import SpecFaults

    with pytest.raises(SpecFaults, match="multiple above 1"):
        parse_spec(SPEC | {"retry": {"oom": {"memory": wanted}}})
