"""Agents as actors of a real Ray on this machine: the laws of launchers, resources, and what runs a trial there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
import pytest

from swath.agents.launchers import ray as ray_launcher
from swath.agents.launchers.ray import RayLauncher, advertise_host
from swath.agents.launchers.ray_actor import ActorSettings
from swath.agents.launchers.ray_options import RayOptions, Resources
from swath.agents.protocol import Job, Task
from swath.agents.testing.launchers import LauncherLaws, Worlds, until
from swath.agents.testing.memory import MemorySource
from swath.agents.testing.worlds import gone, job_of, wait_for
from swath.tracking.errors import UsageError

if TYPE_CHECKING:
    from tests.integration.conftest import ServerMaker

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    # Ray leaves the pipes of its own processes open.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A Ray of two CPUs for all tests of this file."""
    ray = ray_launcher.import_ray()
    ray_launcher.connect(ray, None, 2, Resources(), RayOptions())
    yield ray
    ray.shutdown()


class RayWorld:
    def __init__(self, source: MemorySource, servers: ServerMaker, folder: Path) -> None:
        self.source = source
        self._server = servers.serve(source)
        self._settings = (self._server.url, servers.TOKEN, "s1")
        self._folder = str(folder)

    def launcher(self, agents: int, *, executor: str | None = None, **options: Any) -> RayLauncher:
        return RayLauncher(ActorSettings(*self._settings, executor, self._folder), agents, **options)

    def close_server(self) -> None:
        self._server.stop()

    def open_server(self) -> None:
        self._server.start()


@pytest.fixture
def ray_world_of(ray: Any, servers: ServerMaker, tmp_path: Path) -> Callable[[MemorySource], RayWorld]:
    return lambda source: RayWorld(source, servers, tmp_path)


class TestRayLauncher(LauncherLaws):
    @pytest.fixture
    def world_of(self, ray_world_of: Worlds) -> Worlds:
        return ray_world_of

    def test_an_agent_without_room_says_what_is_missing_and_can_be_told_to_leave(self, world_of: Worlds) -> None:
        world = world_of(self.trials("quick", 2))
        with world.launcher(1, resources=Resources(cpu=1, gpu=64), patience_s=0.0) as launcher:
            launcher.start()
            waiting = launcher.poll()
            launcher.stop()
            ended = until(launcher, lambda: not launcher.alive)
        assert [event.kind for event in (*waiting, *ended)] == ["waiting", "ended"]
        assert "64 GPU" in waiting[0].reason


def run_all(world: RayWorld, agents: int = 1, **options: Any) -> RayLauncher:
    with world.launcher(agents, **options) as launcher:
        launcher.start()
        until(launcher, lambda: not launcher.alive)
    return launcher


def test_a_pickled_function_runs_in_a_child_of_the_actor(ray_world_of: Callable[[MemorySource], RayWorld]) -> None:
    def train(config: dict[str, Any]) -> None:
        import os

        import swath.tracking as tracking

        with tracking.init() as run:
            run.log({"pid": os.getpid(), "loss": config["x"]})

    source = MemorySource(job_of(Task(pickled=cloudpickle.dumps(train))), [{"x": 1}, {"x": 2}])
    run_all(ray_world_of(source))
    assert source.endings() == {"finished": 2}
    pids = {source.rows(number)[0].values["pid"] for number in (1, 2)}
    assert len(pids | {os.getpid(), *(info.pid for info in source.agents.values())}) == 3


def test_a_program_runs_in_the_folder_of_the_launcher(
    ray_world_of: Callable[[MemorySource], RayWorld], tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(
        "import os, swath.tracking as tracking\nprint('in', os.getcwd())\n"
        "with tracking.init() as run:\n    run.log({'loss': run.config.x})\n"
    )
    source = MemorySource(job_of(Task(program="train.py")), [{"x": 5}])
    run_all(ray_world_of(source))
    assert source.endings() == {"finished": 1}
    assert f"in {tmp_path}" in source.output(1)
    assert source.rows(1)[0].values["loss"] == 5


def test_a_function_is_found_in_the_folder_of_the_launcher(
    ray_world_of: Callable[[MemorySource], RayWorld], tmp_path: Path
) -> None:
    (tmp_path / "found_here.py").write_text("def train(config):\n    return {'loss': config['x']}\n")
    source = MemorySource(job_of(Task(function="found_here:train")), [{"x": 5}])
    run_all(ray_world_of(source), executor="inline")
    assert source.rows(1)[0].values["loss"] == 5


def test_an_agent_has_the_cpus_and_custom_resources_that_were_asked_for(
    ray: Any, ray_world_of: Callable[[MemorySource], RayWorld], tmp_path: Path
) -> None:
    world = ray_world_of(MemorySource(job_of(Task(program="wait.sh", command=("sleep", "600"))), [{"x": 1}]))
    with world.launcher(1, resources=Resources(cpu=1.5)) as launcher:
        launcher.start()
        until(launcher, lambda: world.source.agents)
        wait_for(lambda: ray.available_resources().get("CPU", 0) == 0.5, "Ray to count the agent's CPUs")


def test_actors_that_are_killed_again_and_again_lose_no_trial(
    ray_world_of: Callable[[MemorySource], RayWorld],
) -> None:
    """Four times over: the agent is killed while it works, and every trial still ends exactly once."""
    task = Task(command=("sleep", "0.3"))
    job = Job("s1", "kills", "tests", task, metric=None, lease_s=1.0, grace_s=1.0)
    source = MemorySource(job, [{"x": number} for number in range(6)], most_attempts=50)
    killed: set[int] = set()
    with ray_world_of(source).launcher(1, progress=lambda: len(killed)) as launcher:
        launcher.start()
        for _ in range(4):
            until(launcher, lambda: new_agent(source, killed))
            pid = new_agent(source, killed)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        until(launcher, lambda: not launcher.alive)
    assert source.endings() == {"finished": 6}
    wait_for(lambda: gone(sorted(killed)), "the killed agents")


def new_agent(source: MemorySource, killed: set[int]) -> int | None:
    return next((info.pid for info in list(source.agents.values()) if info.pid not in killed), None)


def test_without_an_address_agents_find_the_server_on_this_machine() -> None:
    assert advertise_host(None) == "127.0.0.1"


def test_a_cluster_elsewhere_is_told_the_address_that_faces_it() -> None:
    host = advertise_host("ray://192.0.2.7:10001")
    assert host.count(".") == 3
    assert host not in ("192.0.2.7", "0.0.0.0")


def test_a_cluster_that_cannot_be_reached_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"nowhere\.invalid"):
        advertise_host("nowhere.invalid:6379")
