"""Runs arrive at a server byte for byte: live, after crashes of either side, and later; training never waits for it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.integration.shipped import (
    DEADLINE_S,
    TOKEN,
    Machine,
    ServerProcess,
    Store,
    ended,
    ends_at,
    heard,
    numbers,
    say,
    segments_of,
    wait_for,
)

from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotAllowed, RetryLater, StoreCorrupt, UsageError
from swath.tracking.runlog.frames import HEADER_SIZE
from swath.tracking.runlog.history import read_history
from swath.tracking.runlog.logfile import LogWriter
from swath.tracking.runlog.records import Finish, Header, Row, Saved
from swath.tracking.server import ServerThread, create_app
from swath.tracking.shipping.delivery import MARKER, RunLock, local_ends
from swath.tracking.shipping.shipper import Shipper, Synced, sync

NO_SERVER = "http://127.0.0.1:1"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "local")
    yield made
    made.end()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "server") as made:
        yield made


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path / "server")
    yield made
    made.kill()


def same(machine: Machine, root: Path, run_id: str = "r1") -> bool:
    """Whether the server's log of a run is the local one, and has anything in it."""
    here = segments_of(machine.folder(run_id))
    return bool(here) and here == segments_of(root / "runs" / run_id)


def states(results: list[Synced]) -> dict[str, str]:
    return {result.run_id: result.state for result in results}


def written(root: Path, run_id: str, rows: int, pid: int = 1) -> Path:
    """A run that was recorded somewhere, at some time."""
    folder = root / "runs" / run_id
    writer = LogWriter(folder / "0001.log")
    writer.append(Header(run_id, 1, 5.0, "name", host="elsewhere", pid=pid))
    for number in range(rows):
        writer.append(Row(number, 6.0 + number, {"n": number}))
    writer.append(Finish(0, 100.0))
    writer.close()
    return folder


def test_a_run_arrives_while_it_is_trained_and_at_its_end_is_the_same_byte_for_byte(
    machine: Machine, store: Store
) -> None:
    training = machine.start(
        """
        for n in range(50):
            run.log({"n": n})
        said()
        for n in range(50, 3000):
            run.log({"n": n, "text": "x" * (n % 500)})
        finish()
        """,
        store.server.url,
    )
    wait_for(lambda: numbers(store.root / "runs/r1")[-1:] == [49])
    assert store.run("r1").state == "running"
    out, err = ended(training, "go\n")
    assert out == "finished True False\n"
    assert "RuntimeWarning" not in err
    assert same(machine, store.root)
    assert (store.run("r1").state, store.run("r1").rows, store.run("r1").summary["n"]) == ("finished", 3000, 2999)
    assert json.loads((machine.folder() / MARKER).read_bytes())["ends"] == local_ends(machine.folder())


def test_a_server_that_is_killed_and_comes_back_loses_no_row_and_has_none_twice(
    machine: Machine, server: ServerProcess
) -> None:
    server.start()
    training = machine.start(
        """
        for part in range(6):
            for n in range(part * 500, part * 500 + 500):
                run.log({"n": n, "text": "x" * 300})
            print("part", flush=True)
            said()
        finish()
        """,
        server.url,
    )
    for part in range(6):
        assert heard(training) == "part"
        wait_for(lambda: ends_at(server.url).get("0001.log", 0) > HEADER_SIZE)
        server.kill()
        say(training)
        if part < 5:
            server.start()
    server.start()
    assert ended(training)[0] == "finished True True\n"
    assert same(machine, server.root)
    assert numbers(server.root / "runs/r1") == list(range(3000))
    server.kill()
    with Store(server.root) as store:
        assert (store.run("r1").state, store.run("r1").rows) == ("finished", 3000)


def test_without_a_server_finish_returns_and_a_process_of_its_own_delivers_when_there_is_one(
    machine: Machine, server: ServerProcess
) -> None:
    server.start()
    server.kill()
    training = "for n in range(100):\n    run.log({'n': n})\nfinish(2.5)"
    out, err = machine.train(training, server.url)
    assert out == "finished False True\n"
    assert err.count("is not delivered") == 1
    assert str(machine.folder()) in err
    (shipper,) = machine.detached()
    assert os.getsid(shipper.pid) == shipper.pid  # what ends the training's session or group does not end it
    assert all(word not in TOKEN and word != server.url for word in shipper.cmdline())
    server.start()
    wait_for(lambda: same(machine, server.root))
    wait_for(lambda: not machine.detached())
    assert states(sync(machine.root, server.url, TOKEN)) == {"r1": "already"}


