"""Trials over several nodes of a real Ray cluster, with real process groups of torch that begin and end together."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from swath.agents.launchers.base import AgentEvent
from swath.agents.launchers.ray import RayLauncher, advertise_host, import_ray
from swath.agents.launchers.ray_actor import ActorSettings
from swath.agents.launchers.ray_options import Resources
from swath.agents.protocol import Gang, Lease, Verdict
from swath.agents.testing.ddp import DYING, ENDLESS, training
from swath.agents.testing.launchers import until
from swath.agents.testing.memory import MemorySource
from swath.agents.testing.worlds import gone, pids_in, program, source_of, wait_for
from swath.tracking.errors import UsageError
from swath.tracking.runlog.records import Row

if TYPE_CHECKING:
    from tests.integration.conftest import ServerMaker

pytestmark = [
    pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed"),
    pytest.mark.ray,
    pytest.mark.slow,
    # Ray leaves the pipes of its own processes open, and warns of its own future.
    pytest.mark.filterwarnings(
        "ignore::ResourceWarning", "ignore::FutureWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]
#: One rank on each node: an import of torch less on each than with two.
SMALL = Gang(nodes=2, processes=1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head node without CPUs, and two nodes for the ranks."""
    import_ray()
    from ray.cluster_utils import Cluster

    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


def source_in(folder: Path, what: str = "pass", **changes: Any) -> MemorySource:
    gang = changes.pop("gang", Gang(nodes=2, processes=2))
    return source_of(program(folder, training(what)), gang=gang, **{"grace_s": 2.0, "lease_s": 5.0, **changes})


def launcher_of(source: MemorySource, servers: ServerMaker, address: str | None, **options: Any) -> RayLauncher:
    server = servers.serve(source, "0.0.0.0")
    settings = ActorSettings(server.url_at(advertise_host(address)), servers.TOKEN, "s1", "cold")
    resources = options.pop("resources", Resources(cpu=1, nodes=2))
    return RayLauncher(settings, 1, address=address, resources=resources, **options)


def run_all(source: MemorySource, servers: ServerMaker, address: str) -> list[AgentEvent]:
    with launcher_of(source, servers, address) as launcher:
        launcher.start()
        return until(launcher, lambda: not launcher.alive)


def totals(source: MemorySource) -> list[tuple[int, float]]:
    return [(row.step, row.values["total"]) for row in source.rows(1)]


def test_ranks_on_two_nodes_are_one_process_group(cluster: Any, servers: ServerMaker, tmp_path: Path) -> None:
    """Rank 0's rows are the trial's, and what all ranks print comes back."""
    source = source_in(tmp_path)
    run_all(source, servers, cluster.address)
    assert source.endings() == {"finished": 1}, source.trials[0].outcomes
    assert totals(source) == [(step, 10.0) for step in range(4)]
    lines = sorted(line for line in source.output(1).splitlines() if "ids" in line)
    assert lines == [
        "[rank 1] ids 1 1 4 2 0 1 run-1",
        "[rank 2] ids 2 0 4 2 1 1 run-1",
        "[rank 3] ids 3 1 4 2 1 1 run-1",
        "ids 0 0 4 2 0 1 run-1",
    ]


def test_a_rank_that_is_killed_on_the_other_node_ends_the_attempt_and_the_next_one_succeeds(
    cluster: Any, servers: ServerMaker, tmp_path: Path
) -> None:
    source = source_in(tmp_path, DYING, gang=SMALL)
    run_all(source, servers, cluster.address)
    (_, first), (_, second) = source.trials[0].outcomes
    assert (first.ending, second.ending) == ("crashed", "finished")
    assert "rank 1 was killed by SIGKILL" in first.error
    assert totals(source) == [(step, 3.0) for step in range(4)]
    assert gone(pids_in(tmp_path / "pids", 4))


def test_a_stop_request_ends_the_ranks_of_all_nodes(cluster: Any, servers: ServerMaker, tmp_path: Path) -> None:
    def judge(lease: Lease, seen: list[Row]) -> Verdict:
        return Verdict("stop", "rung 1") if len(seen) > 6 else Verdict()

    source = source_in(tmp_path, ENDLESS, gang=SMALL, judge=judge, decides=True)
    run_all(source, servers, cluster.address)
    assert source.endings() == {"stopped": 1}
    assert gone(pids_in(tmp_path / "pids", 2))


def test_a_gang_without_room_says_what_is_missing_and_takes_no_trial(
    cluster: Any, servers: ServerMaker, tmp_path: Path
) -> None:
    source = source_in(tmp_path, gang=Gang(nodes=3))
    wanted = Resources(cpu=1, nodes=3)
    with launcher_of(source, servers, cluster.address, resources=wanted, patience_s=0.0) as launcher:
        launcher.start()
        waiting = launcher.poll()
        assert source.trials[0].attempt == 0
    assert [event.kind for event in waiting] == ["waiting"]
    assert "on each of 3 nodes at once" in waiting[0].reason


def test_the_loss_of_a_node_is_a_crash_and_the_trial_goes_to_a_whole_set_of_nodes(
    cluster: Any, servers: ServerMaker, tmp_path: Path
) -> None:
    """The agent that lost it is replaced, and the next attempt succeeds once there are two nodes again."""
    source = source_in(tmp_path, "if run.attempt == 1: time.sleep(600)", gang=SMALL)
    with launcher_of(source, servers, cluster.address) as launcher:
        launcher.start()
        until(launcher, lambda: (tmp_path / "pids").exists() and len(source.rows(1)) >= 3)
        where = next(iter(source.agents.values())).pid
        cluster.remove_node(node_without(cluster, where), allow_graceful=False)
        cluster.add_node(num_cpus=1)
        events = until(launcher, lambda: not launcher.alive)
    assert "replaced" in [event.kind for event in events]
    (_, first), (_, second) = source.trials[0].outcomes
    assert (first.ending, second.ending) == ("crashed", "finished")
    assert "was lost" in first.error
    wait_for(lambda: gone(pids_in(tmp_path / "pids", 4)), "the ranks of the lost node")


def node_without(cluster: Any, pid: int) -> Any:
    """The node, of those with CPUs, that does not run the process `pid`."""
    import psutil

    parents = {parent.pid for parent in psutil.Process(pid).parents()}
    return next(node for node in cluster.worker_nodes if node.all_processes["raylet"][0].process.pid not in parents)


def test_nodes_of_their_own_need_a_cluster(servers: ServerMaker, tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="a Ray that is started here has one"),
        launcher_of(source_in(tmp_path), servers, None) as launcher,
    ):
        launcher.start()
