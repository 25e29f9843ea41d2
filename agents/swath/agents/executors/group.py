"""Process groups of trials: the file that names one, signals to all of it, and orphans whose agent has died."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterable
from pathlib import Path

import msgspec
import psutil

logger = logging.getLogger("swath.agents")

#: How far the start time of one and the same process may differ between two readings (the clock may be set meanwhile).
_SAME_START_S = 2.0


class Mark(msgspec.Struct, frozen=True):
    """Which process group runs an attempt. `pid` leads it; `create_time` and `boot` tell it from a later namesake."""

    pid: int
    pgid: int
    create_time: float
    host: str
    boot: str


def mark_path(run_dir: Path, attempt: int, rank: int = 0) -> Path:
    """`<attempt>.pid`, or `<attempt>-rank<n>.pid`, there while a child runs."""
    return run_dir / (f"{attempt:04d}-rank{rank}.pid" if rank else f"{attempt:04d}.pid")


def boot_id() -> str:
    """Names the machine's present boot, as far as it can be told."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return str(int(psutil.boot_time()))


def mark_of(pid: int) -> Mark | None:
    """The mark of a process and the group that it leads; None when it has ended already."""
    try:
        return Mark(pid, pid, psutil.Process(pid).create_time(), socket.gethostname(), boot_id())
    except psutil.Error:
        return None


def write_mark(run_dir: Path, attempt: int, pid: int, rank: int = 0) -> None:
    """Say that the group led by `pid` runs the attempt. Where that cannot be written the attempt goes on without."""
    mark = mark_of(pid)
    if mark is not None:
        write_whole(mark_path(run_dir, attempt, rank), mark)


def write_whole(path: Path, mark: msgspec.Struct) -> None:
    """Write a mark so that nobody ever reads a part of it; a failure is a warning."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(msgspec.json.encode(mark))
        draft.replace(path)
    except OSError as error:
        logger.warning("cannot write %s: %s; if this agent is killed, its trial's processes may stay", path, error)
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def remove_mark(run_dir: Path, attempt: int, rank: int = 0) -> None:
    with contextlib.suppress(OSError):
        mark_path(run_dir, attempt, rank).unlink(missing_ok=True)


def signal_group(pgid: int, number: int) -> bool:
    """Send a signal to a whole group; False when nobody is left in it."""
    try:
        os.killpg(pgid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def descendants(pid: int) -> list[psutil.Process]:
    """The children of `pid` and theirs, also those that went into a group of their own (as `torchrun`'s workers do)."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL each of them that is still the process it was."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()


def reap_orphan(run_dir: Path, attempt: int) -> bool:
    """Kill the process groups (one for each rank) of an attempt whose agent died; True when something was still alive.

    Does nothing when a group ran on another machine or before the last boot, or when its number belongs to another
    process by now. The caller must be sure that the agent has lost its lease.
    """
    paths = [mark_path(run_dir, attempt), *run_dir.glob(f"{attempt:04d}-rank*.pid")]
    return sum(_reap(path) for path in paths) > 0


def _reap(path: Path) -> bool:
    mark = _read_mark(path)
    if mark is None or mark.host != socket.gethostname():
        return False
    alive = kill_marked(mark)
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    return alive


def kill_marked(mark: Mark) -> bool:
    """Kill the group of a mark of this machine, if it is still the one that was marked; True when it was alive."""
    return mark.boot == boot_id() and mark.pgid != os.getpgrp() and _is_ours(mark) and _kill_group(mark)


def _read_mark(path: Path) -> Mark | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Mark)
    except (OSError, msgspec.MsgspecError):
        return None


def _is_ours(mark: Mark) -> bool:
    """A living leader must be the one that was marked; without a leader the group can only be the old one's rest."""
    try:
        return abs(psutil.Process(mark.pid).create_time() - mark.create_time) <= _SAME_START_S
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def has_died(mark: Mark) -> bool:
    """Whether the marked process is gone for certain: it ended, or the machine was started anew since then."""
    if mark.boot != boot_id():
        return True
    try:
        process = psutil.Process(mark.pid)
        another = abs(process.create_time() - mark.create_time) > _SAME_START_S
        return another or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def _kill_group(mark: Mark) -> bool:
    strays = descendants(mark.pid)
    alive = signal_group(mark.pgid, signal.SIGKILL)
    kill_all(strays)
    return alive
