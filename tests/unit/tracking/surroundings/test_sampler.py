"""When samples are taken, and that nothing ends them but `stop()`. The clock is fake, the readings are real."""

from __future__ import annotations

import threading
from pathlib import Path

import psutil
import pytest

from swath.tracking.surroundings import Sampler
from swath.tracking.testing import FakeClock

DEADLINE_S = 60
ALWAYS = {
    "cpu",
    "cpu.process",
    "memory",
    "memory.available_bytes",
    "memory.process_bytes",
    "disk",
    "process.threads",
}


class Waits:
    """Stands for the waiting of the thread: moves the fake clock, and after `count` waits the end is asked for."""

    def __init__(self, clock: FakeClock, count: int, ended_early_s: float | None = None) -> None:
        self.clock = clock
        self.count = count
        self.ended_early_s = ended_early_s
        self.over = threading.Event()

    def __call__(self, ended: threading.Event, seconds: float) -> bool:
        if self.count == 0:
            self.clock.advance(self.ended_early_s if self.ended_early_s is not None else seconds)
            self.over.set()
            return ended.wait(DEADLINE_S)
        self.count -= 1
        self.clock.advance(seconds)
        return ended.is_set()


def sampled(waits: int, interval_s: float = 10.0) -> list[tuple[float, dict[str, float]]]:
    """The times and the samples of a thread that waits so often before it is stopped."""
    clock = FakeClock(0.0)
    samples: list[tuple[float, dict[str, float]]] = []
    waiting = Waits(clock, waits)
    sampler = Sampler(lambda values: samples.append((clock.now(), values)), clock, interval_s, wait=waiting)
    sampler.start()
    assert waiting.over.wait(DEADLINE_S)
    sampler.stop()
    return samples


def test_the_first_sample_comes_after_seconds_and_then_one_every_interval() -> None:
    assert [time for time, _ in sampled(4)] == [3.0, 13.0, 23.0]


def test_a_short_interval_holds_for_the_first_sample_too() -> None:
    assert [time for time, _ in sampled(3, 0.5)] == [pytest.approx(0.5), pytest.approx(1.0)]


def test_a_sample_has_all_that_every_machine_tells() -> None:
    (_, values), *_ = sampled(2)
    assert set(values) >= ALWAYS
    assert all(type(value) is float for value in values.values())
    assert 0 < values["memory.process_bytes"] < values["memory.available_bytes"] + psutil.virtual_memory().total
    assert 0 <= values["disk"] <= 100
    assert values["process.threads"] >= 2


def test_a_run_that_ends_at_once_is_not_sampled() -> None:
    assert sampled(0) == []


def test_a_run_that_ends_before_the_first_sample_is_sampled_at_its_end() -> None:
    (time, values), *others = sampled(1)
    assert others == []
    assert time == 3.0
    assert set(values) >= ALWAYS


def test_trouble_in_whoever_takes_the_samples_does_not_end_them() -> None:
    clock = FakeClock(0.0)
    waiting = Waits(clock, 4)
    times: list[float] = []

    def emit(values: dict[str, float]) -> None:
        times.append(clock.now())
        raise OSError("the disk is full")

    sampler = Sampler(emit, clock, wait=waiting)
    sampler.start()
    assert waiting.over.wait(DEADLINE_S)
    sampler.stop()
    assert times == [3.0, 13.0, 23.0]


def test_a_reading_that_fails_is_left_out_and_the_others_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("no such counter")

    for name in ("disk_usage", "disk_io_counters", "net_io_counters", "virtual_memory"):
        monkeypatch.setattr(psutil, name, broken)
    samples = sampled(3)
    assert len(samples) == 2
    for _, values in samples:
        assert {"cpu", "cpu.process", "memory.process_bytes", "process.threads"} <= set(values)
        assert not {"disk", "disk.read_bytes", "network.sent_bytes", "memory"} & set(values)


def test_a_process_that_is_gone_leaves_the_machine() -> None:
    clock = FakeClock(0.0)
    waiting = Waits(clock, 2)
    samples: list[dict[str, float]] = []
    sampler = Sampler(samples.append, clock, pid=2**22 + 1, wait=waiting)
    sampler.start()
    assert waiting.over.wait(DEADLINE_S)
    sampler.stop()
    assert "memory" in samples[0]
    assert "memory.process_bytes" not in samples[0]
    assert "cpu.process" not in samples[0]


def test_start_and_stop_may_be_called_again() -> None:
    samples: list[dict[str, float]] = []
    arrived = threading.Event()

    def emit(values: dict[str, float]) -> None:
        samples.append(values)
        arrived.set()

    sampler = Sampler(emit, interval_s=0.05)
    sampler.stop()
    for _ in range(2):
        arrived.clear()
        sampler.start()
        sampler.start()
        assert sum(thread.name == "swath-sampler" for thread in threading.enumerate()) == 1
        assert arrived.wait(DEADLINE_S)
        sampler.stop()
        sampler.stop()
        assert not any(thread.name == "swath-sampler" for thread in threading.enumerate())


def test_a_sampler_may_be_stopped_by_what_it_hands_its_samples_to(tmp_path: Path) -> None:
    stopped = threading.Event()

    def emit(values: dict[str, float]) -> None:
        sampler.stop()
        stopped.set()

    sampler = Sampler(emit, interval_s=0.05)
    sampler.start()
    assert stopped.wait(DEADLINE_S)


def test_nothing_is_handed_over_after_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even by a thread that hangs in a reading, of a disk that does not answer for example."""
    monkeypatch.setattr("swath.tracking.surroundings.sampler._JOIN_S", 0.01)
    hanging, released, real = threading.Event(), threading.Event(), psutil.disk_usage
    samples: list[dict[str, float]] = []

    def slow(path: str) -> object:
        hanging.set()
        released.wait(DEADLINE_S)
        return real(path)

    monkeypatch.setattr(psutil, "disk_usage", slow)
    sampler = Sampler(samples.append, interval_s=0.05)
    sampler.start()
    assert hanging.wait(DEADLINE_S)
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "swath-sampler")
    sampler.stop()
    released.set()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert samples == []
