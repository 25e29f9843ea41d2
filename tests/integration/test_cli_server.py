"""`sweep server`, `login` and `sync`, each a process of its own: what they print, keep and send, and how they end."""

from __future__ import annotations

import json
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.folders import DEADLINE_S, Folder
from tests.integration.shipped import segments_of

from swath.sweeps import Workspace
from swath.tracking.runlog.logfile import LogWriter
from swath.tracking.runlog.records import Finish, Header, Row

NO_SERVER = "http://127.0.0.1:1"
CLIENT = """
import swath.tracking as tracking
with tracking.init(id="x", resume="allow", config={"lr": 0.1}) as run:
    for n in range(20):
        run.log({"n": n})
print([row["n"] for row in tracking.Api().run("x").scan_history()] == list(range(20)))
"""


class Served:
    """A `sweep server` of the folder, and what it said."""

    def __init__(self, folder: Folder, *arguments: str, port: int = 0) -> None:
        self.process = folder.start("server", "--port", str(port), *arguments)
        assert self.process.stdout is not None
        self.lines: list[str] = []
        while not self.lines or not self.lines[-1].startswith("or once"):
            line = self.process.stdout.readline()
            assert line, self.process.communicate()[1]
            self.lines.append(line.rstrip("\n"))
        exports = dict(re.findall(r"export (\w+)=(\S+)", "\n".join(self.lines)))
        self.url, self.token = exports["SWATH_URL"], exports["SWATH_TOKEN"]
        self.port = int(self.url.rpartition(":")[2])
        self.environment = {"SWATH_URL": self.url, "SWATH_TOKEN": self.token}

    def end(self, number: int) -> tuple[int, str]:
        """Exit code and stderr after a signal."""
        self.process.send_signal(number)
        err = self.process.communicate(timeout=DEADLINE_S)[1]
        return self.process.wait(), err


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Folder]:
    """The folder that is served."""
    yield from _folder(tmp_path / "served")


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Folder]:
    """The folder of somebody who uses the server."""
    yield from _folder(tmp_path / "mine")


def _folder(path: Path) -> Iterator[Folder]:
    path.mkdir()
    made = Folder(path)
    made.env["XDG_CONFIG_HOME"] = str(path / "config")
    yield made
    made.end()


def written(root: Path, run_id: str, rows: int = 5, size: int = 0, mode: str = "offline") -> Path:
    folder = root / "runs" / run_id
    writer = LogWriter(folder / "0001.log")
    writer.append(Header(run_id, 1, 5.0, "name", mode=mode, host="elsewhere", pid=1))
    for number in range(rows):
        writer.append(Row(number, 6.0 + number, {"n": number, "text": "x" * size}))
    writer.append(Finish(0, 100.0))
    writer.close()
    return folder


def stored(place: Folder, run_id: str) -> Path:
    return place.path / ".swath" / "runs" / run_id


def test_what_the_server_prints_is_all_that_another_process_needs(place: Folder, mine: Folder) -> None:
    served = Served(place)
    assert served.lines[0] == f"swath serves {place.path / '.swath'} at {served.url}; Ctrl-C ends it"
    (mine.path / "train.py").write_text(CLIENT)
    env = mine.env | served.environment
    argv = [sys.executable, "train.py"]
    done = subprocess.run(argv, cwd=mine.path, env=env, capture_output=True, text=True, timeout=DEADLINE_S)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
    assert segments_of(stored(place, "x")) == segments_of(mine.path / ".swath/runs/x")
    assert served.end(signal.SIGINT) == (130, "")


def test_an_agent_of_another_folder_takes_the_trials_of_the_server(place: Folder, mine: Folder) -> None:
    place.program("run.log({'loss': 1})", points=2)
    sweep_id = place.sweep("create", "sweep.yaml").stdout.strip()
    served = Served(place)
    mine.env |= served.environment
    done = mine.sweep("agent", sweep_id)
    assert done.returncode == 0, done.stderr
    with Workspace(place.path / ".swath") as workspace:
        assert workspace.show(sweep_id).trials["finished"] == 2
    assert served.end(signal.SIGTERM) == (143, "")