def test_a_server_that_takes_a_connection_and_says_nothing_holds_nobody_up(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        out, _ = machine.train("run.log({'n': 1})\nfinish(0.5)", url)
        assert out.startswith("finished False")
    assert numbers(machine.folder()) == [1]
    assert len(machine.detached()) == 1


def test_an_impatient_ctrl_c_leaves_the_rest_to_a_process_of_its_own(machine: Machine, server: ServerProcess) -> None:
    server.start()
    server.kill()
    training = machine.start("run.log({'n': 1})\nrun.finish()\nprint('waits', flush=True)\nfinish(300)", server.url)
    assert heard(training) == "waits"
    wait_for((machine.folder() / "shipping.lock").exists)
    training.send_signal(signal.SIGINT)
    training.communicate(timeout=DEADLINE_S)
    assert len(machine.detached()) == 1
    server.start()
    wait_for(lambda: not machine.detached())
    assert same(machine, server.root)


def test_a_training_that_is_killed_is_delivered_by_a_later_sync(machine: Machine, store: Store) -> None:
    training = machine.start(
        """
        for n in range(100):
            run.log({"n": n})
        said()
        shipper.after_fork()  # as if the network were gone: nothing is shipped any more
        shipper._finishing.set(); shipper._given_up.set(); shipper._thread.join()
        for n in range(100, 1000):
            run.log({"n": n})
        print("logged", flush=True)
        said()
        """,
        store.server.url,
    )
    wait_for(lambda: numbers(store.root / "runs/r1")[-1:] == [99])
    say(training)
    assert heard(training) == "logged"
    training.send_signal(signal.SIGKILL)
    training.communicate()
    assert numbers(store.root / "runs/r1") == list(range(100))
    assert states(sync(machine.root, store.server.url, TOKEN)) == {"r1": "delivered"}
    assert same(machine, store.root)
    assert numbers(store.root / "runs/r1") == list(range(1000))


def test_offline_runs_are_delivered_by_sync_and_the_second_sync_sends_nothing(tmp_path: Path, store: Store) -> None:
    for number in range(4):
        written(tmp_path / "local", f"r{number}", 10 * number)
    (tmp_path / "local/runs/not a run").mkdir()
    (tmp_path / "local/runs/empty").mkdir()
    told: list[Synced] = []
    first = sync(tmp_path / "local", store.server.url, TOKEN, on_progress=told.append)
    assert states(first) == {f"r{number}": "delivered" for number in range(4)}
    assert told == first
    assert [store.run(f"r{number}").rows for number in range(4)] == [0, 10, 20, 30]
    store.requests.clear()
    second = sync(tmp_path / "local", store.server.url, TOKEN)
    assert states(second) == {f"r{number}": "already" for number in range(4)}
    assert sum(result.sent for result in second) == 0
    assert store.requests == []
    (tmp_path / "local/runs/r1" / MARKER).unlink()
    sync(tmp_path / "local", store.server.url, TOKEN)
    assert segments_of(tmp_path / "local/runs/r1") == segments_of(store.root / "runs/r1")
    assert store.run("r1").rows == 10


def test_a_run_that_went_on_after_it_was_delivered_is_delivered_again_from_there(tmp_path: Path, store: Store) -> None:
    folder = written(tmp_path / "local", "r1", 1000)
    sync(tmp_path / "local", store.server.url, TOKEN)
    writer = LogWriter(folder / "0001.log")
    writer.append(Row(1000, 2000.0, {"n": 1000}))
    writer.close()
    (result,) = sync(tmp_path / "local", store.server.url, TOKEN)
    assert result.state == "delivered"
    assert result.sent < 2000
    assert segments_of(folder) == segments_of(store.root / "runs/r1")


def test_processes_that_write_one_run_ship_all_of_it_together(machine: Machine, store: Store) -> None:
    code = """
        print("open", flush=True)
        said()
        for n in range(300):
            run.log({"n": n})
        finish()
    """
    ranks = [machine.start(code, store.server.url, mode="shared") for _ in range(3)]
    for rank in ranks:
        assert heard(rank) == "open"
    for rank in ranks:
        say(rank)
    for rank in ranks:
        assert ended(rank)[0] == "finished True False\n"
    assert len(segments_of(machine.folder())) == 3
    assert same(machine, store.root)
    assert sorted(numbers(store.root / "runs/r1")) == sorted(list(range(300)) * 3)


def test_two_syncs_at_once_deliver_each_run_once(tmp_path: Path, store: Store) -> None:
    for number in range(8):
        written(tmp_path / "local", f"r{number}", 200)
    code = (
        "import sys; from pathlib import Path; from swath.tracking.shipping.shipper import sync; "
        "sync(Path(sys.argv[1]), *sys.argv[2:])"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "local"), store.server.url, TOKEN]
    syncs = [subprocess.Popen(argv) for _ in range(2)]
    assert [each.wait(90) for each in syncs] == [0, 0]
    assert [len(numbers(store.root / f"runs/r{number}")) for number in range(8)] == [200] * 8
    assert len(store.puts("segments")) == 8


