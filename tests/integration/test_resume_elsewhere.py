"""On another machine a run goes on behind what the server has of it: one history, each row once, none overwritten."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.shipped import DEADLINE_S, TOKEN, Store, numbers, segments_of, wait_for

from swath import tracking
from swath.tracking.errors import NotAllowed, NotFound, RetryLater, SwathError, UsageError
from swath.tracking.layout import segment_name
from swath.tracking.runlog.history import read_history, read_records
from swath.tracking.runlog.logfile import LogWriter
from swath.tracking.runlog.records import Config, Finish, Header, Row
from swath.tracking.shipping import fetching
from swath.tracking.shipping.client import Client
from swath.tracking.shipping.shipper import sync

NO_SERVER = "http://127.0.0.1:1"


class World:
    """A server, and machines that are folders: `on(name)` makes this process one of them."""

    def __init__(self, path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.store = store
        self._monkeypatch = monkeypatch
        self.connect(store.server.url)

    def connect(self, url: str, token: str = TOKEN) -> None:
        self._monkeypatch.setenv("SWATH_URL", url)
        self._monkeypatch.setenv("SWATH_TOKEN", token)

    def disconnect(self) -> None:
        """No server answers, nobody waits long for one, and no process is left behind that goes on asking."""
        self.connect(NO_SERVER)
        self._monkeypatch.setattr("swath.tracking.runs.handle._PATIENCE_S", 0.1)
        self._monkeypatch.setattr("swath.tracking.shipping.shipper.ship_detached", lambda *where: True)

    def on(self, machine: str) -> Path:
        """The folder of run "x" on that machine, which is this one from now on."""
        self._monkeypatch.setenv("SWATH_DIR", str(self.path / machine))
        return self.path / machine / "runs" / "x"

    @property
    def there(self) -> Path:
        return self.store.root / "runs" / "x"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in ("SWATH_MODE", "WANDB_MODE", "SWATH_RUN_ID", "SWATH_RESUME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fetching, "DEADLINE_S", 0.3)
    with Store(tmp_path / "server") as store:
        yield World(tmp_path, store, monkeypatch)


def begun(rows: int = 3, **init: Any) -> None:
    with tracking.init(id="x", **init) as run:
        for n in range(rows):
            run.log({"n": n})


@pytest.mark.parametrize("resume", ["must", "allow", "auto", True])
def test_a_run_goes_on_behind_the_rows_of_the_server(world: World, resume: Any) -> None:
    first = world.on("a")
    with tracking.init(id="x", name="given", tags=["t"], notes="why", config={"lr": 0.1}) as run:
        run.define_metric("n", summary="max")
        for n in range(3):
            run.log({"n": n})
        run.summary["kept"] = True
    second = world.on("b")
    with tracking.init(id="x", resume=resume, config={"more": 1}) as run:
        assert (run.resumed, run.step, run.attempt) == (True, 3, 2)
        assert (run.name, run.tags, run.notes) == ("given", ("t",), "why")
        assert run.config.as_dict() == {"lr": 0.1, "more": 1}
        assert run.summary.as_dict() == {"n": {"max": 2}, "kept": True}
        for n in range(3, 5):
            run.log({"n": n})
    assert numbers(world.there) == numbers(second) == [0, 1, 2, 3, 4]
    assert numbers(first) == [0, 1, 2]
    row = world.store.run("x")
    assert (row.rows, row.attempt, row.state, row.summary) == (5, 2, "finished", {"n": {"max": 4}, "kept": True})
    assert (row.name, row.config) == ("given", {"lr": 0.1, "more": 1})


def test_back_on_the_first_machine_it_goes_on_behind_what_the_second_did(world: World) -> None:
    for turn, machine in enumerate(("a", "b", "a", "b")):
        world.on(machine)
        with tracking.init(id="x", resume="allow") as run:
            assert (run.step, run.attempt) == (2 * turn, turn + 1)
            for n in range(2 * turn, 2 * turn + 2):
                run.log({"n": n})
    assert numbers(world.there) == list(range(8))


def test_on_the_same_machine_nothing_is_fetched_and_the_attempt_stays(world: World) -> None:
    here = world.on("a")
    begun()
    with tracking.init(id="x", resume="must") as run:
        assert (run.step, run.attempt) == (3, 1)
        run.log({"n": 3})
    assert list(segments_of(here)) == ["0001.log"]
    assert numbers(world.there) == [0, 1, 2, 3]


def test_an_earlier_step_takes_the_rows_behind_it_back_as_it_does_here(world: World) -> None:
    world.on("a")
    begun(6)
    world.on("b")
    with tracking.init(id="x", resume="must") as run:
        for step in (3, 4):
            run.log({"n": 10 * step}, step=step)
    assert numbers(world.there) == [0, 1, 2, 30, 40]
    assert world.store.run("x").rows == 5


def test_rows_of_all_processes_of_a_run_come_along(world: World) -> None:
    world.on("a")
    begun(2)
    writer = LogWriter(world.there / segment_name(1, "fork7_00"))
    writer.append(Row(5, 5e9, {"n": 5}))
    writer.close()
    second = world.on("b")
    with tracking.init(id="x", resume="must") as run:
        run.log({"n": 9}, step=9)
    assert sorted(segments_of(second)) == ["0002-fork7_00.log", "0002.log"]
    assert numbers(world.there) == [0, 1, 5, 9]


def test_what_the_first_machine_had_not_sent_arrives_later_and_changes_nothing(world: World) -> None:
    first = world.on("a")
    begun(3)
    writer = LogWriter(first / segment_name(1))
    writer.append(Row(3, 5e9, {"n": -1}))
    writer.close()
    world.on("b")
    with tracking.init(id="x", resume="must") as run:
        run.log({"n": 3})
    (sent,) = sync(world.path / "a", world.store.server.url, TOKEN)
    assert sent.state == "delivered"
    assert segments_of(first)["0001.log"] == segments_of(world.there)["0001.log"]
    assert numbers(world.there) == [0, 1, 2, 3]
    assert world.store.run("x").rows == 4


@pytest.mark.parametrize("resume", [None, "never", False])
def test_a_run_of_the_server_is_as_little_overwritten_as_one_of_this_folder(world: World, resume: Any) -> None:
    world.on("a")
    begun()
    here = world.on("b")
    with pytest.raises(UsageError, match=f"'x' exists already in {world.store.server.url}") as refused:
        tracking.init(id="x", resume=resume)
    assert "allow" in refused.value.hint
    assert tracking.run is None
    assert not here.exists()


def test_what_the_server_has_not_either_is_new_or_not_found(world: World) -> None:
    here = world.on("a")
    with pytest.raises(NotFound, match=r"no run 'x' in .*, nor at http"):
        tracking.init(id="x", resume="must")
    with pytest.raises(NotFound, match="nor at http"):
        tracking.init(resume_from="x?_step=3")
    with pytest.raises(NotFound, match="nor at http"):
        tracking.init(fork_from="x")
    begun(2, resume="allow")
    assert numbers(here) == numbers(world.there) == [0, 1]


def test_resume_from_goes_back_to_a_step_of_the_server(world: World) -> None:
    world.on("a")
    begun(6)
    world.on("b")
    with tracking.init(resume_from="x?_step=2") as run:
        assert (run.id, run.step) == ("x", 3)
        run.log({"n": 100})
    assert numbers(world.there) == [0, 1, 2, 100]


def test_a_fork_takes_config_and_rows_from_the_server_and_leaves_the_run_alone(world: World) -> None:
    world.on("a")
    begun(4, config={"lr": 0.1})
    here = world.on("b")
    with tracking.init(fork_from="x?_step=1", id="f", config={"lr": 0.2}) as run:
        assert (run.step, run.config["lr"], run.resumed) == (2, 0.2, False)
        run.log({"n": 7})
    assert numbers(world.store.root / "runs" / "f") == [0, 1, 7]
    assert (numbers(world.there), here.exists()) == ([0, 1, 2, 3], False)


@pytest.mark.parametrize(
    ("init", "kind"),
    [({"id": "x", "resume": "must"}, RetryLater), ({"resume_from": "x"}, RetryLater), ({"fork_from": "x"}, RetryLater)],
)
def test_without_an_answer_what_must_exist_is_an_error(world: World, init: Any, kind: type[SwathError]) -> None:
    world.on("a")
    world.disconnect()
    with pytest.raises(kind, match=f"not known what {NO_SERVER} has of run 'x'") as refused:
        tracking.init(**init)
    assert refused.value.hint


def test_a_wrong_token_is_said_as_what_it_is(world: World) -> None:
    world.on("a")
    world.connect(world.store.server.url, "wrong")
    with pytest.raises(NotAllowed, match="token"):
        tracking.init(id="x", resume="must")


@pytest.mark.parametrize("resume", ["allow", None, "never", "auto"])
def test_without_an_answer_the_training_begins_with_a_warning(world: World, resume: Any) -> None:
    here = world.on("a")
    world.disconnect()
    with warnings.catch_warnings(record=True) as warned:  # the shipper's thread may warn at any time, too
        warnings.simplefilter("always")
        with tracking.init(id="x", resume=resume) as run:
            run.log({"n": 0})
    (told,) = (each for each in warned if "not known what" in str(each.message))
    assert told.filename == __file__ or resume == "auto"
    assert numbers(here) == [0]


def test_without_an_answer_a_run_of_this_folder_goes_on_even_if_it_must(world: World) -> None:
    here = world.on("a")
    begun()
    world.disconnect()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with tracking.init(id="x", resume="must") as run:
            run.log({"n": 3})
    assert [each for each in warned if "goes on with what is in" in str(each.message)]
    assert numbers(here) == [0, 1, 2, 3]


@pytest.mark.parametrize("how", [{"mode": "offline"}, {"mode": "disabled"}, {"settings": {"mode": "offline"}}])
def test_nobody_is_asked_when_nothing_is_to_be_delivered(world: World, how: Any) -> None:
    world.on("a")
    begun()
    world.on("b")
    world.store.requests.clear()
    with tracking.init(id="x", resume="allow", **how) as run:
        assert run.step == 0
    assert world.store.requests == []


def test_a_trial_of_the_server_is_not_gone_on_with_but_may_be_forked(world: World) -> None:
    folder = world.there
    writer = LogWriter(folder / segment_name(1))
    writer.append(Header("x", 1, 1.0, "a-trial", sweep_id="s1"))
    writer.append(Config({"lr": 0.1}))
    writer.append(Row(0, 2.0, {"n": 0}))
    writer.close()
    here = world.on("b")
    for resume in ("must", "allow"):
        with pytest.raises(UsageError, match="a trial of sweep s1") as refused:
            tracking.init(id="x", resume=resume)
        assert "fork_from" in refused.value.hint
    assert not here.exists()
    with tracking.init(fork_from="x", id="f") as run:
        assert (run.step, run.config.as_dict()) == (1, {"lr": 0.1})


def test_a_log_of_many_parts_with_a_torn_end_comes_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swath.tracking.server.run_routes.PART", 1000)
    world.on("a")
    begun(500)
    with (world.there / "0001.log").open("ab") as file:
        file.write(b"\7\0\0\0torn")
    world.on("b")
    with tracking.init(id="x", resume="must") as run:
        assert run.step == 500
        run.log({"n": 500})
    assert numbers(world.there) == list(range(501))


def test_a_server_that_dies_while_it_is_read_leaves_nothing_half(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.on("a")
    begun()
    here = world.on("b")
    whole = fetching.Remote._part
    asked: list[str] = []

    def part(remote: fetching.Remote, name: str, offset: int) -> bytes:
        asked.append(name)
        if len(asked) == 3:
            world.store.server.stop()
        return whole(remote, name, offset)

    monkeypatch.setattr(fetching.Remote, "_part", part)
    with pytest.raises(RetryLater):
        tracking.init(id="x", resume="must")
    monkeypatch.undo()
    assert segments_of(here) == {}
    world.store.server.start()
    world.connect(world.store.server.url)
    world.on("b")
    with tracking.init(id="x", resume="must") as run:
        run.log({"n": 3})
    assert numbers(world.there) == [0, 1, 2, 3]


def test_a_machine_that_dies_is_followed_by_another(world: World) -> None:
    code = """
        import sys, swath.tracking as tracking
        run = tracking.init(id="x", resume="allow", config={"lr": 0.1})
        for n in range(run.step, 100):
            run.log({"n": n})
        print(run.step, flush=True)
        sys.stdin.read()
    """
    world.on("a")
    argv = [sys.executable, "-c", textwrap.dedent(code)]
    training = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert training.stdout is not None
    assert training.stdout.readline() == "100\n"
    wait_for(lambda: numbers(world.there)[-1:] == [99])
    training.send_signal(signal.SIGKILL)
    training.communicate(timeout=DEADLINE_S)
    world.on("b")
    with tracking.init(id="x", resume="must") as run:
        assert (run.step, run.config["lr"]) == (100, 0.1)
        for n in range(100, 150):
            run.log({"n": n})
    assert [(row.step, row.values["n"]) for row in read_history(world.there)] == [(n, n) for n in range(150)]
    assert isinstance(read_records(world.there)[-1], Finish)
    assert world.store.run("x").state == "finished"


def test_neither_importing_nor_starting_without_a_server_brings_the_http_client(tmp_path: Path) -> None:
    code = """
        import sys, os
        for name in list(os.environ):
            if name.startswith(("SWATH_", "WANDB_")):
                del os.environ[name]
        os.environ |= {"SWATH_DIR": sys.argv[1], "XDG_CONFIG_HOME": sys.argv[1]}
        import swath.tracking as tracking
        tracking.init(id="x", resume="allow").finish()
        print(sorted({"httpx", "tenacity"} & set(sys.modules)))
    """
    argv = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    assert subprocess.run(argv, capture_output=True, text=True, check=True, timeout=DEADLINE_S).stdout == "[]\n"


def test_what_is_no_segment_or_no_offset_is_not_read(world: World) -> None:
    world.on("a")
    begun()
    (world.there / "secret").write_text("s")
    with Client(world.store.server.url, TOKEN, deadline_s=1) as client:
        for name in ("secret", "..%2Fsecret", "0001"):
            with pytest.raises(UsageError):
                client.ask("GET", f"/v1/runs/x/segments/{name}", query={"offset": 0})
        with pytest.raises(UsageError, match="no number of bytes"):
            client.ask("GET", "/v1/runs/x/segments/0001.log")
        assert client.ask("GET", "/v1/runs/x/segments/0009.log", query={"offset": 0}).content == b""
