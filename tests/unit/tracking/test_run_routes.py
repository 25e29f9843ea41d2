"""What a server takes of runs that are shipped to it, and what it refuses: nothing is stored twice, aside or torn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from swath.sweeps import Workspace, ledger, tables
from swath.sweeps.spec import parse_spec
from swath.tracking.apply.catchup import Trials
from swath.tracking.blobs import Blobs
from swath.tracking.layout import database_path
from swath.tracking.runlog.frames import HEADER_SIZE
from swath.tracking.runlog.history import read_history
from swath.tracking.runlog.logfile import LogWriter, read_from
from swath.tracking.runlog.records import AnyRecord, Finish, Header, Row
from swath.tracking.server import ServerThread, create_app
from swath.tracking.server.run_routes import run_routes
from swath.tracking.store import Database, RunRow, runs
from swath.tracking.store.tables import MIGRATIONS, events
from swath.tracking.testing import FakeClock

TOKEN = "a-token"
MAX_BODY = 100_000


class Served:
    """A store, and a server of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = Database(database_path(root), {"tracking": MIGRATIONS, "sweeps": tables.MIGRATIONS})
        trials = Trials(ledger.trial_runs, ledger.is_trial)
        clock = FakeClock(30.0)  # a little after the times in the logs
        routes = run_routes(root, self.database, trials, lambda c, name: ledger.get_sweep(c, name) is not None, clock)
        self.server = ServerThread(create_app(TOKEN, routes, max_body=MAX_BODY))
        self.server.start()
        self.client = httpx.Client(
            base_url=self.server.url, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False, timeout=30
        )

    def close(self) -> None:
        self.client.close()
        self.server.stop()
        self.database.close()

    def put(self, data: bytes, offset: int | str = HEADER_SIZE, run: str = "r1", segment: str = "0001.log") -> object:
        """The end that is answered, or the error's status and name."""
        answer = self.client.put(f"/v1/runs/{run}/segments/{segment}?offset={offset}", content=data)
        body = answer.json()
        return body["end"] if answer.status_code == 200 else (answer.status_code, body["error"])

    def put_blob(self, digest: str, data: bytes, query: str = "") -> object:
        answer = self.client.put(f"/v1/blobs/{digest}{query}", content=data)
        body = answer.json()
        return body["end"] if answer.status_code == 200 else (answer.status_code, body["error"])

    def run(self, name: str = "r1") -> RunRow | None:
        with self.database.read() as connection:
            return runs.get(connection, name)

    def events(self) -> list[tuple[str, str]]:
        with self.database.read() as connection:
            found = connection.execute(sa.select(events.c.kind, events.c.subject).order_by(events.c.id))
            return [(row.kind, row.subject) for row in found]

    def files(self) -> set[str]:
        """All that lies in the store and is no folder, but for the database."""
        found = (path for path in self.root.rglob("*") if path.is_file() and not path.name.startswith("swath.db"))
        return {str(path.relative_to(self.root)) for path in found}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path / "server")
    yield made
    made.close()


def log_of(folder: Path, *records: AnyRecord) -> bytes:
    """The frames of records."""
    path = folder / "made.log"
    path.unlink(missing_ok=True)
    writer = LogWriter(path)
    for record in records:
        writer.append(record)
    writer.close()
    return read_from(path, 0)


def opening(**more: str) -> Header:
    return Header("r1", 1, 5.0, "name", project="p", host="elsewhere", pid=1, **more)  # type: ignore[arg-type]


ROWS = [Row(step, 6.0 + step, {"loss": 1.0 / (step + 1)}) for step in range(20)]


def test_bytes_become_a_segment_and_a_row_with_one_event_a_change(served: Served, tmp_path: Path) -> None:
    data = log_of(tmp_path, opening(), *ROWS)
    assert served.put(data) == HEADER_SIZE + len(data)
    assert read_from(served.root / "runs/r1/0001.log", 0) == data
    run = served.run()
    assert run is not None
    assert (run.name, run.project, run.state, run.rows, run.summary["loss"]) == ("name", "p", "running", 20, 0.05)
    assert served.events() == [("run.updated", "r1")]
    more = log_of(tmp_path, Finish(0, 30.0))
    assert served.put(more, HEADER_SIZE + len(data)) == HEADER_SIZE + len(data) + len(more)
    assert served.run().state == "finished"  # type: ignore[union-attr]
    assert len(served.events()) == 2


