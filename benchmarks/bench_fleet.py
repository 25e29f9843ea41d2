"""Agents at scale: many trials, many reports, many agents, and how little of their time is lost, beside Ray Tune.

- 10,000 trials that report once, on a local Ray with 2 agents: how many a second between the first report and the last,
  how long the first one took once the agents had joined, and what the controller's process needs in memory.
- Reports as they arrive: 50 runs log 1,000 rows a second, which their agents deliver every 50 ms, and `asha` decides. A
  run that is told to stop ends, and its agent gets the next trial. One thread, from the bytes to the committed rows.
- Trials that sleep for a second, on 2 slots: the share of the slots' time that trials ran in.
- A lease that nobody renews: from the moment it runs out until its trial runs again, at an agent that was idle.
- 1,000 agents, each with a row a second and trials of about 15 s: the time from the moment an agent asks for a trial
  until it has one, including the wait for those who came before it; then, when all trials are handed out, until each
  idle agent is told so. The calls are real, and made in the order of their moments, one after the other, as the store's
  lock lets them; the moments themselves are reckoned: a call begins when its agent would make it or, if that is later,
  when the one before it is over. The way over the network is left out.
"""

from __future__ import annotations

import heapq
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import _harness
from _harness import Figures, Measure
from bench_orchestration import (
    ray_tune,
    ray_tune_reusing_actors,
    report_times,
    started_ray,
    swath_spec,
    swath_train,
)

TRIALS = 10_000
SECONDS_TRIALS, SLOTS = 60, 2
RUNS, ROWS_A_CALL, TICKS = 50, 50, 80
AGENTS, STEADY_S, TAIL_S = 1_000, 15.0, 10.0
ASHA = {"early_terminate": {"type": "asha", "min_iter": 100, "max_iter": 8_100, "eta": 3}}


# 10,000 trials on Ray.


def swath_ray(trials: int = TRIALS) -> Figures:
    from swath import sweeps
    from swath.sweeps.workspace import Workspace

    with started_ray(), sampled_memory() as samples:
        result = sweeps.run(swath_spec(trials), swath_train, agents=2, on="ray", executor="inline", quiet=True)
    times = report_times()
    if len(times) != trials:
        raise SystemExit(f"{len(times)} reports on disk for {trials} trials")
    with Workspace.open() as workspace:
        joined = [event.time for event in workspace.events(result.id) if event.kind == "agent.joined"]
    return {
        "rate": (trials - 1) / (times[-1] - times[0]),
        "first_s": times[0] - min(joined),
        "memory_1000_mb": memory_at(samples, times[999]),
        "memory_end_mb": memory_at(samples, times[-1]),
    }


@contextmanager
def sampled_memory() -> Iterator[list[tuple[float, float]]]:
    """(time, megabytes resident) of this process, which holds the controller and its server, ten times a second."""
    psutil = _harness.peer("psutil")
    samples: list[tuple[float, float]] = []
    done = threading.Event()

    def sample() -> None:
        process = psutil.Process()
        while not done.wait(0.1):
            samples.append((time.time(), process.memory_info().rss / 1e6))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


def memory_at(samples: list[tuple[float, float]], moment: float) -> float:
    return min(samples, key=lambda sample: abs(sample[0] - moment))[1]


# Reports.


def swath_reports() -> Figures:
    from swath.agents.protocol import AgentInfo
    from swath.sweeps.spec import parse_spec
    from swath.sweeps.workspace import Workspace

    with tempfile.TemporaryDirectory() as folder, Workspace(Path(folder) / ".swath") as workspace:
        sweep_id = workspace.create(parse_spec(swath_spec(1_000_000) | ASHA), pickled=b"unused")
        source = workspace.source(sweep_id, remote=True)
        logs = Logs(Path(folder), sweep_id)
        tellers = [Teller(source, logs, f"agent-{number}") for number in range(RUNS)]
        for teller in tellers:
            source.join(AgentInfo(teller.id, teller.id, "elsewhere", 1, time.time()))
            teller.begin(source.acquire(teller.id, "first"))
        logs.make(range(RUNS + 1, 20 * RUNS))
        wall, cpu = time.perf_counter(), time.process_time()
        rows = sum(teller.tick() for _ in range(TICKS) for teller in tellers)
        return {
            "rate": rows / (time.perf_counter() - wall),
            "cpu_rate": rows / (time.process_time() - cpu),
            "trials": max(teller.number for teller in tellers),
        }


