"""Where things lie inside a `.swath` folder; names and paths only, it reads and writes no content."""

from __future__ import annotations

import re
from pathlib import Path

from swath.tracking.errors import UsageError

ROOT_NAME = ".swath"
_RUN_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_SEGMENT = re.compile(r"([0-9]{4,9})(?:-([A-Za-z0-9_]+))?\.log")


def find_root(start: Path | None = None, override: str | None = None) -> Path:
    """The `.swath` folder: `override`, else the nearest one from `start` upwards, else a new one at `start`.

    Nothing is created. The path is absolute.
    """
    if override:
        return Path(override).expanduser().absolute()
    base = (start or Path.cwd()).absolute()
    for folder in (base, *base.parents):
        candidate = folder / ROOT_NAME
        if candidate.is_dir():
            return candidate
    return base / ROOT_NAME


def is_run_id(text: str) -> bool:
    """Whether `text` may name a run's folder."""
    return bool(_RUN_ID.fullmatch(text) and text.strip("."))


def check_run_id(run_id: str) -> str:
    """`run_id` itself when it may name a folder; raises `UsageError` when it may not."""
    if is_run_id(run_id):
        return run_id
    raise UsageError(
        f"{run_id!r} cannot be the id of a run",
        "use 1 to 128 letters, digits, '_', '-' and '.', and not dots alone",
    )


def run_dir(root: Path, run_id: str) -> Path:
    """The folder of one run: its log segments and its files."""
    return root / "runs" / check_run_id(run_id)


def files_dir(run_dir: Path) -> Path:
    """Where the files of a run lie."""
    return run_dir / "files"


def blobs_root(root: Path) -> Path:
    """Where a store keeps the bytes of media and files."""
    return root / "blobs"


def blobs_dir(run_dir: Path) -> Path:
    """Where the bytes of a run's media and files lie: in the store, else (in a folder on its own) beside its log."""
    return blobs_root(run_dir.parent.parent if run_dir.parent.name == "runs" else run_dir)


def database_path(root: Path) -> Path:
    """The embedded store's database."""
    return root / "swath.db"


def segment_name(attempt: int, writer: str = "") -> str:
    """The file name of a segment: "0001.log" is the run's own, "0001-agent.log" that of another writer."""
    name = f"{attempt:04d}-{writer}.log" if writer else f"{attempt:04d}.log"
    if attempt < 1 or not _SEGMENT.fullmatch(name):
        raise UsageError(
            f"attempt {attempt} of writer {writer!r} cannot name a log segment",
            "attempts count from 1; a writer's name holds letters, digits and '_'",
        )
    return name


def is_segment(name: str) -> bool:
    """Whether a file's name is one of a log segment."""
    return bool(_SEGMENT.fullmatch(name))


def attempt_of(segment: str) -> int:
    """The attempt that a segment's file name speaks of."""
    return int(_parsed(segment)[1])


def writer_of(segment: str) -> str:
    """The writer that a segment's file name speaks of; "" is the run's own process."""
    return _parsed(segment)[2] or ""


def segments(run_dir: Path, attempt: int | None = None) -> list[Path]:
    """The log segments of a run (of one attempt), by attempt, each attempt's main segment first."""
    try:
        found = [path for path in run_dir.iterdir() if _SEGMENT.fullmatch(path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    if attempt is not None:
        found = [path for path in found if attempt_of(path.name) == attempt]
    return sorted(found, key=lambda path: (attempt_of(path.name), writer_of(path.name)))


def last_attempt(run_dir: Path) -> int:
    """The highest attempt that has a segment; 0 where there is none."""
    return max((attempt_of(path.name) for path in segments(run_dir)), default=0)


def _parsed(segment: str) -> re.Match[str]:
    match = _SEGMENT.fullmatch(segment)
    if match is None:
        raise UsageError(f"{segment!r} is no log segment", "such a name is like 0001.log or 0001-agent.log")
    return match