def test_the_token_is_made_once_and_kept_from_others_unless_one_is_given(place: Folder) -> None:
    first = Served(place)
    assert first.end(signal.SIGTERM)[0] == 143
    kept = place.path / ".swath" / "server-token"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert kept.read_text().strip() == first.token
    (place.path / "below").mkdir()
    again = Served(place, "--dir", "below", port=first.port)
    assert (again.token, again.url) == (first.token, first.url)
    again.end(signal.SIGINT)
    place.env["SWATH_TOKEN"] = "given"
    given = Served(place, "--dir", ".swath")
    assert given.token == "given"
    assert kept.read_text().strip() == first.token
    given.end(signal.SIGINT)


def test_a_port_that_is_taken_a_folder_that_is_not_there_and_a_public_address_are_told(place: Folder) -> None:
    served = Served(place, "--host", "0.0.0.0")
    taken = place.sweep("server", "--host", "0.0.0.0", "--port", str(served.port))
    assert (taken.returncode, taken.stdout) == (2, "")
    assert f"cannot listen on 0.0.0.0:{served.port}" in taken.stderr
    assert "--port N" in taken.stderr
    nowhere = place.sweep("server", "--dir", "nowhere")
    assert (nowhere.returncode, "there is no folder nowhere" in nowhere.stderr) == (2, True)
    code, err = served.end(signal.SIGINT)
    assert code == 130
    assert f"warning: other machines can reach 0.0.0.0:{served.port}" in err
    assert "127.0.0.1" not in served.url


def test_a_login_is_kept_when_the_server_takes_the_token_and_then_used(place: Folder, mine: Folder) -> None:
    served = Served(place)
    kept = mine.path / "config" / "swath" / "credentials.json"
    wrong = mine.sweep("login", served.url, "--token", "wrong")
    assert (wrong.returncode, "not the server's" in wrong.stderr, kept.exists()) == (2, True, False)
    done = mine.sweep("login", f"{served.url}/", "--token", served.token)
    assert done.returncode == 0, done.stderr
    assert served.token not in done.stdout + done.stderr
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text()) == {"url": served.url, "token": served.token}
    assert mine.sweep("login").stdout.startswith(f"logged in at {served.url} (swath ")
    written(mine.path / ".swath", "x")
    assert mine.sweep("sync").returncode == 0
    assert stored(place, "x").is_dir()
    assert mine.sweep("login", "--forget").returncode == 0
    assert not kept.exists()
    for verb in ("sync", "login"):
        nothing = mine.sweep(verb)
        assert (nothing.returncode, "sweep login URL" in nothing.stderr) == (2, True)


def test_a_login_to_what_does_not_answer_or_is_no_server_keeps_nothing(mine: Folder) -> None:
    silent = mine.sweep("login", NO_SERVER, "--token", "t")
    assert (silent.returncode, f"no answer from {NO_SERVER}" in silent.stderr) == (1, True)
    nonsense = mine.sweep("login", "gpu1:8787", "--token", "t")
    assert (nonsense.returncode, "http://host:port" in nonsense.stderr) == (2, True)
    assert not (mine.path / "config").exists()


def test_with_a_login_what_was_made_here_is_still_run_here(place: Folder, mine: Folder) -> None:
    place.program("run.log({'loss': 1})", points=1)
    theirs = place.sweep("create", "sweep.yaml").stdout.strip()
    served = Served(place)
    assert mine.sweep("login", served.url, "--token", served.token).returncode == 0
    mine.program("run.log({'loss': 1})", points=2)
    assert mine.run("--quiet", "--agents", "2").returncode == 0
    ours = mine.sweep("create", "sweep.yaml").stdout.strip()
    for sweep_id in (ours, theirs):
        done = mine.sweep("agent", sweep_id, "--quiet")
        assert (done.returncode, done.stderr) == (0, "")
    for folder, count in ((place, 1), (mine, 2)):
        with Workspace(folder.path / ".swath") as workspace:
            assert [view.trials["finished"] for view in workspace.sweeps()] == [count] * len(workspace.sweeps())


