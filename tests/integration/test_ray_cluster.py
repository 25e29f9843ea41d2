"""Agents on a real cluster of two nodes, on one that is lost, and on a Ray that the launcher starts for itself."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from swath.agents.launchers.base import AgentEvent
from swath.agents.launchers.ray import RayLauncher, advertise_host, connect, import_ray
from swath.agents.launchers.ray_actor import ActorSettings
from swath.agents.launchers.ray_options import RayOptions, Resources
from swath.agents.protocol import Job, Task
from swath.agents.testing.launchers import until
from swath.agents.testing.memory import MemorySource
from swath.agents.testing.worlds import wait_for
from swath.tracking.errors import UsageError

if TYPE_CHECKING:
    from tests.integration.conftest import ServerMaker

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    # Ray leaves the pipes of its own processes open, and warns of its own future.
    pytest.mark.filterwarnings(
        "ignore::ResourceWarning", "ignore::FutureWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]

WHERE = """
import os, time
import swath.tracking as tracking

def node(config):
    import ray
    with tracking.init() as run:
        run.log({"x": config["x"]})
        print("node", ray.get_runtime_context().get_node_id())
        while os.path.exists(os.path.join(os.path.dirname(__file__), "wait")):
            run.log({"x": config["x"]})
            time.sleep(0.02)
"""


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head node without CPUs, so that agents run elsewhere, and a first node with one."""
    import_ray()
    from ray.cluster_utils import Cluster

    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


def source_in(folder: Path, trials: int) -> MemorySource:
    (folder / "where_am_i.py").write_text(WHERE)
    task = Task(function="where_am_i:node", cwd=str(folder))
    job = Job("s1", "cluster", "tests", task, lease_s=2.0, grace_s=2.0)
    return MemorySource(job, [{"x": number} for number in range(trials)], most_attempts=20)


def launcher_of(source: MemorySource, servers: ServerMaker, address: str | None, agents: int) -> RayLauncher:
    """Agents inline, so that a trial can tell which node it is on."""
    server = servers.serve(source, "127.0.0.1" if address is None else "0.0.0.0")
    settings = ActorSettings(server.url_at(advertise_host(address)), servers.TOKEN, "s1", "inline")
    return RayLauncher(settings, agents, address=address, resources=Resources(cpu=1))


def replaced(launcher: RayLauncher, events: list[AgentEvent]) -> bool:
    events += launcher.poll()
    return any(event.kind == "replaced" for event in events)


def nodes_of(source: MemorySource) -> set[str]:
    return {source.output(trial.number).split()[-1] for trial in source.trials if source.output(trial.number)}


def test_agents_run_on_both_nodes_and_survive_the_loss_of_one(
    cluster: Any, servers: ServerMaker, tmp_path: Path
) -> None:
    """The agent of the lost node is replaced, and its trial is run again on the other one."""
    first, second = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
    source = source_in(tmp_path, 8)
    (tmp_path / "wait").touch()
    with launcher_of(source, servers, cluster.address, 2) as launcher:
        launcher.start()
        until(launcher, lambda: nodes_of(source) == {first.node_id, second.node_id})
        cluster.remove_node(second, allow_graceful=False)
        events: list[AgentEvent] = []
        wait_for(lambda: replaced(launcher, events), "another agent for the one that was lost")
        (tmp_path / "wait").unlink()
        until(launcher, lambda: source.endings().total() == 8)
    assert [event.kind for event in events if event.kind != "started"] == ["ended", "replaced"]
    assert source.endings() == {"finished": 8}
    assert sorted(trial.attempt for trial in source.trials) == [1] * 7 + [2]
    assert nodes_of(source) == {first.node_id}


def test_agents_follow_the_nodes_as_they_come_and_go(cluster: Any, servers: ServerMaker, tmp_path: Path) -> None:
    """Only nodes with the sweep's own resource count; the trial of a node that goes is run again on the other."""
    first = cluster.add_node(num_cpus=1, resources={"licence": 1})
    source = source_in(tmp_path, 4)
    (tmp_path / "wait").touch()
    server = servers.serve(source, "0.0.0.0")
    settings = ActorSettings(server.url_at(advertise_host(cluster.address)), servers.TOKEN, "s1", "inline")
    wanted = Resources(cpu=1, custom=(("licence", 1.0),))
    with RayLauncher(settings, 1, address=cluster.address, resources=wanted, follow=True) as launcher:
        launcher.start()
        until(launcher, lambda: nodes_of(source) == {first.node_id})
        second = cluster.add_node(num_cpus=1, resources={"licence": 1})
        until(launcher, lambda: nodes_of(source) == {first.node_id, second.node_id})
        assert launcher.alive == 2
        cluster.remove_node(second, allow_graceful=False)
        until(launcher, lambda: launcher.alive == 1)
        (tmp_path / "wait").unlink()
        until(launcher, lambda: source.endings().total() == 4)
    assert source.endings() == {"finished": 4}
    assert nodes_of(source) == {first.node_id}


def test_an_address_where_no_ray_is_is_a_usage_error(servers: ServerMaker, tmp_path: Path) -> None:
    launcher = launcher_of(source_in(tmp_path, 1), servers, "127.0.0.1:1", 1)
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:1"), launcher:
        launcher.start()


def test_an_address_of_a_ray_client_says_what_it_needs_where_that_is_not_installed() -> None:
    if importlib.util.find_spec("grpc") is not None:
        pytest.skip("Ray's client is installed here")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"ray://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(UsageError, match="cannot be reached") as caught:
            connect(import_ray(), address, 1, Resources(), RayOptions())
    assert 'pip install "ray[client]"' in caught.value.hint


def test_without_an_address_a_ray_is_started_with_room_for_all_agents_and_ended_again(
    servers: ServerMaker, tmp_path: Path
) -> None:
    source = source_in(tmp_path, 6)
    (tmp_path / "wait").touch()
    with launcher_of(source, servers, None, 3) as launcher:
        launcher.start()
        until(launcher, lambda: len(source.agents) == 3)
        (tmp_path / "wait").unlink()
        until(launcher, lambda: not launcher.alive)
    assert source.endings() == {"finished": 6}
    assert not import_ray().is_initialized()
