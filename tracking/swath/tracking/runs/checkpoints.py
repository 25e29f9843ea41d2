"""Checkpoints of a run: what a program saves to go on from, kept in the run's folder over all its attempts.

A checkpoint is a folder that is written under another name and then renamed, so that one is whole or not there.
"""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from swath.tracking.errors import UsageError

#: The folder of a run that holds them.
FOLDER = "checkpoints"
_STATE, _FILES, _NOTE, _PARTS = "state.pkl", "files", "note.json", "parts.json"
_OUTGOING, _INBOX = "outgoing", "inbox"
#: How many are kept: the one before the newest serves where the newest is damaged.
_KEPT = 2


class Note(msgspec.Struct, frozen=True):
    """What a checkpoint says of itself: which attempt saved it, behind which step."""

    attempt: int
    step: int


class Part(msgspec.Struct, frozen=True):
    """A file of a checkpoint, by its path there and the SHA-256 of its bytes; an empty folder ends with "/"."""

    path: str
    digest: str = ""
    size: int = 0


class Manifest(msgspec.Struct, frozen=True):
    """What a checkpoint consists of, for those who carry it to another machine."""

    note: Note
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def digests(self) -> set[str]:
        return {part.digest for part in self.parts if part.digest}


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

    def manifest(self) -> Manifest:
        """What it consists of. Reads all of it, once; the answer is kept beside it."""
        parts = self.known_parts()
        if parts is None:
            parts = tuple(_parts_in(self.folder))
            draft = self.folder / f"{_PARTS}.{os.getpid()}"
            draft.write_bytes(msgspec.json.encode(parts))
            draft.replace(self.folder / _PARTS)
        return Manifest(self.note, parts)

    def known_parts(self) -> tuple[Part, ...] | None:
        """Its parts when they are known without reading it."""
        try:
            return msgspec.json.decode((self.folder / _PARTS).read_bytes(), type=tuple[Part, ...])
        except (OSError, msgspec.MsgspecError):
            return None


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

    @property
    def folder(self) -> Path:
        """The folder of all of them."""
        return self._folder

    @property
    def inbox(self) -> Path:
        """Where parts lie that were brought from elsewhere, until they are assembled."""
        return self._folder / _INBOX

    def assemble(self, manifest: Manifest, where: Callable[[str], Path]) -> Path:
        """Keep as the newest one what was brought from elsewhere; `where` says where the bytes of a digest lie."""
        draft = self._draft()
        draft.mkdir(parents=True)
        for part in manifest.parts:
            target = draft / _checked(part.path)
            if not part.digest:
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(where(part.digest), target)
        (draft / _PARTS).write_bytes(msgspec.json.encode(manifest.parts))
        place = self._place(draft, manifest.note)
        shutil.rmtree(self.inbox, ignore_errors=True)
        return place

    def set_aside(self, found: Checkpoint) -> Checkpoint:
        """The same checkpoint at a place where `save` does not remove it while it is sent; one at a time."""
        place = self._folder / _OUTGOING
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(found.folder, place, copy_function=_link)
        return Checkpoint(place, found.note)

    def drop_aside(self) -> None:
        """What was set aside is sent."""
        shutil.rmtree(self._folder / _OUTGOING, ignore_errors=True)

    def kept(self) -> list[Checkpoint]:
        """Those that are whole, the newest first."""
        return list(self._whole())

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
        return next(self._whole(), None)

    def _whole(self) -> Iterator[Checkpoint]:
        for _, folder in reversed(self._numbered()):
            try:
                note = msgspec.json.decode((folder / _NOTE).read_bytes(), type=Note)
            except (OSError, msgspec.MsgspecError):
                continue
            yield Checkpoint(folder, note)

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


def _parts_in(folder: Path) -> Iterator[Part]:
    import hashlib  # takes milliseconds that a program without checkpoints need not pay

    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            if not any(path.iterdir()):
                yield Part(f"{name}/")
        elif name != _NOTE and not name.startswith(_PARTS):
            with path.open("rb") as file:
                yield Part(name, hashlib.file_digest(file, "sha256").hexdigest(), file.tell())


def _checked(path: str) -> str:
    """A part's path, when it stays inside of its checkpoint."""
    words = path.rstrip("/").split("/")
    if words[0] not in (_STATE, _FILES) or any(word in ("", ".", "..") for word in words):
        raise UsageError(f"a checkpoint holds no {path!r}", "agent and server must be of the same version of swath")
    return path


def _link(source: str | Path, target: str | Path) -> None:
    """The same bytes under another name: they are never changed in their place."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
