"""Media that are one file: where its bytes are, how they get into the blobs and back; not what the bytes mean."""

from __future__ import annotations

import os
import stat
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from swath.tracking.blobs import Blobs
from swath.tracking.errors import NotFound, StoreCorrupt, UsageError
from swath.tracking.media.base import Media
from swath.tracking.runlog.encoding import type_name

DAMAGED = "the row that holds it is damaged"


@dataclass(frozen=True)
class Held:
    """A file's bytes in memory."""

    data: bytes

    def read(self) -> bytes:
        return self.data

    def put(self, blobs: Blobs) -> tuple[str, int]:
        """Keep the bytes; returns their digest and how many they are."""
        return blobs.put(self.data), len(self.data)


@dataclass(frozen=True)
class OnDisk:
    """A file as it was when it was checked. Another one under its name since then is an error, not a record."""

    path: Path
    size: int
    changed_ns: int

    def read(self) -> bytes:
        """The bytes. Raises `UsageError` when the file is gone or changed."""
        self._same()
        return self.path.read_bytes()

    def put(self, blobs: Blobs) -> tuple[str, int]:
        """Keep the bytes; returns their digest and how many they are. Raises `UsageError` as `read` does."""
        self._same()
        digest = blobs.put_file(self.path)
        return digest, blobs.path(digest).stat().st_size

    def _same(self) -> None:
        try:
            now = self.path.stat()
        except OSError:
            raise NotFound(f"the file {self.path} is gone", "keep a file until it is logged") from None
        if (now.st_size, now.st_mtime_ns) != (self.size, self.changed_ns):
            raise UsageError(f"the file {self.path} changed after it was checked", "log a file before rewriting it")


Source = Held | OnDisk


class FileMedia(Media):
    """A medium whose value is one file, with a caption and a format.

    A file named by a path is read when it is recorded; its bytes are kept as they are.
    """

    caption: str | None
    format: str
    _source: Source

    def to_record(self, blobs: Blobs) -> dict[str, Any]:
        digest, size = self._file().put(blobs)
        record = {"_type": self.TYPE, "sha256": digest, "size": size, "format": self.format}
        if self.caption is not None:
            record["caption"] = self.caption
        return record | self._details(blobs)

    @classmethod
    def from_record(cls, record: Mapping[str, Any], blobs: Blobs) -> Self:
        source = recorded(record, blobs, cls.TYPE)
        self = cls.__new__(cls)
        self.caption = record.get("caption")
        self.format = str(record.get("format", ""))
        self._source = source
        try:
            self._restore(record, blobs)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise StoreCorrupt(f"a record of type {cls.TYPE} is not whole: {error!r}", DAMAGED) from None
        return self

    def read(self) -> bytes:
        """The bytes of the file."""
        return self._file().read()

    def _file(self) -> Source:
        return self._source

    @abstractmethod
    def _details(self, blobs: Blobs) -> dict[str, Any]:
        """What the record says beside the file's digest, size, format and caption."""

    @abstractmethod
    def _restore(self, record: Mapping[str, Any], blobs: Blobs) -> None:
        """Take back from the record what `_details` put there."""


def recorded(record: Mapping[str, Any], blobs: Blobs, kind: str) -> OnDisk:
    """The file that a record of that `_type` names. Raises `NotFound` when the blobs lack it."""
    if record.get("_type") != kind:
        raise UsageError(f"a record of type {record.get('_type')!r} is no {kind}", "read it with the class of its type")
    digest = record.get("sha256")
    if not isinstance(digest, str):
        raise StoreCorrupt(f"a record of type {kind} names no file", DAMAGED)
    path = blobs.path(digest)
    try:
        found = path.stat()
    except FileNotFoundError:
        raise NotFound(f"the file {digest} is not in {blobs.root}", "it may not have been sent here yet") from None
    return OnDisk(path, found.st_size, found.st_mtime_ns)


def existing(path: str | os.PathLike[str], what: str) -> OnDisk:
    """The file at `path`, checked to be a readable one with something in it. Raises `UsageError`."""
    place = Path(os.fsdecode(path)).absolute()
    try:
        found = place.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{what}: {place} is no file", "name a regular file")
        place.open("rb").close()
    except FileNotFoundError:
        hint = "download it first, and pass the path" if "://" in os.fsdecode(path) else "check the path"
        raise NotFound(f"{what}: there is no file {place}", hint) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{what}: {str(place)!r} cannot be read: {error}", "check the path") from None
    if found.st_size == 0:
        raise UsageError(f"{what}: the file {place} is empty", "write the file before naming it")
    return OnDisk(place, found.st_size, found.st_mtime_ns)


def taken_file(data: Any, file_type: str | None, accepted: Iterable[str], what: str) -> tuple[Source, str] | None:
    """The file that a path or an open file names, and its format; None for what is neither."""
    if is_path(data):
        format = ending(data, accepted, what) if file_type is None else chosen(file_type, accepted, what)
        return existing(data, what), format
    if is_handle(data):
        format = kind_of_handle(data, file_type, accepted, what)
        return Held(contents(data, what)), format
    return None


def is_path(value: object) -> bool:
    """Whether a value names a file."""
    return isinstance(value, str | os.PathLike)


def is_handle(value: object) -> bool:
    """Whether a value is an open file, or behaves like one."""
    return callable(getattr(value, "read", None))


def contents(handle: Any, what: str) -> bytes:
    """All that an open file holds, from its start where it can go back there; text as UTF-8."""
    try:
        with suppress(AttributeError, OSError):
            handle.seek(0)
        data = handle.read()
    except (OSError, ValueError) as error:
        raise UsageError(f"{what}: the open file cannot be read: {error}", "pass it open for reading") from None
    if isinstance(data, str):
        return text_bytes(data, what)
    if not isinstance(data, bytes | bytearray | memoryview):
        raise UsageError(f"{what}: reading gave {type_name(data)}", "pass a file that gives text or bytes")
    return bytes(data)


def text_bytes(text: str, what: str) -> bytes:
    """UTF-8, where bytes that Python smuggled into a string are themselves again."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise UsageError(f"{what}: the text is not valid Unicode: {error}", "remove the lone surrogates") from None


def ending(name: str | os.PathLike[str], accepted: Iterable[str], what: str) -> str:
    """Which of the accepted formats a file's name ends in, whatever its case. Raises `UsageError`."""
    text = os.fsdecode(name).lower()
    for each in sorted(accepted, key=len, reverse=True):
        if text.endswith(f".{each}"):
            return each
    raise UsageError(f"{what}: {os.fsdecode(name)!r} is of no known kind", f"accepted are {listed(accepted)}")


def chosen(file_type: str | None, accepted: Iterable[str], what: str) -> str:
    """The format that a caller named, checked."""
    if isinstance(file_type, str) and file_type.lower().lstrip(".") in accepted:
        return file_type.lower().lstrip(".")
    if file_type is None:
        raise UsageError(f"{what}: an open file does not say of what kind it is", f"name one of {listed(accepted)}")
    raise UsageError(f"{what}: {file_type!r} is no known kind", f"accepted are {listed(accepted)}")


def listed(names: Iterable[str]) -> str:
    """Names for a message."""
    return ", ".join(sorted(names))


def caption_of(caption: object) -> str | None:
    """A caption as text."""
    return None if caption is None else str(caption)


def kind_of_handle(handle: Any, file_type: str | None, accepted: Iterable[str], what: str) -> str:
    """The format of an open file: the one the caller named, else that of its name."""
    name = getattr(handle, "name", None)
    if file_type is None and isinstance(name, str):
        return ending(name, accepted, what)
    return chosen(file_type, accepted, what)
