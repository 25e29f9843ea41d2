"""Agents on a real cluster of two nodes: spread or packed, on nodes with a label, with the code and variables sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.folders import DEADLINE_S, Folder
from tests.integration.test_ray_cluster import nodes_of, source_in

from swath.agents.launchers.ray import RayLauncher, advertise_host, import_ray
from swath.agents.launchers.ray_actor import ActorSettings
from swath.agents.launchers.ray_options import RayOptions, Resources
from swath.agents.testing.launchers import until
from swath.agents.testing.worlds import wait_for
from swath.sweeps import Workspace

if TYPE_CHECKING:
    from tests.integration.conftest import ServerMaker

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore::ResourceWarning", "ignore::FutureWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]

#: Tells where it runs; ends when the file GO is there.
PLACED = """
import os, time
import swath.tracking as tracking
from beside import GREETING

def train(config):
    import ray
    with tracking.init() as run:
        run.log({"loss": 1.0, "node": ray.get_runtime_context().get_node_id(), "greeting": GREETING,
                 "file": __file__, "cwd": os.getcwd(), "data": open("data.txt").read()})
        while not os.path.exists(os.environ["GO"]):
            time.sleep(0.05)
"""


@dataclass(frozen=True)
class Nodes:
    """A cluster whose head runs no agents, and the ids of its two nodes: the bigger one, and the one in zone b."""

    address: str
    big: str
    zone_b: str


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Either node has room for three agents: where they go is decided by what was asked for alone."""
    import_ray()
    from ray.cluster_utils import Cluster

    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    big, zone_b = cluster.add_node(num_cpus=4), cluster.add_node(num_cpus=3, labels={"zone": "b"})
    yield Nodes(cluster.address, big.node_id, zone_b.node_id)
    cluster.shutdown()


def test_the_code_is_sent_to_agents_that_are_spread_and_they_drain_when_asked(
    nodes: Nodes, folder: Folder, tmp_path: Path
) -> None:
    """Nothing of the launcher's folder is read by trials; all that the agents log comes back to its store."""
    (folder.path / "code").mkdir()
    (folder.path / "code" / "placed.py").write_text(PLACED)
    (folder.path / "code" / "beside.py").write_text("import os\nGREETING = os.environ['GREETING']\n")
    (folder.path / "code" / "data.txt").write_text("data")
    folder.spec("function: placed:train", points=3)
    (folder.path / "sweep.yaml").rename(folder.path / "code" / "sweep.yaml")
    go = tmp_path / "go"
    ran = folder.start(
        "run", "code/sweep.yaml", "--address", nodes.address, "--agents", "2", "--executor", "inline", "--spread",
        "--working-dir", "code", "--env", "GREETING=hello", "--env", f"GO={go}", "--json",
    )  # fmt: skip
    folder.wait_for(lambda workspace, sweep_id: len(told_by(workspace, sweep_id)) == 2)
    drained = folder.sweep("agents", "last", "--drain", "all")
    assert drained.stdout.count("finishes its trial and leaves") == 2
    (folder.path / "code" / "data.txt").write_text("changed")
    go.touch()
    out, err = ran.communicate(timeout=DEADLINE_S)
    assert (ran.returncode, json.loads(out)["trials"]["finished"]) == (1, 2), err
    with Workspace(folder.path / ".swath") as workspace:
        told = told_by(workspace, workspace.resolve("last"))
    assert {each["node"] for each in told} == {nodes.big, nodes.zone_b}
    assert {(each["greeting"], each["data"]) for each in told} == {("hello", "data")}
    assert not [each for each in told if Path(each["file"]).is_relative_to(folder.path)]
    assert not [each for each in told if Path(each["cwd"]).is_relative_to(folder.path)]


def told_by(workspace: Workspace, sweep_id: str) -> list[dict[str, Any]]:
    return [trial.summary for trial in workspace.trials(sweep_id) if "node" in trial.summary]


@pytest.mark.parametrize("strategy", ["pack", "spread"])
def test_agents_go_only_to_nodes_with_the_label(
    nodes: Nodes, servers: ServerMaker, tmp_path: Path, strategy: str
) -> None:
    source = source_in(tmp_path, 4)
    (tmp_path / "wait").touch()
    server = servers.serve(source, "0.0.0.0")
    settings = ActorSettings(server.url_at(advertise_host(nodes.address)), servers.TOKEN, "s1", "inline")
    placed = RayOptions(strategy, labels=(("zone", "b"),))
    with RayLauncher(settings, 2, address=nodes.address, resources=Resources(cpu=1), placed=placed) as launcher:
        launcher.start()
        until(launcher, lambda: len(source.agents) == 2)
        (tmp_path / "wait").unlink()
        until(launcher, lambda: source.endings().total() == 4)
        until(launcher, lambda: not launcher.alive)
    assert nodes_of(source) == {nodes.zone_b}


def test_packed_agents_share_a_node_that_holds_them_all(nodes: Nodes, servers: ServerMaker, tmp_path: Path) -> None:
    source = source_in(tmp_path, 6)
    (tmp_path / "wait").touch()
    server = servers.serve(source, "0.0.0.0")
    settings = ActorSettings(server.url_at(advertise_host(nodes.address)), servers.TOKEN, "s1", "inline")
    with RayLauncher(settings, 3, address=nodes.address, placed=RayOptions("pack")) as launcher:
        launcher.start()
        until(launcher, lambda: len(source.agents) == 3)
        (tmp_path / "wait").unlink()
        until(launcher, lambda: source.endings().total() == 6)
    wait_for(lambda: not launcher.alive, "the agents' end")
    assert len(nodes_of(source)) == 1
