"""`HttpSource` before real routes on a real server keeps the laws of a source, and outlives the server."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from swath.agents import Assignment, Lease, Over, TrialSource
from swath.agents.http_source import HttpSource
from swath.agents.testing import MemorySource, SourceWorld, TrialSourceLaws
from swath.agents.testing.sources import FINISHED, agent, job, joined, take
from swath.sweeps.routes import sweep_routes
from swath.tracking.clock import SYSTEM_CLOCK
from swath.tracking.errors import LeaseLost, NotAllowed, NotFound, RetryLater, SwathError, UsageError
from swath.tracking.runlog.records import Row
from swath.tracking.server import ServerThread, create_app

TOKEN = "a-token"


class MovableClock:
    """The machine's clock, and what was added to it."""

    def __init__(self) -> None:
        self.added = 0.0

    def now(self) -> float:
        return SYSTEM_CLOCK.now() + self.added

    def monotonic(self) -> float:
        return SYSTEM_CLOCK.monotonic() + self.added

    def sleep(self, seconds: float) -> None:
        SYSTEM_CLOCK.sleep(seconds)


class HttpWorld:
    """A memory source behind a server, and an HTTP source that asks it."""

    def __init__(self, trials: int, **options: Any) -> None:
        self.clock = MovableClock()
        self.others: dict[str, TrialSource] = {}
        self.memory = MemorySource(job(), [{"x": number} for number in range(trials)], clock=self.clock)
        self.server = ServerThread(create_app(TOKEN, sweep_routes(self.resolve))).start()
        self.source: TrialSource = self.asking(**options)

    def resolve(self, sweep_id: str) -> TrialSource:
        if sweep_id in self.others:
            return self.others[sweep_id]
        if sweep_id != "s1":
            raise NotFound(f"there is no sweep {sweep_id!r}", "see `sweep list`")
        return self.memory

    def asking(self, sweep_id: str = "s1", token: str = TOKEN, **options: Any) -> HttpSource:
        return HttpSource(self.server.url, token, sweep_id, **options)

    def pass_time(self, seconds: float) -> None:
        self.clock.added += seconds

    def endings(self) -> Counter[str]:
        return self.memory.endings()

    def steps(self, run_id: str, attempt: int) -> list[int]:
        number = next(trial.number for trial in self.memory.trials if trial.run_id == run_id)
        return [record.step for record in self.memory.records(number, attempt) if isinstance(record, Row)]


Worlds = Callable[..., HttpWorld]


@pytest.fixture
def worlds() -> Iterator[Worlds]:
    made: list[HttpWorld] = []

    def make(trials: int = 3, **options: Any) -> HttpWorld:
        made.append(HttpWorld(trials, **options))
        return made[-1]

    yield make
    for world in made:
        assert isinstance(world.source, HttpSource)
        world.source.close()
        world.server.stop()


class TestHttpSource(TrialSourceLaws):
    @pytest.fixture(autouse=True)
    def _worlds(self, worlds: Worlds) -> None:
        self.worlds = worlds

    def make(self, trials: int, tmp_path: Any) -> SourceWorld:
        return self.worlds(trials)


def test_the_job_and_the_trials_arrive_as_they_were_sent(worlds: Worlds) -> None:
    world = worlds()
    assert world.source.join(agent()) == world.memory.job
    offer = world.source.acquire(agent().id, "r1")
    assert offer == world.memory.acquire(agent().id, "r1")


def test_an_agent_behind_http_is_never_told_a_folder_of_the_servers_disk(worlds: Worlds) -> None:
    world = worlds()
    world.memory.job = job(run_root="/srv/runs")
    assert world.source.join(agent()).run_root is None


def test_a_sweep_that_is_not_there_is_not_found(worlds: Worlds) -> None:
    with worlds().asking("s2") as source, pytest.raises(NotFound, match="s2") as caught:
        source.join(agent())
    assert "sweep list" in caught.value.hint


def test_a_wrong_token_is_not_asked_for_again(worlds: Worlds) -> None:
    with worlds().asking(token="stolen") as source, pytest.raises(NotAllowed, match="token"):
        source.join(agent())


