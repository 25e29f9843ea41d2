"""Reads what a sample is made of: from psutil, from the process's cgroups and from the GPUs; computes nothing of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from swath.tracking.clock import Clock
from swath.tracking.imports import unforked
from swath.tracking.surroundings import cgroups
from swath.tracking.surroundings.descendants import Descendants
from swath.tracking.surroundings.gpus import Gpus, open_gpus
from swath.tracking.surroundings.usage import Readings

T = TypeVar("T")
_ROOT = Path("/")
_LOOPS = ("lo", "lo0")


class Reader:
    """Reads again and again for the process `pid`. Made in the thread that reads: it imports psutil."""

    def __init__(self, pid: int, clock: Clock, *, folder: str | None = None, root: Path = _ROOT) -> None:
        with unforked():
            import psutil
        self._psutil = psutil
        self._clock = clock
        self._folder = folder if folder is not None else _or_none(os.getcwd)
        self._process = _or_none(lambda: psutil.Process(pid))
        self._family = Descendants(pid)
        self._children: dict[int, psutil.Process] = {}
        self._cores = float(psutil.cpu_count() or 1)
        self._limits = self._lower_limits(root)
        self._gpus: Gpus | None = open_gpus()

    def read(self) -> Readings:
        """All readings of now; one that fails is None."""
        now = self._clock.monotonic()
        own = _or_none(self._own) or {}
        disk = _or_none(lambda: self._psutil.disk_io_counters(nowrap=False))
        memory = _or_none(self._memory)
        network = _or_none(self._network)
        cards = self._gpus.read() if self._gpus is not None else []
        return Readings(
            time=now,
            cpu_s=_or_none(self._cpu_s),
            cores=self._limits.cpu.amount if self._limits.cpu is not None else self._cores,
            machine_cores=self._cores,
            process_cpu_s=_or_none(lambda: own["cpu_s"] + self._children_s(now)),
            memory_total=memory[0] if memory else None,
            memory_used=memory[1] if memory else None,
            memory_available=memory[2] if memory else None,
            process_bytes=own.get("bytes"),
            threads=own.get("threads"),
            disk_percent=_or_none(lambda: self._psutil.disk_usage(self._folder or ".").percent),
            disk_read=float(disk.read_bytes) if disk else None,
            disk_written=float(disk.write_bytes) if disk else None,
            network_sent=network[0] if network else None,
            network_received=network[1] if network else None,
            gpus=tuple(cards),
        )

    def _lower_limits(self, root: Path) -> cgroups.Limits:
        """The limits that leave less than the machine has."""
        found = cgroups.limits(root)
        total = _or_none(lambda: self._psutil.virtual_memory().total) or float("inf")
        memory = found.memory if found.memory is not None and found.memory.amount < total else None
        cpu = found.cpu if found.cpu is not None and found.cpu.amount < self._cores else None
        # Without a count of its own, a share of the quota cannot be told: then the machine's is.
        return cgroups.Limits(memory, cpu if cpu is not None and cpu.used() is not None else None)

    def _cpu_s(self) -> float | None:
        if self._limits.cpu is not None:
            return self._limits.cpu.used()
        times = self._psutil.cpu_times()
        # Guests' time is part of user and nice already.
        idle = times.idle + getattr(times, "iowait", 0.0)
        return sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)

    def _memory(self) -> tuple[float, float, float]:
        """Total, used and available."""
        machine = self._psutil.virtual_memory()
        limit = self._limits.memory
        used = limit.used() if limit is not None else None
        if limit is None or used is None:
            return float(machine.total), float(machine.total - machine.available), float(machine.available)
        return limit.amount, used, min(max(0.0, limit.amount - used), float(machine.available))

    def _network(self) -> tuple[float, float]:
        cards = self._psutil.net_io_counters(pernic=True, nowrap=False)
        outer = [counts for name, counts in cards.items() if name not in _LOOPS]
        return float(sum(counts.bytes_sent for counts in outer)), float(sum(counts.bytes_recv for counts in outer))

    def _own(self) -> dict[str, float]:
        process = self._process
        if process is None:
            return {}
        with process.oneshot():
            return {
                "cpu_s": _total(process.cpu_times()),
                "bytes": float(process.memory_info().rss),
                "threads": float(process.num_threads()),
            }

    def _children_s(self, now: float) -> float:
        family = self._family.at(now)
        self._children = {pid: self._children.get(pid) or self._child(pid) for pid in family}
        return sum(self._child_s(child) for child in self._children.values())

    def _child(self, pid: int) -> Any:
        return _or_none(lambda: self._psutil.Process(pid))

    def _child_s(self, child: Any) -> float:
        return (_or_none(lambda: _total(child.cpu_times())) or 0.0) if child is not None else 0.0


def _total(times: Any) -> float:
    """The CPU time of a process and of the children that it has waited for: a child that ends takes nothing away."""
    return float(times.user + times.system + times.children_user + times.children_system)


def _or_none(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except Exception:  # whatever a reading dies of, the others stand
        return None
