"""A sweep on a real Ray cluster whose processes are killed at random; a program of its own, and the test's machine.

    python -m tests.acceptance.faults --trials 300 --kills 60 --seed 1

Agents on Ray share the store with agents that ask a `sweep server`. Killed with SIGKILL, in an order that the seed
gives, are trials, the processes that they are forked from, agents, raylets and whole nodes, the launcher with the
controller in it, and the server. What dies is started again as whoever runs a cluster would do it.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import subprocess
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from tests.acceptance.worlds import Folder, Server, end, kill, processes, wait_until

from swath.sweeps.views import EventView
from swath.sweeps.workspace import Workspace

#: Of a hundred kills so many are of each kind; each is there at least once.
SHARES = {"trial": 37, "agent": 33, "server": 10, "warm": 8, "node": 7, "launcher": 5}
#: What may cost an attempt: the death of its process, or a lease that its agent does not renew in time.
CRASHES, LOSSES = ("trial", "warm"), ("agent", "node", "launcher", "server")
PATIENCE_S = 120.0
STORE_BYTES = 80 * 1024 * 1024


@dataclass(frozen=True)
class Ordeal:
    """What a run of faults is made of."""

    trials: int = 300
    kills: int = 60
    agents: int = 8
    nodes: int = 4
    served: int = 2
    pause: float = 0.125
    lease_s: float = 15.0
    seed: int = 1

    def reach(self, kind: str) -> int:
        """How many attempts a kill of this kind may cost."""
        return {"server": self.served, "node": self.agents, "launcher": self.agents}.get(kind, 1)

    def kinds(self) -> list[str]:
        """The kinds of the kills in order; the rare and costly ones lie apart."""
        counts = {kind: max(1, self.kills * share // 100) for kind, share in SHARES.items()}
        counts["trial"] = max(1, self.kills - sum(counts.values()) + counts["trial"])
        chance = random.Random(self.seed)
        placed = [(index + chance.random(), kind) for kind, n in counts.items() for index in _spread(n, self.kills)]
        return [kind for _, kind in sorted(placed)]


def _spread(count: int, over: int) -> Iterator[float]:
    return ((index + 0.5) * over / count for index in range(count))


@dataclass(frozen=True)
class Kill:
    """One that happened: when, of what, and how many attempts it may have cost at most."""

    time: float
    kind: str
    most: int


@dataclass
class Figures:
    """What a run came to."""

    seconds: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    again: Counter[str] = field(default_factory=Counter)
    worst: int = 0

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kills.most_common())
        causes = ", ".join(f"{count} {cause}" for cause, count in self.again.most_common())
        return (
            f"{self.kills.total()} kills ({kinds}) in {self.seconds:.0f} s; {self.attempts} attempts, run again: "
            f"{causes or 'none'}; most attempts of one trial: {self.worst}"
        )


class Nodes:
    """A Ray cluster of this machine: a head without agents, and nodes that are killed and replaced."""

    def __init__(self, count: int, cpus: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from ray.cluster_utils import Cluster

            head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES}
            self._cluster: Any = Cluster(initialize_head=True, head_node_args=head, shutdown_at_exit=False)
        self._cpus = cpus
        self._thread = ThreadPoolExecutor(1)
        self._replacing: Future[None] | None = None
        self.address: str = self._cluster.address
        self._nodes = [self._add() for _ in range(count)]

    def _add(self) -> Any:
        return self._cluster.add_node(num_cpus=self._cpus, object_store_memory=STORE_BYTES)

    @property
    def whole(self) -> bool:
        """Whether every node that was killed is replaced."""
        if self._replacing is not None and self._replacing.done():
            self._replacing.result()
            self._replacing = None
        return self._replacing is None

    def kill(self, chance: random.Random) -> None:
        """SIGKILL a raylet, alone or with all that runs on its node; another node comes meanwhile."""
        victim = self._nodes.pop(chance.randrange(len(self._nodes)))
        raylet = psutil.Process(victim.all_processes["raylet"][0].process.pid)
        others = raylet.children(recursive=True) if chance.random() < 0.5 else []
        for process in [raylet, *others]:
            kill(process)
        self._replacing = self._thread.submit(self._replace, victim)

    def _replace(self, victim: Any) -> None:
        self._cluster.remove_node(victim, allow_graceful=False)
        self._nodes.append(self._add())

    def close(self) -> None:
        self._thread.shutdown()
        self._cluster.shutdown()


class World:
    """The cluster, the server, the agents, and the hand that kills them."""

    def __init__(self, path: Path, ordeal: Ordeal) -> None:
        self.ordeal = ordeal
        self.folder = Folder(path, points=ordeal.trials, pause=ordeal.pause, program="train.py")
        self.sweep = self.folder.create()
        self.workspace = Workspace(self.folder.root)
        self.kills: list[Kill] = []
        self._log = path / "processes.log"
        self._env = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "RAY_"))}
        self._env |= {"SWATH_LEASE_S": str(ordeal.lease_s)}
        self._chance = random.Random(ordeal.seed)
        self.nodes = Nodes(ordeal.nodes, math.ceil(ordeal.agents / max(1, ordeal.nodes - 1)))
        self.server = Server(self.folder, self._env, path / "server.log")
        self.launcher = self._launch()
        self.served = [self._serve() for _ in range(ordeal.served)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (self.launcher, self.server.process, *self.served):
            end(process)
        self.nodes.close()
        self.workspace.close()

    def _launch(self) -> subprocess.Popen[str]:
        words = ("run", "--resume", self.sweep, "--agents", str(self.ordeal.agents), "--spread")
        return self._start(*words, "--address", self.nodes.address, env=self._env)

    def _serve(self) -> subprocess.Popen[str]:
        return self._start("agent", self.sweep, env=self._env | self.server.variables)

    def _start(self, *words: str, env: dict[str, str]) -> subprocess.Popen[str]:
        with self._log.open("a") as file:
            return self.folder.cold(*words, env=env, stdout=file, stderr=file)

    def run(self) -> None:
        """Kill as planned, spread over the whole of the sweep, then let it end."""
        kinds = self.ordeal.kinds()
        for index, kind in enumerate(kinds):
            due = (index + 0.5) * self.ordeal.trials * 0.95 / len(kinds)
            self._until(lambda due=due: self.finished() >= due, "the sweep goes on")  # type: ignore[misc]
            self._kill(kind)
        self._until(lambda: self.view().state == "finished", "the sweep ends")
        for process in (self.launcher, *self.served):
            assert process.wait(PATIENCE_S) == 0, self._log.read_text()

    def view(self) -> Any:
        return self.workspace.show(self.sweep)

    def finished(self) -> int:
        return int(self.view().trials["finished"])

    def _until(self, condition: Callable[[], Any], what: str) -> Any:
        def look() -> Any:
            self._tend()
            return condition()

        return wait_until(look, f"{what}: {self.view().trials}, see {self._log}", PATIENCE_S)

    def _tend(self) -> None:
        """Start again what has died; an agent that the end of the sweep has sent home stays there."""
        self.served = [self._serve() if process.poll() not in (None, 0) else process for process in self.served]
        assert self.launcher.poll() in (None, 0), self._log.read_text()

    def _kill(self, kind: str) -> None:
        before = time.time()
        match kind:
            case "launcher":
                end(self.launcher)
                self.launcher = self._launch()
            case "server":
                self.server.kill()
                self.server.restart()
            case "node":
                self._until(lambda: self.nodes.whole, "the last node is replaced")
                before = time.time()
                self.nodes.kill(self._chance)
            case _:
                self._until(lambda: self._hit(kind), f"there is a process of the kind {kind}")
        self.kills.append(Kill(before, kind, self.ordeal.reach(kind)))

    def _hit(self, kind: str) -> bool:
        found = list(self._victims(kind))
        return bool(found) and kill(self._chance.choice(found))

    def _victims(self, kind: str) -> Iterator[psutil.Process]:
        if kind == "trial":
            return processes(self.folder.path, "train.py", "--x=")
        if kind == "warm":
            return processes(self.folder.path, "libraries of", "train.py")
        return self._agents()

    def _agents(self) -> Iterator[psutil.Process]:
        for agent in self.workspace.agents(self.sweep):
            if agent.state == "active" and psutil.pid_exists(agent.pid):
                yield psutil.Process(agent.pid)

    def check(self) -> Figures:
        """All the laws; what the run came to."""
        self.folder.check_exact(self.sweep)
        events = list(_all_events(self.workspace, self.sweep))
        _check_courses(events, self.ordeal.trials)
        again = [event for event in events if event.kind == "trial.requeued"]
        _check_causes(again, self.kills)
        trials = self.workspace.trials(self.sweep)
        attempts = sum(trial.attempt for trial in trials)
        assert attempts == self.ordeal.trials + len(again)
        wait_until(lambda: not list(processes(self.folder.path, "train.py", "--x=")), "no trial is left behind")
        causes = Counter(str(event.payload["ending"]) for event in again)
        kinds = Counter(kill.kind for kill in self.kills)
        return Figures(0.0, kinds, attempts, causes, max(trial.attempt for trial in trials))


def _all_events(workspace: Workspace, sweep: str) -> Iterator[EventView]:
    after = 0
    while page := workspace.events(sweep, after, 1000):
        yield from page
        after = page[-1].id


def _check_courses(events: Iterable[EventView], trials: int) -> None:
    """Each trial: attempts from 1 on, between two of them one return to the queue with its reason, one good end."""
    courses: dict[str, list[EventView]] = {}
    for event in events:
        if event.kind in ("trial.started", "trial.requeued", "trial.ended"):
            courses.setdefault(event.subject, []).append(event)
    assert len(courses) == trials
    for run_id, course in courses.items():
        kinds = [event.kind for event in course]
        again = kinds.count("trial.requeued")
        assert kinds == ["trial.started", "trial.requeued"] * again + ["trial.started", "trial.ended"], (run_id, course)
        starts = [event.payload["attempt"] for event in course if event.kind == "trial.started"]
        assert starts == list(range(1, again + 2)), (run_id, course)
        assert course[-1].payload["state"] == "finished", (run_id, course)
        assert all(event.payload["reason"] and event.payload["ending"] for event in course if "requeued" in event.kind)


def _check_causes(again: Iterable[EventView], kills: Sequence[Kill]) -> None:
    """Each return to the queue follows from a kill before it, and no kill has cost more than it could."""
    left = [kill.most for kill in kills]
    for event in sorted(again, key=lambda event: event.time):
        kinds = CRASHES if event.payload["ending"] in ("crashed", "oom") else LOSSES
        fitting = [
            index for index, kill in enumerate(kills) if left[index] and kill.kind in kinds and kill.time <= event.time
        ]
        assert fitting, f"nothing that was killed explains {event}\n{kills}"
        left[fitting[0]] -= 1


def endure(path: Path, ordeal: Ordeal) -> Figures:
    """Run an ordeal in an empty folder and check what came of it."""
    with World(path, ordeal) as world:
        began = time.monotonic()
        world.run()
        seconds = time.monotonic() - began
        figures = world.check()
    figures.seconds = seconds
    return figures


def main() -> None:
    """The command line: every field of `Ordeal` is an option."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in vars(Ordeal()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    ordeal = Ordeal(**vars(parser.parse_args()))
    path = Path(tempfile.mkdtemp(prefix="faults-"))
    print(f"{ordeal}\nin {path}", flush=True)
    print(endure(path, ordeal))


if __name__ == "__main__":
    main()
