"""Content-addressed files: the same bytes are kept once, whatever runs they belong to."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from swath.tracking.errors import NotFound, UsageError

_DIGEST = re.compile(r"[0-9a-f]{64}")
_BLOCK = 1024 * 1024


class Blobs:
    """The files under `root`, named by the SHA-256 of their bytes in hex: `ab/cdef...`.

    A file is there whole or not at all, and is never changed. Raises `OSError` when the disk refuses.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, data: bytes) -> str:
        """Keep `data`; returns its digest."""
        import hashlib

        digest = hashlib.sha256(data).hexdigest()
        if not self._holds(digest, len(data)):
            with _Draft(self) as draft:
                draft.write(data)
                draft.keep_as(digest)
        return digest

    def put_file(self, source: Path) -> str:
        """Keep the bytes that a file has now; returns their digest."""
        import hashlib

        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
        if self._holds(digest, size):
            return digest
        copied = hashlib.sha256()  # of what is copied, since the file may be changing
        with _Draft(self) as draft, source.open("rb") as file:
            while block := file.read(_BLOCK):
                copied.update(block)
                draft.write(block)
            draft.keep_as(copied.hexdigest())
        return copied.hexdigest()

    def _holds(self, digest: str, size: int) -> bool:
        """Whether a file is here and whole: a machine that lost its power may have kept the name and not the bytes."""
        try:
            return self.path(digest).stat().st_size == size
        except FileNotFoundError:
            return False

    def path(self, digest: str) -> Path:
        """Where the bytes of that digest lie, if they are here."""
        if not _DIGEST.fullmatch(digest):
            raise UsageError(f"{digest!r} is no digest of a file", "a digest is 64 hexadecimal digits")
        return self.root / digest[:2] / digest[2:]

    def read(self, digest: str) -> bytes:
        """The bytes of that digest. Raises `NotFound` when they are not here."""
        try:
            return self.path(digest).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"the file {digest} is not in {self.root}", "it may not have been sent here yet") from None


class _Draft:
    """A file that gets its name only once it is whole; without one it is gone at the end of the block."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def __enter__(self) -> _Draft:
        import tempfile  # takes milliseconds, as hashlib does, which every program that tracks would pay

        self._blobs.root.mkdir(parents=True, exist_ok=True)
        self._fd, self._name = tempfile.mkstemp(dir=self._blobs.root, prefix="draft-")
        return self

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def keep_as(self, digest: str) -> None:
        path = self._blobs.path(digest)
        path.parent.mkdir(exist_ok=True)
        os.fchmod(self._fd, 0o644)
        os.replace(self._name, path)

    def __exit__(self, *error: object) -> None:
        os.close(self._fd)
        with suppress(FileNotFoundError):
            os.unlink(self._name)