def test_the_same_bytes_may_come_again_and_overlap(served: Served, tmp_path: Path) -> None:
    data = log_of(tmp_path, opening(), *ROWS)
    end = HEADER_SIZE + len(data)
    assert served.put(data[:300]) == HEADER_SIZE + 300
    assert served.put(data) == end
    assert served.put(data) == end
    assert served.put(data[100:200], HEADER_SIZE + 100) == end
    assert served.put(b"", end) == end
    assert read_from(served.root / "runs/r1/0001.log", 0) == data
    assert [row.step for row in read_history(served.root / "runs/r1")] == list(range(20))
    assert served.run().rows == 20  # type: ignore[union-attr]
    assert len(served.events()) == 2


def test_parts_may_end_anywhere_in_a_frame(served: Served, tmp_path: Path) -> None:
    data = log_of(tmp_path, opening(), *ROWS[:3])
    for at in range(0, len(data), 7):
        served.put(data[at : at + 7], HEADER_SIZE + at)
    assert read_from(served.root / "runs/r1/0001.log", 0) == data
    assert served.run().rows == 3  # type: ignore[union-attr]


def test_a_gap_is_refused_with_the_offset_to_go_on_from(served: Served, tmp_path: Path) -> None:
    data = log_of(tmp_path, opening(), *ROWS)
    served.put(data[:300])
    answer = served.client.put(f"/v1/runs/r1/segments/0001.log?offset={HEADER_SIZE + 301}", content=data[301:])
    assert (answer.status_code, answer.json()["error"]) == (409, "OutOfStep")
    assert str(HEADER_SIZE + 300) in answer.json()["hint"]
    assert served.client.get("/v1/runs/r1/segments").json() == {"0001.log": HEADER_SIZE + 300}


def test_other_bytes_than_those_that_are_here_are_refused(served: Served, tmp_path: Path) -> None:
    data = log_of(tmp_path, opening(), *ROWS)
    served.put(data)
    other = log_of(tmp_path, opening(notes="another"), *ROWS, *ROWS)
    assert served.put(other) == (409, "OutOfStep")
    assert read_from(served.root / "runs/r1/0001.log", 0) == data


def test_a_run_that_is_not_here_has_no_segments(served: Served) -> None:
    assert served.client.get("/v1/runs/unknown/segments").json() == {}
    assert not served.files()


BAD: list[tuple[str, str, int | str]] = [
    ("..", "0001.log", 4096),
    ("%2e%2e", "0001.log", 4096),
    ("..%2f..%2fx", "0001.log", 4096),
    ("a%20b", "0001.log", 4096),
    ("a" * 129, "0001.log", 4096),
    ("r1", "..%2f0001.log", 4096),
    ("r1", "%2e%2e", 4096),
    ("r1", "params.yaml", 4096),
    ("r1", "0001.log%00", 4096),
    ("r1", "1.log", 4096),
    ("r1", "0001-a-b.log", 4096),
    ("r1", "0001-%2e%2e%2fx.log", 4096),
    ("r1", "0001.log", "-1"),
    ("r1", "0001.log", "x"),
    ("r1", "0001.log", "1e3"),
    ("r1", "0001.log", "9" * 30),
    ("r1", "0001.log", "\u0663"),
    ("r1", "0001.log", ""),
]


def test_a_name_or_number_that_is_none_is_refused_and_nothing_is_written(served: Served) -> None:
    for run, segment, offset in BAD:
        refused = served.put(b"x" * 100, offset, run, segment)
        assert refused in [(400, "UsageError"), (404, "NotFound")], (run, segment, offset)
        assert not served.files()
        assert set(served.root.parent.iterdir()) <= {served.root}


def test_a_request_without_the_token_or_too_large_is_refused(served: Served) -> None:
    url = f"{served.server.url}/v1/runs/r1/segments/0001.log?offset=4096"
    assert httpx.put(url, content=b"x", trust_env=False).status_code == 401
    assert served.put(b"x" * (MAX_BODY + 1)) == (413, "UsageError")
    assert served.put_blob("0" * 64, b"x" * (MAX_BODY + 1)) == (413, "UsageError")
    assert not served.files()


def test_bytes_that_are_no_log_do_no_harm(served: Served, tmp_path: Path) -> None:
    served.put(b"\xff" * 1000, run="bad")
    data = log_of(tmp_path, opening(), *ROWS)
    assert served.put(data) == HEADER_SIZE + len(data)
    assert served.run().rows == 20  # type: ignore[union-attr]
    assert served.run("bad") is None


def test_a_disk_that_refuses_is_told_as_what_may_pass(served: Served, tmp_path: Path) -> None:
    served.root.mkdir(exist_ok=True)
    for name in ("runs", "blobs"):
        (served.root / name).write_text("in the way")
    assert served.put(log_of(tmp_path, opening())) == (507, "StoreFull")
    assert served.put_blob(hashlib.sha256(b"x").hexdigest(), b"x") == (507, "StoreFull")