class Logs:
    """What each trial logs, as its agent delivers it: the bytes of each 50 ms, made before the clock runs."""

    def __init__(self, folder: Path, sweep_id: str) -> None:
        self._folder = folder
        self._sweep_id = sweep_id
        self._made: dict[int, list[bytes]] = {}
        self._dice = random.Random(1)

    def make(self, numbers: range) -> None:
        for number in numbers:
            self.of(number)

    def of(self, number: int) -> list[bytes]:
        if number not in self._made:
            self._made[number] = self._parts(number)
        return self._made[number]

    def _parts(self, number: int) -> list[bytes]:
        from swath.tracking.runlog.frames import HEADER_SIZE
        from swath.tracking.runlog.logfile import LogWriter, read_intact
        from swath.tracking.runlog.records import Header, Row

        path, run_id, good = self._folder / "made" / "0001.log", f"{self._sweep_id}-{number}", self._dice.random()
        writer, parts, end = LogWriter(path), list[bytes](), HEADER_SIZE
        writer.append(Header(run_id, 1, time.time(), run_id))
        for step in range(8 * ROWS_A_CALL):
            loss = good + 1.0 / (1 + step) + 0.01 * self._dice.random()
            writer.append(Row(step, time.time(), {"loss": loss, "accuracy": 1.0 - loss, "lr": 0.001}))
            if step % ROWS_A_CALL == ROWS_A_CALL - 1:
                parts.append(read_intact(path, end))
                end += len(parts[-1])
        writer.close()
        path.unlink()
        return parts


class Teller:
    """An agent as the controller hears it: new bytes of its run every 50 ms."""

    def __init__(self, source: Any, logs: Logs, id_: str) -> None:
        self.id = id_
        self.number = 0
        self._source = source
        self._logs = logs
        self._lease: Any = None
        self._parts: list[bytes] = []
        self._sent = 0
        self._offset = 0

    def begin(self, offer: Any) -> None:
        from swath.tracking.runlog.frames import HEADER_SIZE

        self.number, self._lease = offer.number, offer.lease
        self._parts, self._sent, self._offset = self._logs.of(offer.number), 0, HEADER_SIZE

    def tick(self) -> int:
        """Deliver; how many rows."""
        from swath.agents.protocol import Chunk, Outcome
        from swath.tracking.layout import segment_name

        part = self._parts[self._sent]
        verdict = self._source.report(self._lease, (Chunk(segment_name(1), self._offset, part),))
        self._sent, self._offset = self._sent + 1, self._offset + len(part)
        if verdict.action == "stop" or self._sent == len(self._parts):
            ending: Any = "stopped" if verdict.action == "stop" else "finished"
            request = f"{self.id}-{self.number}"
            self.begin(self._source.finish(self._lease, Outcome(ending, 0), (), request))
        return ROWS_A_CALL


# Trials of a second.


def sleep_a_second(file: str) -> None:
    """One trial: notes in `file` when it began and ended."""
    began = time.time()
    time.sleep(1.0)
    with open(file, "a") as lines:
        lines.write(f"{began} {time.time()}\n")


def busy_share(file: Path) -> float:
    """Percent of the slots' time, from the first trial's beginning to the last one's end, that trials ran in."""
    spans = [tuple(map(float, line.split())) for line in file.read_text().splitlines()]
    if len(spans) != SECONDS_TRIALS:
        raise SystemExit(f"{len(spans)} of {SECONDS_TRIALS} trials were run")
    ran = sum(end - began for began, end in spans)
    return 100.0 * ran / (SLOTS * (max(end for _, end in spans) - min(began for began, _ in spans)))


def swath_seconds() -> Figures:
    from swath import sweeps, tracking

    file = str(Path("spans").absolute())

    def train(config: Any) -> None:
        with tracking.init() as run:
            sleep_a_second(file)
            run.log({"loss": config["x"]})

    spec = swath_spec(SECONDS_TRIALS) | {"method": "bayes"}
    sweeps.run(spec, train, agents=SLOTS, on="local", executor="process", quiet=True)
    return {"busy": busy_share(Path(file))}


def tune_seconds(reuse: bool = True) -> Figures:
    tune = _harness.peer("ray.tune")
    file = str(Path("spans").absolute())
    folder = os.path.dirname(os.path.abspath(__file__))

    def train(config: dict[str, float]) -> None:
        import sys

        sys.path.insert(0, folder)
        from bench_fleet import sleep_a_second

        sleep_a_second(file)
        tune.report({"loss": config["x"]})

    with started_ray():
        tuner = tune.Tuner(
            train,
            param_space={"x": tune.uniform(0.0, 1.0)},
            tune_config=tune.TuneConfig(num_samples=SECONDS_TRIALS, max_concurrent_trials=SLOTS, reuse_actors=reuse),
            run_config=tune.RunConfig(storage_path=str(Path.cwd() / "tune"), name="seconds", verbose=0),
        )
        tuner.fit()
    return {"busy": busy_share(Path(file))}