def test_a_run_whose_shipper_is_at_work_is_left_to_it(tmp_path: Path, store: Store) -> None:
    lock = RunLock(written(tmp_path / "local", "r1", 1))
    assert lock.acquire()
    assert states(sync(tmp_path / "local", store.server.url, TOKEN)) == {"r1": "busy"}
    assert store.requests == []
    lock.release()
    assert states(sync(tmp_path / "local", store.server.url, TOKEN)) == {"r1": "delivered"}


def test_forked_children_that_log_are_shipped_by_their_parent(machine: Machine, store: Store) -> None:
    out, _ = machine.train(
        """
        run.log({"n": -1})
        while not (root / "runs" / name / "shipping.lock").exists():
            time.sleep(0.01)
        children = []
        for child in range(2):
            pid = os.fork()
            if pid == 0:
                run.log({"n": child})
                os._exit(0 if shipper.finish(0) else 1)
            children.append(pid)
        assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
        finish()
        """,
        store.server.url,
    )
    assert out == "finished True False\n"
    assert len(segments_of(machine.folder())) == 3
    assert same(machine, store.root)


def test_files_arrive_before_the_rows_that_name_them_and_each_once(machine: Machine, store: Store) -> None:
    out, _ = machine.train(
        """
        import numpy as np
        from swath.tracking.media.image import Image
        from swath.tracking.media.table import Table
        red = Image(np.full((8, 8, 3), (255, 0, 0), np.uint8))
        blue = Image(np.full((8, 8, 3), (0, 0, 255), np.uint8))
        for n in range(20):
            run.log({"n": n, "image": red})
        run.log({"n": 20, "table": Table(columns=["a", "b"], data=[[1, blue], [2, red]])})
        pathlib.Path(run.dir, "weights.bin").write_bytes(bytes(range(256)) * 4 * 20 * 1024)
        run.save(os.path.join(run.dir, "weights.bin"), base_path=run.dir, policy="now")
        finish()
        """,
        store.server.url,
    )
    assert out == "finished True False\n"
    local = {path.relative_to(machine.root): path.read_bytes() for path in (machine.root / "blobs").rglob("*/*")}
    there = {path.relative_to(store.root): path.read_bytes() for path in (store.root / "blobs").rglob("*/*")}
    assert len(local) >= 4
    assert there == local
    puts = store.puts("blobs")
    assert all(put.endswith(" 200") for put in puts)
    assert len(puts) == len(local) + 2  # 20 MiB come in three parts
    last = max(at for at, request in enumerate(store.requests) if request in puts)
    assert any(request in store.puts("segments") for request in store.requests[last:])


def test_a_record_is_not_sent_before_the_bytes_that_it_names(tmp_path: Path, store: Store) -> None:
    folder = written(tmp_path / "local", "r1", 3)
    digest = Blobs(tmp_path / "local/blobs").put(b"weights")
    writer = LogWriter(folder / "0001.log")
    writer.append(Saved(200.0, "weights.bin", digest, 7))
    writer.append(Saved(201.0, "gone.bin", "0" * 64, 7))  # its bytes are not here: it goes without them
    writer.close()
    sync(tmp_path / "local", store.server.url, TOKEN)
    assert store.requests == [
        "GET /v1/runs/r1/segments 200",
        f"HEAD /v1/blobs/{digest} 404",
        f"PUT /v1/blobs/{digest} 200",
        "PUT /v1/runs/r1/segments/0001.log 200",
    ]


def test_a_wrong_token_is_said_and_training_goes_on(machine: Machine, store: Store) -> None:
    training = machine.start(
        """
        while shipper.trouble is None:
            run.log({"n": 1})
            time.sleep(0.01)
        run.log({"n": 2})
        finish()
        """,
        store.server.url,
        token="wrong",
    )
    out, err = ended(training)
    assert out == "finished False True\n"
    assert err.count("the token of the request is not the server's") == 1
    assert numbers(machine.folder())[-1] == 2
    assert not (store.root / "runs").exists()
    with pytest.raises(NotAllowed, match="token"):
        sync(machine.root, store.server.url, "wrong")


@pytest.mark.parametrize("url", ["no address", NO_SERVER])
def test_a_shipper_never_raises_into_the_training(tmp_path: Path, url: str) -> None:
    """Whatever the address, and with the run's folder gone."""
    folder = written(tmp_path / "local", "r1", 3)
    shipper = Shipper(folder, url, TOKEN, interval_s=0.01)

    def trained() -> bool:
        shipper.start()
        wait_for(lambda: shipper.trouble is not None)
        shutil.rmtree(tmp_path / "local")
        return shipper.close(0.1)

    with pytest.warns(RuntimeWarning, match="is not delivered"):
        assert not trained()