@pytest.mark.parametrize("error", [LeaseLost("taken over", "drop it"), NotAllowed("paused"), UsageError("wrong")])
def test_errors_of_the_source_arrive_as_themselves(worlds: Worlds, error: SwathError) -> None:
    world = worlds()
    world.memory.fail_next(error)
    with pytest.raises(type(error)) as caught:
        world.source.join(agent())
    assert (caught.value.message, caught.value.hint) == (error.message, error.hint)


def test_a_source_that_is_busy_is_asked_again(worlds: Worlds) -> None:
    world = worlds()
    for _ in range(3):
        world.memory.fail_next(RetryLater("the store is locked"))
    assert world.source.join(agent()) == world.memory.job


def test_an_answer_lost_after_it_took_effect_loses_no_trial(worlds: Worlds) -> None:
    world = worlds(2)
    source = joined(world)
    world.memory.fail_next(RetryLater("cut off"), after=True)
    first = take(source, "r1")
    world.memory.fail_next(RetryLater("cut off"), after=True)
    second = source.finish(first.lease, FINISHED, (), "r2")
    assert isinstance(second, Assignment)
    assert source.finish(second.lease, FINISHED, (), "r3") == Over("all trials have ended")
    assert world.endings() == {"finished": 2}


def test_a_server_that_stays_away_is_retry_later_after_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with HttpSource(url, TOKEN, "s1", deadline_s=0.3) as source, pytest.raises(RetryLater, match=url) as caught:
        source.join(agent())
    assert "server" in caught.value.hint


def test_a_server_that_does_not_answer_in_time_is_retry_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with HttpSource(url, TOKEN, "s1", deadline_s=0.2, answer_s=0.1) as source, pytest.raises(RetryLater):
            source.join(agent())


def test_a_server_that_comes_back_on_its_port_is_found_again(worlds: Worlds) -> None:
    world = worlds(2, deadline_s=60.0)
    source = joined(world)
    first = take(source, "r1")
    world.server.stop()
    offers: list[Any] = []
    asking = threading.Thread(target=lambda: offers.append(source.finish(first.lease, FINISHED, (), "r2")))
    asking.start()
    world.server.start()
    asking.join(60)
    assert [offer.number for offer in offers] == [2]
    assert world.endings() == {"finished": 1}


def test_closing_ends_the_pauses_of_a_call_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    source = HttpSource(f"http://127.0.0.1:{port}", TOKEN, "s1", deadline_s=3600.0)
    errors: list[Exception] = []

    def ask() -> None:
        try:
            source.join(agent())
        except RetryLater as error:
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    source.close()
    asking.join(30)
    assert [type(error) for error in errors] == [RetryLater]


def test_a_body_that_cannot_be_read_is_a_usage_error_and_says_so(worlds: Worlds) -> None:
    import httpx

    answer = httpx.post(
        f"{worlds().server.url}/v1/sweeps/s1/acquire",
        content=b"\x80",
        headers={"Authorization": f"Bearer {TOKEN}"},
        trust_env=False,
    )
    assert answer.status_code == 400
    assert "acquire" in answer.json()["message"]


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://there/"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(UsageError, match="address"):
        HttpSource(url, TOKEN, "s1")


def test_a_slow_call_of_one_agent_does_not_hold_up_another(worlds: Worlds) -> None:
    """A suggestion that takes long must leave the server's event loop free."""
    world = worlds(4)
    source = joined(world)
    entered, go_on = threading.Event(), threading.Event()

    class Slow:
        def acquire(self, agent_id: str, request: str) -> Any:
            entered.set()
            assert go_on.wait(30)
            return Over("at last")

    world.others["slow"] = cast(TrialSource, Slow())

    def ask_slowly() -> None:
        with world.asking("slow") as slowly:
            slowly.acquire("a", "r")

    waiting = threading.Thread(target=ask_slowly)
    waiting.start()
    assert entered.wait(30)
    held = take(source, "r1")
    assert source.report(held.lease, ()).action == "continue"
    with pytest.raises(LeaseLost):
        source.report(Lease(held.lease.run_id, 99, "x"), ())
    go_on.set()
    waiting.join(30)
