"""Molecule: the file of a molecule's structure, as it is; nothing here knows chemistry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swath.tracking.blobs import Blobs
from swath.tracking.errors import UsageError
from swath.tracking.media.files import (
    FileMedia,
    Held,
    caption_of,
    contents,
    ending,
    existing,
    is_handle,
    is_path,
    kind_of_handle,
)
from swath.tracking.runlog.encoding import type_name

_TYPES = frozenset({"pdb", "pqr", "mmcif", "mcif", "cif", "sdf", "sd", "gro", "mol2", "mmtf"})
_BINARY = frozenset({"mmtf"})


class Molecule(FileMedia):
    """A molecule in a file of a usual kind: its path, or the file open, with `file_type` where it has no name.

    The bytes are kept as they are. Raises `UsageError` for a file that is not there, empty, or of another kind.
    """

    TYPE = "molecule-file"
    SUPPORTED_TYPES = _TYPES

    def __init__(self, data_or_path: Any, caption: str | None = None, file_type: str | None = None) -> None:
        self.caption = caption_of(caption)
        if is_path(data_or_path):
            self.format = ending(data_or_path, _TYPES, "Molecule")
            self._source = existing(data_or_path, "Molecule")
        elif is_handle(data_or_path):
            self.format = kind_of_handle(data_or_path, file_type, _TYPES, "Molecule")
            self._source = Held(contents(data_or_path, "Molecule"))
        else:
            raise UsageError(f"Molecule: {type_name(data_or_path)} is no molecule", "pass a path or an open file")
        self._check()

    def _check(self) -> None:
        data = self.read()
        if not data.strip():
            raise UsageError("Molecule: the file is empty", "write it before passing it")
        if self.format not in _BINARY and b"\0" in data:
            raise UsageError(f"Molecule: the file is no text, as {self.format} is", "check the file and its type")

    def _details(self, blobs: Blobs) -> dict[str, Any]:
        return {}

    def _restore(self, record: Mapping[str, Any], blobs: Blobs) -> None:
        """A molecule has no more than its file."""