# Leases that run out.


def swath_lease(times: int = 5) -> Figures:
    return {"after_s": max(taken_over_after() for _ in range(times))}


def taken_over_after(lease_s: float = 0.5) -> float:
    """Seconds from the end of a silent agent's lease until another agent runs its trial."""
    from swath.agents.agent import Agent
    from swath.agents.executors.inline import InlineExecutor
    from swath.agents.protocol import AgentInfo
    from swath.sweeps.spec import parse_spec
    from swath.sweeps.workspace import Workspace
    from swath.tracking.clock import SYSTEM_CLOCK

    began: list[float] = []
    with tempfile.TemporaryDirectory() as folder, Workspace(Path(folder) / ".swath", lease_s=lease_s) as workspace:
        sweep_id = workspace.create(parse_spec(swath_spec(1)), pickled=b"unused")
        source = workspace.source(sweep_id, remote=True)
        source.join(AgentInfo("silent", "silent", "elsewhere", 1, time.time()))
        source.acquire("silent", "1")
        expires = time.time() + lease_s
        executor = InlineExecutor(lambda: began.append(time.time()), SYSTEM_CLOCK)
        Agent(source, executor, AgentInfo("idle", "idle", "elsewhere", 2, time.time())).run()
    return began[0] - expires


# 1,000 agents.


def swath_agents(clock: Callable[[], float] = time.perf_counter) -> Figures:
    from swath.sweeps.spec import parse_spec
    from swath.sweeps.workspace import Workspace

    with tempfile.TemporaryDirectory() as folder, Workspace(Path(folder) / ".swath") as workspace:
        sweep_id = workspace.create(parse_spec(swath_spec(1_000_000) | ASHA), pickled=b"unused")
        crowd = Crowd(workspace.source(sweep_id, remote=True), Path(folder), clock)
        crowd.live(STEADY_S)
        busy = crowd.busy / crowd.now
        steady = crowd.waits["acquire"]
        workspace.stop(sweep_id)
        crowd.waits = {}
        crowd.live(TAIL_S)
        return {
            "acquire_p99_ms": 1000 * _harness.percentile(steady, 0.99),
            "acquires": len(steady),
            "busy": busy,
            "idle_p99_ms": 1000 * _harness.percentile(crowd.waits["acquire"], 0.99),
            "asks": len(crowd.waits["acquire"]),
            "idle_busy": (crowd.busy - busy * STEADY_S) / TAIL_S,
        }


Answered = Callable[[float], None]
Call = Callable[[], Answered]
"""Made when its moment has come; what it returns is told that moment, when the call is over."""


class Crowd:
    """Agents that call a source, on a time of its own: between two calls nobody sleeps."""

    def __init__(self, source: Any, folder: Path, clock: Callable[[], float] = time.perf_counter) -> None:
        self.now = 0.0
        self.busy = 0.0
        self._clock = clock
        self.waits: dict[str, list[float]] = {}
        self._source = source
        self._calls: list[tuple[float, int, Call]] = []
        self._order = count()
        self._dice = random.Random(1)
        self._log = rows_of_a_log(folder)
        for number in range(AGENTS):
            self._at(5.0 * number / AGENTS, self._join(f"agent-{number}"))

    def live(self, seconds: float) -> None:
        until = self.now + seconds
        while self._calls and self._calls[0][0] < until:
            due, _, call = heapq.heappop(self._calls)
            self.now = max(self.now, due)
            began = self._clock()
            answered = call()
            took = self._clock() - began
            self.now += took
            self.busy += took
            answered(due)

    def _at(self, due: float, call: Call) -> None:
        heapq.heappush(self._calls, (due, next(self._order), call))

    def _waited(self, verb: str, due: float) -> None:
        self.waits.setdefault(verb, []).append(self.now - due)

    def _join(self, agent: str) -> Call:
        from swath.agents.protocol import AgentInfo

        info = AgentInfo(agent, "worker", f"host-{agent}", 1, time.time())

        def join() -> Answered:
            self._source.join(info)
            return lambda due: self._at(self.now, self._acquire(agent))

        return join

    def _acquire(self, agent: str) -> Call:
        request = f"{agent}-{next(self._order)}"

        def acquire() -> Answered:
            offer = self._source.acquire(agent, request)
            return lambda due: self._take(agent, offer, due)

        return acquire

    def _take(self, agent: str, offer: Any, due: float) -> None:
        from swath.agents.protocol import Assignment, Wait

        self._waited("acquire", due)
        if isinstance(offer, Assignment):
            rows = self._dice.randint(5, len(self._log) - 1)
            self._at(self.now + self._dice.random(), self._report(agent, offer.lease, 0, rows))
        elif isinstance(offer, Wait):
            self._at(self.now + offer.seconds, self._acquire(agent))

    def _report(self, agent: str, lease: Any, row: int, rows: int) -> Call:
        from swath.agents.protocol import Chunk, Outcome
        from swath.tracking.layout import segment_name

        chunks = (Chunk(segment_name(1), *self._log[row]),)
        request = f"{agent}-{next(self._order)}"

        def report() -> Answered:
            self._source.report(lease, chunks)
            return lambda due: self._at(self.now + 1.0, self._report(agent, lease, row + 1, rows))

        def finish() -> Answered:
            offer = self._source.finish(lease, Outcome("finished", 0), chunks, request)
            return lambda due: self._take(agent, offer, due)

        return report if row < rows else finish


