"""Checkpoints of a run: what a program saves to go on from, kept in the run's folder over all its attempts.

A checkpoint is a folder that is written under another name and then renamed, so that one is whole or not there.
"""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from swath.tracking.errors import UsageError

#: The folder of a run that holds them.
FOLDER = "checkpoints"
_STATE, _FILES, _NOTE = "state.pkl", "files", "note.json"
#: How many are kept: the one before the newest serves where the newest is damaged.
_KEPT = 2


class Note(msgspec.Struct, frozen=True):
    """What a checkpoint says of itself: which attempt saved it, behind which step."""

    attempt: int
    step: int


class Checkpoint(msgspec.Struct, frozen=True):
    """One that was found: its folder and its note."""

    folder: Path
    note: Note

    def load(self) -> Any:
        """The dict that was saved, or the path of the file or folder that was."""
        state = self.folder / _STATE
        if state.exists():
            with state.open("rb") as file:
                return pickle.load(file)
        return next((self.folder / _FILES).iterdir())


class Checkpoints:
    """The checkpoints in the folder of one run."""

    def __init__(self, run_dir: Path) -> None:
        self._folder = run_dir / FOLDER

    def save(self, data: Any, note: Note) -> Path:
        """Keep a dict (pickled), or a copy of a file or folder; older ones go. Raises `OSError` of the disk."""
        draft = self._draft()
        draft.mkdir(parents=True)
        _write(data, draft)
        return self._place(draft, note)

    def adopt(self, other: Checkpoint, note: Note) -> Path:
        """Keep a copy of another run's checkpoint as this one's newest."""
        draft = self._draft()
        shutil.copytree(other.folder, draft)
        return self._place(draft, note)

    def _draft(self) -> Path:
        draft = self._folder / f"draft-{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        return draft

    def _place(self, draft: Path, note: Note) -> Path:
        (draft / _NOTE).write_bytes(msgspec.json.encode(note))
        number = max((number for number, _ in self._numbered()), default=0) + 1
        place = self._folder / f"{number:06d}"
        draft.rename(place)
        for old in [folder for _, folder in self._numbered()][:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        return place

    def newest(self) -> Checkpoint | None:
        """The newest one that is whole; None when there is none."""
        for _, folder in reversed(self._numbered()):
            try:
                note = msgspec.json.decode((folder / _NOTE).read_bytes(), type=Note)
            except (OSError, msgspec.MsgspecError):
                continue
            return Checkpoint(folder, note)
        return None

    def _numbered(self) -> list[tuple[int, Path]]:
        return sorted(self._found())

    def _found(self) -> Iterator[tuple[int, Path]]:
        try:
            entries = list(self._folder.iterdir())
        except OSError:
            return
        for entry in entries:
            if entry.name.isdecimal():
                yield int(entry.name), entry


def check(data: Any) -> None:
    """Raise `UsageError` unless `data` is something that can be kept."""
    if isinstance(data, Mapping):
        return
    if not isinstance(data, str | os.PathLike):
        raise UsageError(
            f"a checkpoint is a dict, or the path of a file or folder, not {type(data).__name__}",
            'pass run.checkpoint({"model": model.state_dict(), "epoch": epoch})',
        )
    if not Path(data).exists():
        raise UsageError(f"there is no file or folder {os.fspath(data)!r} to keep as a checkpoint", "write it first")


def _write(data: Any, draft: Path) -> None:
    if isinstance(data, Mapping):
        with (draft / _STATE).open("wb") as file:
            pickle.dump(dict(data), file, protocol=pickle.HIGHEST_PROTOCOL)
            file.flush()
            os.fsync(file.fileno())
        return
    source, files = Path(data), draft / _FILES
    files.mkdir()
    if source.is_dir():
        shutil.copytree(source, files / source.name)
    else:
        shutil.copyfile(source, files / source.name)
