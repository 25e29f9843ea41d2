"""A server sends the alerts that its runs could not deliver, each once, to its own targets; all parts are real."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.receivers import Receiver, free_port
from tests.integration.shipped import TOKEN, Machine, ServerProcess, Store, wait_for

from swath.agents.protocol import AgentInfo, Assignment, Chunk
from swath.sweeps.spec import parse_spec
from swath.sweeps.workspace import Workspace
from swath.tracking import layout
from swath.tracking.apply.catchup import take_over_runs, trials_by_log
from swath.tracking.clock import SYSTEM_CLOCK
from swath.tracking.runlog.frames import HEADER_SIZE
from swath.tracking.runlog.logfile import LogWriter, read_from
from swath.tracking.runlog.records import Alert, Finish, Header
from swath.tracking.server.alerts import MOST_A_MINUTE, ServerAlerts
from swath.tracking.shipping.shipper import sync
from swath.tracking.store import Database
from swath.tracking.store.jsontext import from_json
from swath.tracking.store.runs import events_of
from swath.tracking.store.tables import MIGRATIONS
from swath.tracking.testing import FakeClock

pytest.importorskip("apprise")
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "local")
    yield made
    made.end()


def target(receiver: Receiver) -> str:
    return f"json://127.0.0.1:{receiver.port}/hook"


def posted(receiver: Receiver) -> list[str]:
    return [post["title"] for _, post in receiver.posts]


def events(database: Database, kind: str) -> list[dict[str, Any]]:
    with database.read() as connection:
        return [from_json(row.payload) for row in events_of(connection, kind, 0, 1000)]


def recorded(root: Path, run_id: str, *alerts: Alert, name: str = "") -> Path:
    """A run that was recorded somewhere, and has ended."""
    path = root / "runs" / run_id / "0001.log"
    writer = LogWriter(path)
    writer.append(Header(run_id, 1, SYSTEM_CLOCK.now(), name or run_id, host="elsewhere", pid=1))
    for alert in alerts:
        writer.append(alert)
    writer.append(Finish(0, SYSTEM_CLOCK.now()))
    writer.close()
    return path


def now(title: str, ago: float = 0.0, **more: Any) -> Alert:
    return Alert(SYSTEM_CLOCK.now() - ago, title, "text", "WARN", **more)


def shipped_alone(store: Store, machine: Machine, run_id: str, *alerts: Alert) -> None:
    recorded(machine.root, run_id, *alerts)
    sync(machine.root, store.server.url, TOKEN)


def test_the_alert_of_a_run_that_is_trained_elsewhere_is_sent_while_it_is_trained(
    tmp_path: Path, machine: Machine, receiver: Receiver
) -> None:
    with Store(tmp_path / "server", alerts=[target(receiver)]) as store:
        code = 'run.alert("High loss", "loss is 7", "WARN")\nsaid()\nfinish()'
        training = machine.start(code, store.server.url, name="baseline")
        wait_for(lambda: posted(receiver))
        wait_for(lambda: events(store.database, "alert.sent"))
        assert store.run("r1").state == "running"
        out, err = training.communicate("go\n", timeout=60)
        assert out == "finished True False\n", err
        assert [told["title"] for told in events(store.database, "alert.sent")] == ["High loss"]
    ((_, post),) = receiver.posts
    assert (post["title"], post["type"], post["message"]) == (
        "High loss",
        "warning",
        "loss is 7\n\nrun baseline (r1)",
    )


def test_an_alert_is_sent_once_whatever_is_sent_again_and_started_again(
    tmp_path: Path, machine: Machine, receiver: Receiver
) -> None:
    path = recorded(machine.root, "r1", now("once"))
    data = path.read_bytes()
    for start in range(3):
        with Store(tmp_path / "server", alerts=[target(receiver)]) as store:
            for _ in range(2):
                url = f"{store.server.url}/v1/runs/r1/segments/0001.log?offset={HEADER_SIZE}"
                answer = httpx.put(
                    url, content=data[HEADER_SIZE:], headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False
                )
                assert answer.status_code == 200
            shipped_alone(store, Machine(tmp_path / f"other{start}"), f"last{start}", now(f"last {start}"))
            wait_for(lambda: posted(receiver)[-1:] == [f"last {start}"])  # noqa: B023
    assert posted(receiver) == ["once", "last 0", "last 1", "last 2"]


def test_a_server_that_is_killed_while_it_sends_does_not_send_again(
    tmp_path: Path, machine: Machine, receiver: Receiver
) -> None:
    receiver.released.clear()
    server = ServerProcess(tmp_path / "server", f"json://127.0.0.1:{receiver.port}/hook?rto=60")
    server.start()
    try:
        recorded(machine.root, "r1", now("in the middle"), now("behind it"))
        sync(machine.root, server.url, TOKEN)
        assert receiver.asked.wait(60)
        server.kill()
        receiver.released.set()
        server.start()
        wait_for(lambda: "behind it" in posted(receiver))
    finally:
        server.kill()
    assert posted(receiver) == ["in the middle", "behind it"]


def test_what_the_runs_own_machine_delivered_is_not_sent(tmp_path: Path, machine: Machine, receiver: Receiver) -> None:
    with Store(tmp_path / "server", alerts=[target(receiver)]) as store:
        shipped_alone(store, machine, "r1", now("there", delivered=True), now("here", error="no network"))
        wait_for(lambda: posted(receiver))
    assert posted(receiver) == ["here"]


def test_what_was_there_before_the_server_had_targets_is_not_sent(
    tmp_path: Path, machine: Machine, receiver: Receiver
) -> None:
    with Store(tmp_path / "server") as store:
        shipped_alone(store, machine, "r1", now("before"))
        assert len(events(store.database, "alert")) == 1
    with Store(tmp_path / "server", alerts=[target(receiver)]) as store:
        wait_for(lambda: taken(store.database))
        shipped_alone(store, machine, "r2", now("after"))
        wait_for(lambda: posted(receiver))
    assert posted(receiver) == ["after"]


def taken(database: Database) -> list[dict[str, Any]]:
    return events(database, "alerts.taken")


def test_a_dead_receiver_fails_no_run_and_is_recorded(
    tmp_path: Path, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    with Store(tmp_path / "server", alerts=[f"json://127.0.0.1:{port}/sesame"]) as store:
        shipped_alone(store, machine, "r1", now("t"))
        assert store.run("r1").state == "finished"
        wait_for(lambda: events(store.database, "alert.failed"))
        (told,) = events(store.database, "alert.failed")
        assert told["title"] == "t"
        assert str(port) in told["error"]
        assert "sesame" not in told["error"] + caplog.text
        assert "did not reach" in caplog.text
        assert all(request.endswith("200") for request in store.puts("segments"))


def test_a_receiver_that_hangs_holds_up_neither_the_runs_nor_the_servers_end(
    tmp_path: Path, machine: Machine, receiver: Receiver
) -> None:
    receiver.released.clear()
    with Store(tmp_path / "server", alerts=[f"json://127.0.0.1:{receiver.port}/hook?rto=60"]) as store:
        shipped_alone(store, machine, "r1", now("t"))
        assert receiver.asked.wait(60)
        shipped_alone(store, machine, "r2", now("u"))
        assert store.run("r2").state == "finished"
    assert posted(receiver) == ["t"]


class Bench:
    """A store, what is sent of its runs' alerts, and the clock it goes by; nothing is sent but by `send`."""

    def __init__(self, root: Path, targets: Sequence[str]) -> None:
        self.root = root
        self.clock = FakeClock(1_000_000.0)
        self.database = Database(layout.database_path(root), {"tracking": MIGRATIONS})
        self.alerts = ServerAlerts(self.database, targets, self.clock)
        self.alerts.begin()

    def send(self, run_id: str, *alerts: Alert) -> None:
        recorded(self.root, run_id, *alerts, name="baseline")
        take_over_runs(self.database, self.root, self.clock, trials_by_log(self.root))
        self.alerts.send_new()

    def raised(self, title: str, ago: float = 0.0) -> Alert:
        return Alert(self.clock.now() - ago, title, "", "INFO")