def test_a_server_of_another_kind_is_told_from_ours(tmp_path: Path) -> None:
    async def hello(request: Request) -> Response:
        return Response("hello")

    written(tmp_path / "local", "r1", 3)
    with (
        ServerThread(create_app("", [Route("/{path:path}", hello)])) as server,
        pytest.raises(UsageError, match="does not answer as a swath server"),
    ):
        sync(tmp_path / "local", server.url)


def test_sync_says_that_there_is_no_server(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "local", "r1", 3)
    with pytest.raises(UsageError, match="no address"):
        sync(tmp_path / "local", "localhost:80", TOKEN)
    monkeypatch.setattr("swath.tracking.shipping.shipper.SYNC_S", 0.3)
    with pytest.raises(RetryLater, match=r"no answer from http://127\.0\.0\.1:1"):
        sync(tmp_path / "local", NO_SERVER, TOKEN)
    assert sync(tmp_path / "nothing here", store.server.url, TOKEN) == []


def test_two_machines_that_write_runs_of_the_same_id_both_arrive(tmp_path: Path, store: Store) -> None:
    written(tmp_path / "one", "r1", 50, pid=1)
    written(tmp_path / "two", "r1", 70, pid=2)
    for _ in range(2):
        for name in ("one", "two"):
            sync(tmp_path / name, store.server.url, TOKEN)
            (tmp_path / name / "runs/r1" / MARKER).unlink()
    there = segments_of(store.root / "runs/r1")
    assert len(there) == 2
    assert sorted(map(len, there.values())) == sorted(
        len(data) for name in ("one", "two") for data in segments_of(tmp_path / name / "runs/r1").values()
    )
    assert sorted(numbers(store.root / "runs/r1")) == sorted([*range(50), *range(70)])


def test_a_log_that_lost_its_end_and_went_on_otherwise_overwrites_nothing(tmp_path: Path, store: Store) -> None:
    folder = written(tmp_path / "local", "r1", 300)
    whole = (folder / "0001.log").read_bytes()
    sync(tmp_path / "local", store.server.url, TOKEN)
    before = segments_of(store.root / "runs/r1")
    (folder / "0001.log").write_bytes(whole[: len(whole) // 2])
    writer = LogWriter(folder / "0001.log")
    writer.append(Row(7, 500.0, {"n": -1}))
    writer.close()
    (result,) = sync(tmp_path / "local", store.server.url, TOKEN)
    assert result.state == "refused"
    assert "another end of 0001.log" in result.error
    assert segments_of(store.root / "runs/r1") == before
    shipper = Shipper(folder, store.server.url, TOKEN)
    with pytest.raises(StoreCorrupt):
        shipper.ship_once()
    with pytest.warns(RuntimeWarning, match="another end"):
        assert not shipper.close(60)


def test_a_server_that_lost_a_part_gets_it_again(tmp_path: Path, store: Store) -> None:
    folder = written(tmp_path / "local", "r1", 300)
    shipper = Shipper(folder, store.server.url, TOKEN)
    assert shipper.ship_once()
    (store.root / "runs/r1/0001.log").unlink()
    writer = LogWriter(folder / "0001.log")
    writer.append(Row(300, 500.0, {"n": 300}))
    writer.close()
    assert shipper.ship_once()
    assert shipper.close(60)
    assert segments_of(folder) == segments_of(store.root / "runs/r1")
    assert [row.step for row in read_history(store.root / "runs/r1")] == list(range(301))


def test_a_damaged_file_stays_here_and_holds_nothing_up(
    tmp_path: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    folder = written(tmp_path / "local", "r1", 3)
    blobs = Blobs(tmp_path / "local/blobs")
    digest = blobs.put(b"weights")
    blobs.path(digest).write_bytes(b"w3ights")
    writer = LogWriter(folder / "0001.log")
    writer.append(Saved(200.0, "weights.bin", digest, 7))
    writer.close()
    assert states(sync(tmp_path / "local", store.server.url, TOKEN)) == {"r1": "delivered"}
    assert not any(path.is_file() for path in (store.root / "blobs").rglob("*"))
    assert digest in caplog.text


def test_a_server_of_the_same_folder_is_told_nothing_new(tmp_path: Path) -> None:
    """Somebody trains in the folder that the server serves: its log is there already, and is being written."""
    root = tmp_path / "both"
    with Store(root) as store:
        writer = LogWriter(root / "runs/r1/0001.log")
        writer.append(Header("r1", 1, 5.0, "name", host="elsewhere", pid=1))
        shipper = Shipper(root / "runs/r1", store.server.url, TOKEN)
        assert shipper.ship_once()
        writer.append(Row(0, 6.0, {"n": 0}))
        assert shipper.ship_once()
        assert store.run("r1").rows == 1
        writer.close()
        assert shipper.close(60)
