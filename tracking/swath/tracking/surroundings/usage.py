"""One sample of the machine from what was read of it: arithmetic only, nothing is read here.

| name | what | unit |
|---|---|---|
| `cpu` | the machine's cores in use; in a container with a quota, the share of that quota in use | % of all cores |
| `cpu.process` | this process and its children; 250 means two and a half cores | % of one core |
| `memory` | used, of the machine's or of what the container is allowed | % |
| `memory.available_bytes` | what programs can still get | bytes |
| `memory.process_bytes` | this process, resident | bytes |
| `disk` | used, of the disk of the working folder | % |
| `disk.read_bytes`, `disk.written_bytes` | all disks of the machine, since the start of the samples | bytes |
| `network.sent_bytes`, `network.received_bytes` | all networks but the machine's own loop, since the start | bytes |
| `process.threads` | this process | count |
| `gpu.0.use` | the share of time in which the card was at work | % |
| `gpu.0.memory`, `gpu.0.memory_bytes` | used, of all processes | %, bytes |
| `gpu.0.temperature` | | degrees Celsius |
| `gpu.0.power` | | watts |

The number behind `gpu.` counts all cards of the machine, in the order of `nvidia-smi`. What cannot be read is left out.
"""

from __future__ import annotations

import msgspec

#: CPU time is counted in hundredths of a second: over a shorter time the share would be noise.
_SHORTEST_S = 0.2


class GpuReading(msgspec.Struct, frozen=True, kw_only=True):
    """One card; memory in bytes, power in watts."""

    use: float | None = None
    memory_used: float | None = None
    memory_total: float | None = None
    temperature: float | None = None
    power: float | None = None


class Readings(msgspec.Struct, frozen=True, kw_only=True):
    """What was read at one time. CPU times are seconds and bytes are counts since some beginning; None: not read."""

    time: float
    cpu_s: float | None = None
    cores: float = 1.0
    machine_cores: float = 1.0
    process_cpu_s: float | None = None
    memory_total: float | None = None
    memory_used: float | None = None
    memory_available: float | None = None
    process_bytes: float | None = None
    threads: float | None = None
    disk_percent: float | None = None
    disk_read: float | None = None
    disk_written: float | None = None
    network_sent: float | None = None
    network_received: float | None = None
    gpus: tuple[GpuReading, ...] = ()


def sample(first: Readings, before: Readings, now: Readings) -> dict[str, float]:
    """The sample of `now`: shares of the time since `before`, counts since `first`."""
    elapsed = now.time - before.time
    values = {
        "cpu": _share(before.cpu_s, now.cpu_s, elapsed * now.cores, 100.0),
        "cpu.process": _share(before.process_cpu_s, now.process_cpu_s, elapsed, 100.0 * now.machine_cores),
        "memory": _percent(now.memory_used, now.memory_total),
        "memory.available_bytes": now.memory_available,
        "memory.process_bytes": now.process_bytes,
        "disk": now.disk_percent,
        "disk.read_bytes": _since(first.disk_read, now.disk_read),
        "disk.written_bytes": _since(first.disk_written, now.disk_written),
        "network.sent_bytes": _since(first.network_sent, now.network_sent),
        "network.received_bytes": _since(first.network_received, now.network_received),
        "process.threads": now.threads,
    }
    if elapsed < _SHORTEST_S:
        values["cpu"] = values["cpu.process"] = None
    for index, card in enumerate(now.gpus):
        values.update(_gpu(f"gpu.{index}", card))
    return {name: value for name, value in values.items() if value is not None}


def _gpu(name: str, card: GpuReading) -> dict[str, float | None]:
    return {
        f"{name}.use": card.use,
        f"{name}.memory": _percent(card.memory_used, card.memory_total),
        f"{name}.memory_bytes": card.memory_used,
        f"{name}.temperature": card.temperature,
        f"{name}.power": card.power,
    }


def _share(before: float | None, now: float | None, of: float, most: float) -> float | None:
    if before is None or now is None or of <= 0:
        return None
    return min(most, max(0.0, 100.0 * (now - before) / of))


def _percent(part: float | None, whole: float | None) -> float | None:
    return 100.0 * part / whole if part is not None and whole else None


def _since(first: float | None, now: float | None) -> float | None:
    """Counts since the start; they may fall when a disk or a network goes away, but not below nothing."""
    return None if first is None or now is None else max(0.0, now - first)