@pytest.fixture
def bench(tmp_path: Path, receiver: Receiver) -> Iterator[Bench]:
    made = Bench(tmp_path / ".swath", [target(receiver)])
    yield made
    made.database.close()


def test_a_title_of_a_run_is_held_back_for_a_minute_and_that_of_another_run_is_not(
    bench: Bench, receiver: Receiver
) -> None:
    bench.send("r1", *[bench.raised("again")] * 3)
    bench.send("r2", bench.raised("again"))
    assert [post["message"] for _, post in receiver.posts] == ["run baseline (r1)", "run baseline (r2)"]


def test_a_late_alert_says_when_it_was_raised_and_one_of_yesterday_is_not_sent(
    bench: Bench, receiver: Receiver
) -> None:
    bench.send("r1", bench.raised("days", 200_000), bench.raised("hours", 7200), bench.raised("now"))
    assert posted(receiver) == ["hours", "now"]
    assert "raised at 1970-01-12 11:46 UTC" in receiver.posts[0][1]["message"]
    assert "raised" not in receiver.posts[1][1]["message"]


def test_times_that_are_none_are_no_trouble(bench: Bench, receiver: Receiver) -> None:
    odd = [Alert(time, f"at {time}", "", "INFO") for time in (float("nan"), float("-inf"), 1e300)]
    bench.send("r1", *odd, Alert(bench.clock.now(), "bad level", "", "LOUD"), bench.raised("good"))
    assert posted(receiver) == ["at 1e+300", "good"]
    (failed,) = events(bench.database, "alert.failed")
    assert failed["title"] == "bad level"


