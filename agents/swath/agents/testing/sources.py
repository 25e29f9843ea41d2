"""The laws of `TrialSource`, as tests: subclass `TrialSourceLaws` in a test file and say how to make a source."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from swath.agents.protocol import (
    AgentInfo,
    Assignment,
    Chunk,
    Job,
    Lease,
    Offer,
    Outcome,
    Over,
    Task,
    TrialSource,
    Wait,
)
from swath.tracking.errors import LeaseLost, NotFound
from swath.tracking.layout import segment_name
from swath.tracking.runlog.frames import HEADER_SIZE
from swath.tracking.runlog.logfile import LogWriter, read_from
from swath.tracking.runlog.records import Row

FINISHED = Outcome("finished", 0)


class SourceWorld(Protocol):
    """A source under test, and what the laws need to know about its inside."""

    @property
    def source(self) -> TrialSource:
        """The source; it hands out as many trials as it was made with."""
        ...

    def pass_time(self, seconds: float) -> None:
        """Let the source's clock go on: leases not renewed meanwhile run out."""
        ...

    def endings(self) -> Counter[str]:
        """How many trials (not attempts) have ended for good, by ending."""
        ...

    def steps(self, run_id: str, attempt: int) -> list[int]:
        """The steps of the rows that the source has of an attempt, in order."""
        ...


def job(**changes: Any) -> Job:
    """A job for tests; its leases last 30 seconds."""
    values: dict[str, Any] = {
        "sweep_id": "s1",
        "sweep_name": "laws",
        "project": "tests",
        "task": Task(program="train.py"),
        "metric": "loss",
        "grace_s": 1.0,
    }
    return Job(**(values | changes))


def agent(name: str = "a") -> AgentInfo:
    return AgentInfo(id=f"agent-{name}", name=name, host="here", pid=1, started=0.0)


def rows_as_bytes(tmp_path: Any, steps: list[int]) -> bytes:
    """The frames of a segment that holds one row a step."""
    path = tmp_path / "made.log"
    path.unlink(missing_ok=True)
    writer = LogWriter(path)
    for step in steps:
        writer.append(Row(step, float(step), {"loss": 1.0 / (1 + step)}))
    writer.close()
    return read_from(path, 0)


