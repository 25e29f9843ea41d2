"""A `sweep server` that nobody reaches for longer than a lease: it is dead, or the network is cut (with namespaces)."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.worlds import Folder, Server, wait_until

from swath.sweeps.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

#: OUTAGE_S=60 with SWATH_LEASE_S=30 is the real thing.
LEASE_S = float(os.environ.get("SWATH_LEASE_S", "2"))
OUTAGE_S = max(float(os.environ.get("OUTAGE_S", "0")), 1.5 * LEASE_S)
ENV = os.environ | {"SWATH_LEASE_S": str(LEASE_S)}


class Link:
    """Two networks and the only link between them. `HERE` is the server's address in the first."""

    HERE, THERE = "10.213.77.1", "10.213.77.2"

    def __init__(self) -> None:
        self._names = [f"swath-{os.getpid()}-{number}" for number in (1, 2)]
        self.first, self.second = (("ip", "netns", "exec", name) for name in self._names)

    def lay(self) -> None:
        """Raises `CalledProcessError` where this user, or this machine, may not."""
        for name in self._names:
            self._ip("netns", "add", name)
        one, two = self._names
        self._ip("link", "add", "swath", "netns", one, "type", "veth", "peer", "name", "swath", "netns", two)
        for name, address in zip(self._names, (self.HERE, self.THERE), strict=True):
            self._ip("-n", name, "address", "add", f"{address}/24", "dev", "swath")
            self._ip("-n", name, "link", "set", "lo", "up")
            self._ip("-n", name, "link", "set", "swath", "up")

    def cut(self) -> None:
        self._ip("-n", self._names[1], "link", "set", "swath", "down")

    def mend(self) -> None:
        self._ip("-n", self._names[1], "link", "set", "swath", "up")

    def remove(self) -> None:
        for name in self._names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def link() -> Iterator[Link]:
    if shutil.which("ip") is None:
        pytest.skip("there is no ip command to make network namespaces with")
    link = Link()
    try:
        link.lay()
        yield link
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
    finally:
        link.remove()


def gated(path: Path, points: int) -> Folder:
    """A folder whose trials stop half way until there is a file `go-<x>`."""
    folder = Folder(path, points=points, pause=0.0, program="train.py")
    gate = "while epoch == 1 and not os.path.exists(f\"go-{config['x']}\"): time.sleep(0.02)"
    text = (path / "train.py").read_text().replace('time.sleep(config["pause"])', gate)
    (path / "train.py").write_text(f"import os\n{text}")
    return folder


def open_gates(folder: Folder, *xs: int) -> None:
    for x in xs or range(folder.points):
        (folder.path / f"go-{x}").touch()


def wait_half_way(folder: Folder, sweep: str, trials: int) -> None:
    wait_until(lambda: [trial.reports for trial in folder.trials(sweep)] == [2] * trials, "half of each trial is told")


def let_leases_run_out(folder: Folder, sweep: str) -> None:
    """Until the outage has lasted; the trials end meanwhile, and somebody looks on, which may take trials back."""
    open_gates(folder)
    ends = time.monotonic() + OUTAGE_S
    wait_until(lambda: time.monotonic() > ends, "the outage", OUTAGE_S + 10)
    with Workspace(folder.root, lease_s=LEASE_S) as workspace:
        workspace.catch_up(sweep)
    assert {trial.reports for trial in folder.trials(sweep)} == {2}, "nothing is told during the outage"


def let_end(*agents: subprocess.Popen[str]) -> list[str]:
    """What agents said that ended well."""
    said = [agent.communicate(timeout=120)[0] for agent in agents]
    assert [agent.returncode for agent in agents] == [0] * len(agents), said
    return said


def test_a_server_that_is_dead_for_longer_than_a_lease_costs_no_attempt_no_agent_and_no_report(tmp_path: Path) -> None:
    """One agent has nothing to do and asks for a trial all the time: it may be the first when the server is back."""
    folder = gated(tmp_path, 2)
    sweep = folder.create()
    server = Server(folder, ENV, tmp_path / "server.log")
    agents = [folder.cold("agent", sweep, env=ENV | server.variables) for _ in range(3)]
    wait_half_way(folder, sweep, 2)
    server.kill()
    let_leases_run_out(folder, sweep)
    server.restart()
    let_end(*agents)
    server.kill()
    folder.check_exact(sweep)
    assert [trial.attempt for trial in folder.trials(sweep)] == [1, 1]


def test_a_cut_link_to_all_agents_costs_no_attempt(tmp_path: Path, link: Link) -> None:
    folder = gated(tmp_path, 1)
    sweep = folder.create()
    server = Server(folder, ENV, tmp_path / "server.log", link.HERE, within=link.first)
    agents = [folder.cold("agent", sweep, env=ENV | server.variables, within=link.second) for _ in range(2)]
    wait_half_way(folder, sweep, 1)
    link.cut()
    let_leases_run_out(folder, sweep)
    link.mend()
    let_end(*agents)
    server.kill()
    folder.check_exact(sweep)
    assert [trial.attempt for trial in folder.trials(sweep)] == [1]


def test_what_a_cut_link_takes_away_others_run_and_who_comes_back_changes_nothing(tmp_path: Path, link: Link) -> None:
    folder = gated(tmp_path, 2)
    sweep = folder.create()
    server = Server(folder, ENV, tmp_path / "server.log", link.HERE, within=link.first)
    env = ENV | server.variables
    far = folder.cold("agent", sweep, "--name", "far", env=env, within=link.second)
    near = folder.cold("agent", sweep, "--name", "near", env=env, within=link.first)
    wait_half_way(folder, sweep, 2)
    [cut_off] = [trial for trial in folder.trials(sweep) if trial.agent == "far"]
    link.cut()
    open_gates(folder, 1 - int(cut_off.config["x"]))
    wait_until(lambda: folder.trials(sweep)[cut_off.number - 1].attempt == 2, "the near agent takes that trial over")
    link.mend()
    open_gates(folder)
    [_, said] = let_end(near, far)
    server.kill()
    assert "has lost its lease" in said
    folder.check_exact(sweep)
    assert sorted(trial.attempt for trial in folder.trials(sweep)) == [1, 2]
