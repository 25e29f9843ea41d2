"""`File`: a file of a recorded run as users see it; where its bytes lie is the source's affair."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from swath.tracking.api.source import FileInfo, RunSource
from swath.tracking.api.values import iso
from swath.tracking.errors import UsageError


class File:
    """A file that was saved with a run, or lies in its folder."""

    def __init__(self, source: RunSource, run_id: str, info: FileInfo) -> None:
        self._source = source
        self._run_id = run_id
        self._info = info

    @property
    def name(self) -> str:
        """The path among the run's files."""
        return self._info.name

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self._info.size

    @property
    def sha256(self) -> str:
        """The SHA-256 of the content, in hex. That of a file which was not saved yet is worked out from its content."""
        if self._info.sha256:
            return self._info.sha256
        import hashlib

        return hashlib.sha256(self.read()).hexdigest()

    @property
    def updated_at(self) -> str:
        """When it was saved or written last, in ISO 8601."""
        return iso(self._info.time)

    def read(self) -> bytes:
        """The whole content."""
        return self._source.read_file(self._run_id, self._info)

    def download(self, root: str | os.PathLike[str] = ".", replace: bool = False, exist_ok: bool = False) -> IO[str]:
        """Copy the file below the folder `root`, under its own path, and open the copy for reading text.

        A file that is there already is an error, unless `replace` overwrites it or `exist_ok` leaves it as it is.
        """
        target = self._target(Path(root))
        if replace or not target.exists():
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                self._copy(target)
            except OSError as error:
                said = f"{target} cannot be written: {error.strerror or error}"
                raise UsageError(said, "pass a folder that can be written as root=") from error
        elif not exist_ok:
            raise UsageError(f"{target} exists already", "replace=True overwrites it, exist_ok=True leaves it as it is")
        return target.open(encoding="utf-8", errors="replace")

    def _target(self, root: Path) -> Path:
        """Where the copy goes: never outside of `root`, whatever the run calls its files."""
        target = root / self.name
        if not target.resolve().is_relative_to(root.resolve()) or target.resolve() == root.resolve():
            raise UsageError(f"the file {self.name!r} would lie outside of {root}", "take its content with read()")
        return target

    def _copy(self, target: Path) -> None:
        """The target is there whole or not at all."""
        handle, draft = tempfile.mkstemp(dir=target.parent, prefix=".download-")
        os.close(handle)
        try:
            self._source.copy_file(self._run_id, self._info, Path(draft))
            os.chmod(draft, 0o644)
            os.replace(draft, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(draft)
            raise

    def __repr__(self) -> str:
        return f"<File {self.name} ({self.size} bytes)>"