def test_sync_sends_what_the_paths_mean_and_says_what_became_of_each(place: Folder, mine: Folder) -> None:
    served = Served(place)
    mine.env |= served.environment
    here, other = mine.path / ".swath", mine.path / "project" / ".swath"
    for number in range(3):
        written(here, f"h{number}")
    for number in range(3):
        written(other, f"o{number}")
    one = mine.sweep("sync", "--json", "project/.swath/runs/o0", "h1")
    assert one.returncode == 0
    assert [(each["run"], each["state"], each["error"]) for each in json.loads(one.stdout)] == [
        ("o0", "delivered", ""),
        ("h1", "delivered", ""),
    ]
    assert "o0 delivered (0." in one.stderr
    rest = mine.sweep("sync", "project", ".swath", "project/.swath")
    assert rest.returncode == 0
    assert rest.stdout == f"4 runs delivered to {served.url}, 2 there already\n"
    for root in (here, other):
        for folder in (root / "runs").iterdir():
            assert segments_of(stored(place, folder.name)) == segments_of(folder)
    unknown = mine.sweep("sync", "nothing")
    assert (unknown.returncode, "nothing is no run's folder" in unknown.stderr) == (2, True)
    (mine.path / "empty").mkdir()
    mine.env["SWATH_DIR"] = str(mine.path / "empty" / ".swath")
    assert mine.sweep("sync", "--json").stdout == "[]\n"


def test_sync_goes_on_after_a_run_that_is_refused_and_ends_with_1(place: Folder, mine: Folder) -> None:
    served = Served(place)
    mine.env |= served.environment
    written(place.path / ".swath", "b", rows=200)
    path = written(mine.path / ".swath", "b", rows=100) / "0001.log"
    writer = LogWriter(path)
    for number in range(200):
        writer.append(Row(number, 1.0, {"n": -1}))
    writer.close()
    for name in ("a", "c"):
        written(mine.path / ".swath", name)
    done = mine.sweep("sync", "--json")
    assert done.returncode == 1
    assert {each["run"]: each["state"] for each in json.loads(done.stdout)} == {
        "a": "delivered",
        "b": "refused",
        "c": "delivered",
    }
    assert "another end of 0001.log" in done.stderr
    assert mine.sweep("sync").stdout.endswith("1 not sent\n")


def test_a_server_that_lost_its_store_gets_all_again_when_asked_for(place: Folder, mine: Folder) -> None:
    served = Served(place)
    mine.env |= served.environment
    written(mine.path / ".swath", "x")
    assert mine.sweep("sync").returncode == 0
    segment = stored(place, "x") / "0001.log"
    kept = segment.read_bytes()
    segment.unlink()
    assert mine.sweep("sync").stdout.startswith("0 runs delivered")
    assert mine.sweep("sync", "--again").stdout.startswith("1 run delivered")
    assert segment.read_bytes() == kept


def test_a_wrong_token_is_bad_usage_and_sends_nothing(place: Folder, mine: Folder) -> None:
    served = Served(place)
    written(mine.path / ".swath", "x")
    mine.env |= served.environment | {"SWATH_TOKEN": "wrong"}
    done = mine.sweep("sync", "--json")
    assert done.returncode == 2
    assert [each["state"] for each in json.loads(done.stdout)] == ["failed"]
    assert "not the server's" in done.stderr
    assert not stored(place, "x").exists()


@pytest.mark.slow
def test_a_sync_whose_server_is_killed_is_ended_by_the_next_one(place: Folder, mine: Folder) -> None:
    served = Served(place)
    mine.env |= served.environment
    names = [f"r{number:02}" for number in range(20)]
    for name in names:
        written(mine.path / ".swath", name, rows=40, size=50_000)
    first = mine.start("sync", "--json")
    assert first.stderr is not None
    assert first.stderr.readline().startswith("r00 delivered")
    assert served.end(signal.SIGKILL)[0] == -signal.SIGKILL
    out, err = first.communicate(timeout=DEADLINE_S)
    states = [each["state"] for each in json.loads(out)]
    assert first.returncode == 1
    assert [states[0], states[-1], len(states)] == ["delivered", "failed", len(names)]
    assert f"no answer from {served.url}" in err
    again = Served(place, port=served.port)
    assert mine.sweep("sync").returncode == 0
    for name in names:
        assert segments_of(stored(place, name)) == segments_of(mine.path / ".swath/runs" / name)
    with Workspace(place.path / ".swath") as workspace:
        assert {run.id: (run.rows, run.state) for run in workspace.runs()} == dict.fromkeys(names, (40, "finished"))
    again.end(signal.SIGINT)
