"""The arithmetic of a sample."""

from __future__ import annotations

from swath.tracking.surroundings.usage import GpuReading, Readings, sample

FIRST = Readings(time=100.0, disk_read=1000.0, disk_written=50.0, network_sent=10.0, network_received=20.0)


def test_shares_are_of_the_time_since_the_sample_before() -> None:
    before = Readings(time=100.0, cpu_s=40.0, process_cpu_s=5.0)
    now = Readings(time=110.0, cpu_s=60.0, process_cpu_s=30.0, cores=4.0, machine_cores=4.0)
    values = sample(FIRST, before, now)
    assert values["cpu"] == 50.0
    assert values["cpu.process"] == 250.0


def test_counts_are_since_the_start() -> None:
    now = Readings(time=120.0, disk_read=1500.0, disk_written=50.0, network_sent=30.0, network_received=20.5)
    values = sample(FIRST, Readings(time=110.0, disk_read=1400.0), now)
    assert values["disk.read_bytes"] == 500.0
    assert values["disk.written_bytes"] == 0.0
    assert values["network.sent_bytes"] == 20.0
    assert values["network.received_bytes"] == 0.5


def test_what_was_not_read_is_left_out() -> None:
    assert sample(FIRST, FIRST, Readings(time=110.0, memory_total=100.0, gpus=(GpuReading(power=7.0),))) == {
        "gpu.0.power": 7.0
    }


def test_shares_stay_between_nothing_and_everything() -> None:
    """A child that vanished unaccounted, a network that was taken away, time that was counted late."""
    before = Readings(time=100.0, cpu_s=40.0, process_cpu_s=50.0)
    less = Readings(time=110.0, cpu_s=30.0, process_cpu_s=5.0, network_sent=1.0)
    more = Readings(time=110.0, cpu_s=9e9, process_cpu_s=9e9, cores=0.5, machine_cores=8.0)
    assert sample(FIRST, before, less) == {"cpu": 0.0, "cpu.process": 0.0, "network.sent_bytes": 0.0}
    assert sample(FIRST, before, more) == {"cpu": 100.0, "cpu.process": 800.0}


def test_no_share_of_a_moment_or_of_a_clock_that_stood_still() -> None:
    before = Readings(time=100.0, cpu_s=40.0, process_cpu_s=5.0)
    for time in (99.0, 100.0, 100.1):
        assert sample(FIRST, before, Readings(time=time, cpu_s=41.0, process_cpu_s=6.0)) == {}


def test_memory_and_cards() -> None:
    card = GpuReading(use=90.0, memory_used=20.0, memory_total=80.0, temperature=61.0, power=300.5)
    now = Readings(
        time=1.0,
        memory_total=200.0,
        memory_used=50.0,
        memory_available=140.0,
        process_bytes=9.0,
        threads=3.0,
        disk_percent=12.5,
        gpus=(GpuReading(), card),
    )
    assert sample(FIRST, FIRST, now) == {
        "memory": 25.0,
        "memory.available_bytes": 140.0,
        "memory.process_bytes": 9.0,
        "disk": 12.5,
        "process.threads": 3.0,
        "gpu.1.use": 90.0,
        "gpu.1.memory": 25.0,
        "gpu.1.memory_bytes": 20.0,
        "gpu.1.temperature": 61.0,
        "gpu.1.power": 300.5,
    }