def rows_of_a_log(folder: Path, rows: int = 25) -> list[tuple[int, bytes]]:
    """A log row by row: where each one's bytes begin, and the bytes."""
    from swath.tracking.runlog.frames import HEADER_SIZE
    from swath.tracking.runlog.logfile import LogWriter, read_intact
    from swath.tracking.runlog.records import Header, Row

    path, parts, end = folder / "made" / "0001.log", list[tuple[int, bytes]](), HEADER_SIZE
    writer = LogWriter(path)
    writer.append(Header("run", 1, time.time(), "run"))
    for step in range(rows):
        writer.append(Row(step, time.time(), {"loss": 1.0 / (1 + step)}))
        parts.append((end, read_intact(path, end)))
        end += len(parts[-1][1])
    writer.close()
    return parts


def measures(results: Any) -> list[Measure]:
    def figure(side: str, name: str, better: Any) -> float | None:
        return _harness.best(results, side, name, better)

    def peers(name: str, better: Any, *sides: str) -> dict[str, float]:
        found = {side.partition(":")[0]: figure(side, name, better) for side in sides}
        return {side: value for side, value in found.items() if value is not None}

    tune = peers("rate", "higher", "Ray Tune", "Ray Tune, actors reused")
    busy = peers("busy", "higher", "Ray Tune, actors reused: seconds", "Ray Tune: seconds")
    ray, crowd = "swath: trials on Ray", "swath: 1,000 agents"
    return [
        Measure(f"{TRIALS:,} trials on Ray, 2 agents, once they stand", "trials/s", "higher",
                figure(ray, "rate", "higher"), tune, 600),
        Measure("from the agents' joining to the first report", "s", "lower", figure(ray, "first_s", "lower"), goal=2),
        Measure("memory of the controller's process after 1,000 trials", "MB", "lower",
                figure(ray, "memory_1000_mb", "lower")),
        Measure(f"memory of the controller's process after {TRIALS:,}", "MB", "lower",
                figure(ray, "memory_end_mb", "lower")),
        Measure("reports that one controller applies, with `asha`", "rows/s", "higher",
                figure("swath: reports", "rate", "higher"), goal=50_000),
        Measure("slots busy with trials of 1 s", "%", "higher", figure("swath: seconds", "busy", "higher"), busy, 97),
        Measure("from the end of a lease until its trial runs again, worst", "s", "lower",
                figure("swath: lease", "after_s", "lower"), goal=2),
        Measure("a trial for one of 1,000 agents, 99th percentile", "ms", "lower",
                figure(crowd, "acquire_p99_ms", "lower"), goal=50),
        Measure("an answer for one of 1,000 idle agents, 99th percentile", "ms", "lower",
                figure(crowd, "idle_p99_ms", "lower"), goal=50),
    ]  # fmt: skip


SIDES = {
    "swath: trials on Ray": swath_ray,
    "Ray Tune, actors reused": ray_tune_reusing_actors,
    "Ray Tune": ray_tune,
    "swath: reports": swath_reports,
    "swath: seconds": swath_seconds,
    "Ray Tune, actors reused: seconds": tune_seconds,
    "Ray Tune: seconds": lambda: tune_seconds(reuse=False),
    "swath: lease": swath_lease,
    "swath: 1,000 agents": swath_agents,
}

if __name__ == "__main__":
    _harness.main(__file__, SIDES, measures, ["swath", "ray"], rounds=1)
