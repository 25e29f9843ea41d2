"""Children whose agent was killed, as one machine knows them: for agents whose run folders nobody else looks into.

Where an agent shares the disk of the store, the controller finds the mark in the trial's run folder. An agent that asks
a server keeps its run folders in a temporary one, so it marks its child in a folder of this machine as well, and every
agent that starts here, or gets a trial that was given up before, ends what was left behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from swath.agents.executors.group import Mark, has_died, kill_marked, mark_of, write_whole
from swath.tracking.host import this_host
from swath.tracking.runs.checkpoints import FOLDER

#: The name of an agent's own folder of run folders begins with this.
HOME_PREFIX = "swath-agent-"


class Stray(msgspec.Struct, frozen=True):
    """A running child and the agent that watches over it; `home` is the agent's own folder, where it made one.

    `pids` names what process numbers mean: containers may share a folder, but not each other's processes.
    """

    child: Mark
    agent: Mark
    pids: str
    run_dir: str
    home: str | None = None


@contextmanager
def marked(pids: tuple[int, ...], run_dir: Path, home: Path | None) -> Iterator[None]:
    """Let other agents know of these children for as long as the block lasts."""
    paths = [path for pid in pids if (path := _mark(pid, run_dir, home))]
    try:
        yield
    finally:
        for path in paths:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def reap() -> int:
    """Kill the children of this machine's dead agents and tidy up after those agents; how many children still ran."""
    folder = _folder()
    return sum(_reap(path) for path in folder.glob("*.json")) if folder is not None else 0


def tidy(run_dir: Path) -> None:
    """Remove the local copy of a run's logs, and its folder unless the program left files there."""
    if clear(run_dir):
        with contextlib.suppress(OSError):
            run_dir.rmdir()


def drop_checkpoints(run_dir: Path) -> None:
    """Remove the local copies of a run's checkpoints and of what was brought here with them, which the source has."""
    if not (run_dir / FOLDER).exists():
        return
    shutil.rmtree(run_dir / FOLDER, ignore_errors=True)
    clear(run_dir)
    with contextlib.suppress(OSError):
        run_dir.rmdir()


def clear(run_dir: Path, attempts: str = "") -> bool:
    """Remove the local copy of a run's logs (of the attempts that begin so); whether the folder is empty now."""
    try:
        names = os.listdir(run_dir)
        ours = [name for name in names if _is_ours(name, attempts)]
        for name in ours:
            os.unlink(f"{run_dir}/{name}")
    except OSError:
        return False
    return len(ours) == len(names)


def _is_ours(name: str, attempts: str) -> bool:
    return (name.endswith(".log") and name.startswith(attempts)) or name in ("params.yaml", "config.json")


def _mark(pid: int, run_dir: Path, home: Path | None) -> Path | None:
    folder, child, agent = _folder(), mark_of(pid), mark_of(os.getpid())
    if folder is None or child is None or agent is None:
        return None
    path = folder / f"{this_host()}-{os.getpid()}-{pid}.json"
    write_whole(path, Stray(child, agent, _pids(), str(run_dir), str(home) if home else None))
    return path


def _reap(path: Path) -> bool:
    stray = _read(path)
    if stray is None or stray.child.host != this_host() or stray.pids != _pids() or not has_died(stray.agent):
        return False
    alive = kill_marked(stray.child)
    _tidy_up(stray)
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    return alive


def _tidy_up(stray: Stray) -> None:
    """What a dead agent had not delivered belongs to an attempt that is lost."""
    home = Path(stray.home) if stray.home else None
    if home is None or not home.name.startswith(HOME_PREFIX) or not _is_own(home):
        return
    for run_dir in home.iterdir():
        for mark in run_dir.glob("*.pid*"):
            mark.unlink(missing_ok=True)
        drop_checkpoints(run_dir)
        tidy(run_dir)
    with contextlib.suppress(OSError):  # not empty: the program left something
        home.rmdir()


def _folder() -> Path | None:
    """This user's marks on this machine; None where there can be no such folder, or it is somebody else's."""
    parent = Path(tempfile.gettempdir()) / f"swath-{os.getuid()}"
    folder = parent / "marks"
    try:
        parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return None
    return folder if _is_own(parent) and _is_own(folder) else None


def _is_own(folder: Path) -> bool:
    """A real folder that nobody but this user can have put anything into."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _read(path: Path) -> Stray | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Stray)
    except (OSError, msgspec.MsgspecError):
        return None


def _pids() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