class TrialSourceLaws:
    """Subclass it as `TestX` and implement `make`."""

    def make(self, trials: int, tmp_path: Any) -> SourceWorld:
        """A source with this many trials, each with another config, whose logs it does not share with agents."""
        raise NotImplementedError

    @pytest.fixture
    def world_of(self, tmp_path: Any) -> Callable[[int], SourceWorld]:
        return lambda trials: self.make(trials, tmp_path)

    def test_the_same_request_gives_the_same_trial(self, world_of: Callable[[int], SourceWorld]) -> None:
        source = joined(world_of(3))
        first = take(source, "r1")
        assert take(source, "r1") == first
        assert take(source, "r2").lease.run_id != first.lease.run_id

    def test_joining_again_changes_nothing(self, world_of: Callable[[int], SourceWorld]) -> None:
        source = joined(world_of(2))
        taken = take(source, "r1")
        assert source.join(agent()) == source.join(agent())
        source.report(taken.lease, ())
        assert take(source, "r1") == taken

    def test_finish_may_be_said_again_and_answers_the_same(self, world_of: Callable[[int], SourceWorld]) -> None:
        world = world_of(3)
        source = joined(world)
        taken = take(source, "r1")
        following = source.finish(taken.lease, FINISHED, (), "r2")
        assert isinstance(following, Assignment)
        assert source.finish(taken.lease, FINISHED, (), "r2") == following
        assert world.endings() == {"finished": 1}

    def test_finish_without_a_request_hands_out_nothing(self, world_of: Callable[[int], SourceWorld]) -> None:
        source = joined(world_of(2))
        assert source.finish(take(source, "r1").lease, FINISHED, ()) is None

    def test_a_lease_that_was_not_renewed_is_lost_and_its_trial_handed_out_again(
        self, world_of: Callable[[int], SourceWorld]
    ) -> None:
        world = world_of(1)
        source = joined(world)
        lost = take(source, "r1")
        source.join(agent("b"))
        let_run_out(world)
        again = take(source, "r2", "b")
        assert (again.lease.run_id, again.lease.attempt) == (lost.lease.run_id, lost.lease.attempt + 1)
        assert again.config == lost.config

    def test_a_lost_lease_cannot_write(self, world_of: Callable[[int], SourceWorld], tmp_path: Any) -> None:
        world = world_of(1)
        source = joined(world)
        lost = take(source, "r1").lease
        let_run_out(world)
        again = take(source, "r2").lease
        chunk = chunk_of(lost, rows_as_bytes(tmp_path, [0]))
        with pytest.raises(LeaseLost):
            source.report(lost, [chunk])
        with pytest.raises(LeaseLost):
            source.finish(lost, FINISHED, [chunk])
        assert world.steps(lost.run_id, lost.attempt) == []
        source.finish(again, FINISHED, ())
        assert world.endings() == {"finished": 1}

    def test_a_renewed_lease_stands(self, world_of: Callable[[int], SourceWorld]) -> None:
        world = world_of(1)
        source = joined(world)
        held = take(source, "r1").lease
        for _ in range(4):
            world.pass_time(20.0)
            assert source.report(held, ()).action == "continue"

    def test_requeued_trials_come_before_new_ones_in_their_order(self, world_of: Callable[[int], SourceWorld]) -> None:
        source = joined(world_of(5))
        one, two = take(source, "r1"), take(source, "r2")
        source.finish(two.lease, Outcome("preempted"), ())
        source.finish(one.lease, Outcome("preempted"), ())
        again = [take(source, f"r{number}").lease.run_id for number in (3, 4)]
        assert again == [two.lease.run_id, one.lease.run_id]
        assert take(source, "r5").lease.run_id not in again

    def test_leaving_gives_the_held_trial_back(self, world_of: Callable[[int], SourceWorld]) -> None:
        source = joined(world_of(1))
        held = take(source, "r1").lease
        source.leave(agent().id, "done")
        source.leave(agent().id, "done")
        source.join(agent("b"))
        assert take(source, "r2", "b").lease.run_id == held.run_id
        with pytest.raises(LeaseLost):
            source.report(held, ())

    def test_bytes_sent_again_are_taken_once(self, world_of: Callable[[int], SourceWorld], tmp_path: Any) -> None:
        world = world_of(1)
        source = joined(world)
        held = take(source, "r1").lease
        data = rows_as_bytes(tmp_path, [0, 1, 2])
        half = len(rows_as_bytes(tmp_path, [0, 1]))
        source.report(held, [chunk_of(held, data[:half])])
        source.report(held, [chunk_of(held, data[:half])])
        source.finish(held, FINISHED, [chunk_of(held, data)])
        assert world.steps(held.run_id, held.attempt) == [0, 1, 2]

    def test_bytes_may_be_cut_anywhere(self, world_of: Callable[[int], SourceWorld], tmp_path: Any) -> None:
        world = world_of(1)
        source = joined(world)
        held = take(source, "r1").lease
        data = rows_as_bytes(tmp_path, list(range(5)))
        cut = len(data) // 2 + 3
        source.report(held, [chunk_of(held, data[:cut])])
        source.finish(held, FINISHED, [Chunk(segment_name(held.attempt), HEADER_SIZE + cut, data[cut:])])
        assert world.steps(held.run_id, held.attempt) == list(range(5))

    def test_when_all_trials_have_ended_it_is_over(self, world_of: Callable[[int], SourceWorld]) -> None:
        source = joined(world_of(1))
        held = take(source, "r1").lease
        waiting = source.acquire(agent().id, "r2")
        assert isinstance(waiting, Wait | Over)
        source.finish(held, FINISHED, ())
        assert isinstance(source.acquire(agent().id, "r3"), Over)

    def test_an_agent_that_never_joined_gets_nothing(self, world_of: Callable[[int], SourceWorld]) -> None:
        source = world_of(1).source
        with pytest.raises(NotFound):
            source.acquire("nobody", "r1")

    def test_eight_agents_at_once_run_each_trial_exactly_once(self, world_of: Callable[[int], SourceWorld]) -> None:
        world = world_of(100)
        ran: list[str] = []
        faults: list[BaseException] = []
        threads = [threading.Thread(target=_work, args=(world.source, str(n), ran, faults)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        assert faults == []
        assert len(ran) == len(set(ran)) == 100
        assert world.endings() == {"finished": 100}


def joined(world: SourceWorld) -> TrialSource:
    world.source.join(agent())
    return world.source


def take(source: TrialSource, request: str, name: str = "a") -> Assignment:
    offer = source.acquire(agent(name).id, request)
    assert isinstance(offer, Assignment), offer
    return offer


def let_run_out(world: SourceWorld) -> None:
    """Let time pass in which an agent is heard, but not the one that has a lease."""
    for _ in range(4):
        world.pass_time(10.0)
        world.source.join(agent("heard"))


def chunk_of(lease: Lease, data: bytes) -> Chunk:
    return Chunk(segment_name(lease.attempt), HEADER_SIZE, data)


def _work(source: TrialSource, name: str, ran: list[str], faults: list[BaseException]) -> None:
    try:
        me = agent(name).id
        source.join(agent(name))
        offer: Offer | None = source.acquire(me, f"{me}-0")
        number = 0
        while isinstance(offer, Assignment):
            number += 1
            ran.append(offer.lease.run_id)
            source.report(offer.lease, ())
            offer = source.finish(offer.lease, FINISHED, (), f"{me}-{number}")
        source.leave(me, "done")
    except BaseException as error:
        faults.append(error)