def test_a_flood_is_cut_off_and_its_rest_is_counted_once(bench: Bench, receiver: Receiver) -> None:
    bench.send("r1", *[bench.raised(f"title {number}") for number in range(MOST_A_MINUTE + 13)])
    assert len(receiver.posts) == MOST_A_MINUTE
    bench.clock.advance(61)
    bench.alerts.send_new()
    bench.alerts.send_new()
    assert posted(receiver)[MOST_A_MINUTE:] == ["13 more alerts were not sent"]
    bench.send("r2", bench.raised("later"))
    assert posted(receiver)[-1] == "later"


def test_two_servers_of_a_store_send_an_alert_once(bench: Bench, receiver: Receiver) -> None:
    database = Database(bench.database.path, {"tracking": MIGRATIONS})
    other = ServerAlerts(database, [target(receiver)], bench.clock)
    other.begin()
    bench.send("r1", bench.raised("t"))
    other.send_new()
    database.close()
    assert posted(receiver) == ["t"]


def test_without_targets_nothing_is_begun(tmp_path: Path) -> None:
    with Store(tmp_path / "server") as store:
        store.database.open()
        assert taken(store.database) == []


def test_the_alerts_of_a_trial_come_from_its_agent_and_are_sent_too(tmp_path: Path, receiver: Receiver) -> None:
    clock = FakeClock()
    spec = {"method": "grid", "parameters": {"x": {"values": [0]}}, "metric": {"name": "loss"}}
    with Workspace(tmp_path / ".swath", clock) as workspace:
        sweep = workspace.create(parse_spec(spec), pickled=b"unused")
        source = workspace.source(sweep)
        source.join(AgentInfo("a", "a", "elsewhere", 1, clock.now()))
        trial = source.acquire("a", "call")
        assert isinstance(trial, Assignment)
        path = layout.run_dir(workspace.root, trial.lease.run_id) / layout.segment_name(trial.lease.attempt)
        log = LogWriter(path)
        log.append(Header(trial.lease.run_id, trial.lease.attempt, clock.now(), trial.name, sweep_id=sweep))
        log.append(Alert(clock.now(), "diverged", "loss is NaN", "ERROR"))
        log.close()
        alerts = ServerAlerts(workspace._database, [target(receiver)], clock)
        alerts.begin()
        for _ in range(2):
            source.report(trial.lease, [Chunk(path.name, HEADER_SIZE, read_from(path, 0))])
            alerts.send_new()
        assert [event.kind for event in workspace.events(sweep) if "alert" in event.kind] == ["alert", "alert.sent"]
    ((_, post),) = receiver.posts
    assert (post["title"], post["type"]) == ("diverged", "failure")
