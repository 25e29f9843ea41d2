"""`FetchedBlobs`: the blobs of a server, each fetched when it is asked for, and kept in a bounded temporary folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PosixPath

from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotAllowed, StoreCorrupt

#: So many bytes of files that nobody uses at the moment are kept.
KEPT_BYTES = 1024 * 1024 * 1024

Fetch = Callable[[str, Path], None]
"""Writes the bytes of a digest to a file, which is overwritten. Raises `NotFound` when the server has none."""


class FetchedBlobs(Blobs):
    """Blobs that are read here and kept elsewhere. May be used by several threads.

    A file is there as long as its path is held: by a value that reads it, or here, where those used last are held, up
    to `kept_bytes` of them. So values that were read outlive this, and what is nobody's is removed.
    """

    def __init__(self, fetch: Fetch, kept_bytes: int = KEPT_BYTES) -> None:
        self._folder = _Folder()
        super().__init__(self._folder.path)
        self._fetch = fetch
        self._most = kept_bytes
        self._known: weakref.WeakValueDictionary[str, _Fetched] = weakref.WeakValueDictionary()
        self._kept: OrderedDict[str, _Fetched] = OrderedDict()
        self._lock = threading.Lock()

    def path(self, digest: str) -> Path:
        """Where the bytes are now. Raises `NotFound` when the server does not have them."""
        super().path(digest)  # raises when it is no digest
        with self._lock:
            found = self._known.get(digest) or self._fetched(digest)
            self._known[digest] = self._kept[digest] = found
            self._kept.move_to_end(digest)
            self._let_go()
        return found

    def put(self, data: bytes) -> str:
        raise self._read_only()

    def put_file(self, source: Path) -> str:
        raise self._read_only()

    def _fetched(self, digest: str) -> _Fetched:
        file = _Fetched.new(self._folder)
        try:
            self._fetch(digest, file)
        except BaseException:
            os.unlink(file)  # at once: what was raised may hold it for long
            raise
        file.size = file.stat().st_size
        return file

    def _let_go(self) -> None:
        total = sum(file.size for file in self._kept.values())
        while total > self._most:
            total -= self._kept.popitem(last=False)[1].size

    def _read_only(self) -> NotAllowed:
        return NotAllowed("the files of a server are not written here", "log them in a run, which sends them")


class _Folder:
    """A temporary folder that is removed when nobody holds this."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="swath-fetched-"))
        weakref.finalize(self, _own, os.getpid(), _remove_folder, str(self.path))


class _Fetched(PosixPath):
    """The path of a file that is removed when nobody holds the path."""

    folder: _Folder
    size: int = 0

    @staticmethod
    def new(folder: _Folder) -> _Fetched:
        handle, name = tempfile.mkstemp(dir=folder.path)
        os.close(handle)
        made = _Fetched(name)
        made.folder = folder
        weakref.finalize(made, _own, os.getpid(), _remove_file, name)
        return made


def checked(digest: str, path: Path, place: str) -> None:
    """Raises `StoreCorrupt` when a file of `place` has another digest than it was asked for by."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != digest:
        raise StoreCorrupt(
            f"what {place} gave as the file {digest} has the digest {found}", "the file is damaged on the server"
        )


def _own(pid: int, remove: Callable[[str], None], path: str) -> None:
    """A forked child has copies of what was held, and must leave its parent's files alone."""
    if os.getpid() == pid:
        remove(path)


def _remove_file(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def _remove_folder(path: str) -> None:
    shutil.rmtree(path, ignore_errors=True)
