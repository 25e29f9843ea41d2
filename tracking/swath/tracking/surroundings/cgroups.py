"""The limits of a container or a job inside its machine, and what it uses of them; Linux, both versions of cgroups."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

_ROOT = Path("/")


class Limit(NamedTuple):
    """So much is allowed, and `used` tells how much of it is used: bytes, or cores and seconds of CPU time."""

    amount: float
    used: Callable[[], float | None]


class Limits(NamedTuple):
    """The lowest limits that hold for this process; None where there is none."""

    memory: Limit | None = None
    cpu: Limit | None = None


class _Group(NamedTuple):
    """A group of processes: its folder, for CPU time the one that counts, and the version of its files."""

    folder: Path
    version: int
    counting: Path


class _MemoryFiles(NamedTuple):
    limit: str
    used: str
    cache: str  # a field of memory.stat


_MEMORY_FILES = {
    1: _MemoryFiles("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: _MemoryFiles("memory.max", "memory.current", "inactive_file"),
}


def limits(root: Path = _ROOT) -> Limits:
    """The limits of this process and of every group around it. `root`: where `proc` and `sys` lie."""
    try:
        memory = [limit for group in _groups(root, "memory") if (limit := _memory(group))]
        cpu = [limit for group in _groups(root, "cpu", "cpuacct") if (limit := _cpu(group))]
    except (OSError, ValueError, IndexError):
        return Limits()
    return Limits(min(memory, key=_amount, default=None), min(cpu, key=_amount, default=None))


def oom_counter(root: Path = _ROOT) -> Callable[[], int | None]:
    """What tells how many processes of this one's group the kernel has killed for memory: one file is read each time.

    Where the groups do not count, it is those of the whole machine. It answers None where nobody counts.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        for group in _groups(root, "memory"):
            path = group.folder / ("memory.oom_control" if group.version == 1 else "memory.events")
            if _field(path, "oom_kill") is not None:
                return lambda: _whole(_field(path, "oom_kill"))
    return lambda: _whole(_field(root / "proc/vmstat", "oom_kill"))


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _amount(limit: Limit) -> float:
    return limit.amount


def _memory(group: _Group) -> Limit | None:
    names = _MEMORY_FILES[group.version]
    amount = _number(group.folder / names.limit)
    # Version 1 says "no limit" with the largest number there is.
    if amount is None or amount >= 1 << 60:
        return None
    return Limit(amount, lambda: _memory_used(group.folder / names.used, group.folder / "memory.stat", names.cache))


def _memory_used(used: Path, stat: Path, reclaimable: str) -> float | None:
    """What is used, less the file cache that the kernel takes back first."""
    amount = _number(used)
    if amount is None:
        return None
    return max(0.0, amount - (_field(stat, reclaimable) or 0.0))


def _cpu(group: _Group) -> Limit | None:
    quota, period = _quota(group)
    if quota is None or period is None or quota <= 0 or period <= 0:
        return None
    counting = group.counting
    if group.version == 2:
        return Limit(quota / period, lambda: _scaled(_field(counting / "cpu.stat", "usage_usec"), 1e-6))
    return Limit(quota / period, lambda: _scaled(_number(counting / "cpuacct.usage"), 1e-9))


def _quota(group: _Group) -> tuple[float | None, float | None]:
    if group.version == 2:
        words = (_text(group.folder / "cpu.max") or "").split()
        return (_parsed(words[0]), _parsed(words[1])) if len(words) == 2 else (None, None)
    return _number(group.folder / "cpu.cfs_quota_us"), _number(group.folder / "cpu.cfs_period_us")


def _groups(root: Path, controller: str, counter: str = "") -> list[_Group]:
    """The groups that this process is in, inner to outer, for one controller; version 1 wins where it has it."""
    folders = list(_folders(root, controller))
    if folders:
        counting = list(_folders(root, counter)) if counter else folders
        return [_Group(*pair) for pair in zip(folders, [1] * len(folders), counting, strict=False)]
    return [_Group(folder, 2, folder) for folder in _folders(root, "")]


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """The folder of the process's own group and those of the groups around it, as far as they can be seen."""
    path = _own_path(root, controller)
    mount = _mount(root, controller)
    if path is None or mount is None:
        return
    shown, point = mount
    # A container may see its own group as the top, by a name that only the machine outside knows.
    inside = path.removeprefix(shown) if shown != "/" and f"{path}/".startswith(f"{shown}/") else path
    folder = point / inside.strip("/")
    if ".." in folder.parts or not folder.is_dir():
        folder = point
    while True:
        yield folder
        if folder == point:
            return
        folder = folder.parent


def _own_path(root: Path, controller: str) -> str | None:
    for line in (_text(root / "proc/self/cgroup") or "").splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            return path
    return None


def _mount(root: Path, controller: str) -> tuple[str, Path] | None:
    """Which part of the tree of groups is to be seen, and where."""
    for line in (_text(root / "proc/self/mountinfo") or "").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        wanted = kind == "cgroup" and controller in options.split(",") if controller else kind == "cgroup2"
        if wanted:
            _, _, _, shown, point = before.split(" ")[:5]
            return shown, root / point.lstrip("/")
    return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _number(path: Path) -> float | None:
    return _parsed((_text(path) or "").strip())


def _parsed(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # "max", or nothing
        return None


def _field(path: Path, name: str) -> float | None:
    for line in (_text(path) or "").splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return _parsed(value)
    return None


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