def test_trials_of_the_servers_own_sweeps_are_left_to_their_agents(served: Served, tmp_path: Path) -> None:
    with Workspace(served.root) as workspace:
        spec = parse_spec({"method": "grid", "parameters": {"x": {"values": [1, 2]}}})
        sweep = workspace.create(spec, pickled=b"unused")
    before = served.files()
    data = log_of(tmp_path, opening(sweep_id=sweep), *ROWS)
    assert served.put(data) == (403, "NotAllowed")
    assert served.put(data[:20], run="r2") == HEADER_SIZE + 20  # not yet known for what it is
    assert served.put(data[20:], HEADER_SIZE + 20, run="r2") == (403, "NotAllowed")
    assert served.run() is served.run("r2") is None
    assert served.files() == before
    foreign = log_of(tmp_path, opening(sweep_id="of-another-store"), *ROWS)
    assert served.put(foreign) == HEADER_SIZE + len(foreign)
    assert served.run().sweep_id == "of-another-store"  # type: ignore[union-attr]


def test_a_blob_comes_whole_and_is_kept_once(served: Served) -> None:
    data = bytes(range(256)) * 300
    digest = hashlib.sha256(data).hexdigest()
    known = served.client.head(f"/v1/blobs/{digest}")
    assert (known.status_code, known.headers["upload-offset"]) == (404, "0")
    assert served.client.get(f"/v1/blobs/{digest}").json()["error"] == "NotFound"
    assert served.put_blob(digest, data) == len(data)
    assert served.put_blob(digest, data) == len(data)
    known = served.client.head(f"/v1/blobs/{digest}")
    assert (known.status_code, known.headers["content-length"]) == (200, str(len(data)))
    assert served.client.get(f"/v1/blobs/{digest}").content == data
    assert Blobs(served.root / "blobs").read(digest) == data
    assert served.files() == {f"blobs/{digest[:2]}/{digest[2:]}"}


def test_an_empty_blob_is_one(served: Served) -> None:
    digest = hashlib.sha256(b"").hexdigest()
    assert served.put_blob(digest, b"") == 0
    assert served.client.get(f"/v1/blobs/{digest}").content == b""


def test_a_blob_larger_than_a_request_comes_in_parts_each_of_which_may_be_repeated(served: Served) -> None:
    data = bytes(range(256)) * 600
    digest = hashlib.sha256(data).hexdigest()
    size = f"&size={len(data)}"
    assert served.put_blob(digest, data[:90_000], f"?offset=0{size}") == 90_000
    assert served.put_blob(digest, data[:90_000], f"?offset=0{size}") == 90_000
    assert served.client.head(f"/v1/blobs/{digest}").headers["upload-offset"] == "90000"
    assert served.put_blob(digest, data[90_001:], f"?offset=90001{size}") == (409, "OutOfStep")
    assert served.client.get(f"/v1/blobs/{digest}").status_code == 404
    assert served.put_blob(digest, data[60_000:], f"?offset=60000{size}") == len(data)
    assert served.client.get(f"/v1/blobs/{digest}").content == data
    assert served.files() == {f"blobs/{digest[:2]}/{digest[2:]}"}


@pytest.mark.parametrize("query", ["", "?offset=0&size=3", "?offset=0&size=5"])
def test_bytes_that_are_not_what_their_digest_says_are_refused_and_nothing_is_kept(served: Served, query: str) -> None:
    digest = hashlib.sha256(b"good").hexdigest()
    data = b"evil" + b"!" * (query[-1:] == "5")
    assert served.put_blob(digest, data, query) == (400, "UsageError")
    assert not served.files()
    assert served.put_blob(digest, b"good") == 4


def test_what_is_no_digest_names_no_blob(served: Served) -> None:
    for digest in ["0" * 63, "0" * 65, "A" * 64, "..", "%2e%2e%2f" + "0" * 55, "0" * 62 + "%0a0"]:
        assert served.put_blob(digest, b"x") in [(400, "UsageError"), (404, "NotFound")], digest
        assert served.client.get(f"/v1/blobs/{digest}").status_code in (400, 404)
        assert not served.files()


def test_errors_tell_what_to_do(served: Served) -> None:
    answer = served.client.put("/v1/runs/r1/segments/x.log?offset=0", content=b"")
    assert set(json.loads(answer.content)) == {"error", "message", "hint"}
    assert "x.log" in answer.json()["message"]
