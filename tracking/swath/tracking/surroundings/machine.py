"""The machine that this process runs on: processor, memory, limits and container; its use over time is elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from swath.tracking.imports import unforked
from swath.tracking.surroundings import cgroups, gpus

_ROOT = Path("/")
_MARKS = (
    (".dockerenv", "docker"),
    ("run/.containerenv", "podman"),
    (".singularity.d", "apptainer"),
)
_GROUP_MARKS = (
    ("kubepods", "kubernetes"),
    ("docker", "docker"),
    ("libpod", "podman"),
    ("containerd", "containerd"),
    ("/lxc", "lxc"),
)


class Room(NamedTuple):
    """What processes started here may use together: cores, bytes of memory, and GPUs by the names CUDA knows."""

    cpus: float
    memory: float
    gpus: tuple[str, ...] = ()


def room(named_gpus: tuple[str, ...] | None, visible_devices: str | None, root: Path = _ROOT) -> Room:
    """The room there is. `named_gpus` are the machine's GPUs, or None: the driver is asked then."""
    limits = cgroups.limits(root)
    cpus = min(float(os.cpu_count() or 1), _allowed_cpus(), limits.cpu.amount if limits.cpu else float("inf"))
    return Room(cpus, float(memory_here(root)), tuple(gpus.names(named_gpus, visible_devices)))


def memory_here(root: Path = _ROOT) -> int:
    """The bytes of memory that processes started here may use together."""
    with unforked():
        import psutil
    limit = cgroups.limits(root).memory
    return int(min(float(psutil.virtual_memory().total), limit.amount if limit else float("inf")))


def facts(root: Path = _ROOT) -> dict[str, Any]:
    """Processor, cores, memory in bytes, what of them is allowed here, the system's name, and the container."""
    with unforked():
        import platform

        import psutil
    memory = psutil.virtual_memory().total
    cores = psutil.cpu_count(logical=False)
    found: dict[str, Any] = {
        "cpu": cpu_model(root) or platform.processor() or os.uname().machine,
        "memory_bytes": memory,
        "container": container(root),
    }
    if cores:
        found["cpu_cores"] = cores
    if name := _system_name(root):
        found["os_name"] = name
    limits = cgroups.limits(root)
    if limits.memory is not None and limits.memory.amount < memory:
        found["memory_limit_bytes"] = int(limits.memory.amount)
    allowed = min(_allowed_cpus(), limits.cpu.amount if limits.cpu is not None else float("inf"))
    if allowed < (os.cpu_count() or 1):
        found["cpu_limit"] = allowed
    return found


def cpu_model(root: Path = _ROOT) -> str:
    """The processor's name; "" where the kernel does not say it."""
    try:
        with (root / "proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                key, _, value = line.partition(":")
                if key.strip().lower() in ("model name", "hardware", "cpu model"):
                    return value.strip()
    except OSError:
        pass
    return ""


def container(root: Path = _ROOT) -> str:
    """The kind of container that this process is in; "" outside of any."""
    if (root / "run/secrets/kubernetes.io").exists():
        return "kubernetes"
    groups = _text(root / "proc/self/cgroup")
    for mark, kind in _GROUP_MARKS:
        if mark in groups:
            return kind
    for file, kind in _MARKS:
        if (root / file).exists():
            return kind
    return _text(root / "run/systemd/container").strip()


def _system_name(root: Path) -> str:
    for line in _text(root / "etc/os-release").splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip().strip("\"'")
    return ""


def _allowed_cpus() -> float:
    return float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float("inf")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
