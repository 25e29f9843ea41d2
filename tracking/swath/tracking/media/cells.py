"""The cells of a table: what users put into one, made plain, and its binary form; not the table itself.

A plain cell is None, a bool, an int of any size, a float, a str, bytes, a datetime, date or time, a `Media` value, or
lists and string-keyed dicts of them. In msgpack they are written as what they are (integers as 64 bits), and what
msgpack has no form for as an extension:

    1  a media value: the msgpack map of its record     4  a date: ISO 8601 text
    2  a larger integer: two's complement, big endian   5  a time of day: ISO 8601 text
    3  a date and time: ISO 8601 text with its offset
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

import msgspec

from swath.tracking.blobs import Blobs
from swath.tracking.errors import StoreCorrupt, UsageError
from swath.tracking.media.base import Media
from swath.tracking.runlog.encoding import to_plain, to_plain_dict, type_name, utf8_text

MediaFrom = Callable[[Mapping[str, Any], Blobs], Media]

MAX_ARRAY = 1_000_000
MAX_DEPTH = 64
_NATIVE = frozenset({type(None), bool, int, float, str, bytes})
_ATOMS = _NATIVE | {datetime.datetime, datetime.date, datetime.time}
_MEDIA, _INTEGER, _DATETIME, _DATE, _TIME = 1, 2, 3, 4, 5
_MOMENTS: dict[type, int] = {datetime.datetime: _DATETIME, datetime.date: _DATE, datetime.time: _TIME}
_READERS: dict[int, Callable[[str], Any]] = {code: kind.fromisoformat for kind, code in _MOMENTS.items()}  # type: ignore[attr-defined]
_KINDS: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    bytes: "bytes",
    datetime.datetime: "datetime",
    datetime.date: "date",
    datetime.time: "time",
    list: "list",
    dict: "dict",
}


def plain_cell(value: Any, where: str, depth: int = 0) -> Any:
    """A cell in plain form; a copy, unless it cannot change. `where` names the cell in errors."""
    if type(value) in _ATOMS or isinstance(value, Media):
        return value
    if depth > MAX_DEPTH:
        raise UsageError(
            f"the value of {where} is nested deeper than {MAX_DEPTH} levels, or contains itself",
            "record a flat copy of it",
        )
    if isinstance(value, Mapping):
        return {utf8_text(str(key)): plain_cell(each, where, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain_cell(each, where, depth + 1) for each in value]
    if hasattr(value, "tolist") and hasattr(value, "shape"):
        return _array(value, where, depth)
    return _special(value, where)


def is_plain(row: Sequence[Any]) -> bool:
    """Whether every cell of a row stays as it is."""
    return _ATOMS.issuperset(map(type, row))


def kind_of(cells: Iterable[Any]) -> str:
    """The type of a column of plain cells: of all that are not None, "none" or "mixed"."""
    kinds = {_KINDS.get(kind) or getattr(kind, "TYPE", "mixed") for kind in set(map(type, cells)) - {type(None)}}
    if kinds == {"integer", "number"}:
        return "number"
    if len(kinds) > 1:
        return "mixed"
    return str(kinds.pop()) if kinds else "none"


def pack_rows(head: Mapping[str, Any], rows: list[list[Any]], blobs: Blobs) -> bytes:
    """The msgpack map of `head` and `rows`; media cells put their bytes into `blobs`."""
    packed = [row if _NATIVE.issuperset(map(type, row)) else [_packed(cell, blobs) for cell in row] for row in rows]
    encode = msgspec.msgpack.Encoder().encode
    try:
        return encode({**head, "rows": packed})
    except (OverflowError, UnicodeEncodeError):  # a large integer or a lone surrogate in some row
        return encode({**head, "rows": [[_representable(cell) for cell in row] for row in packed]})


def unpack_rows(data: bytes, blobs: Blobs, media_from: MediaFrom) -> dict[str, Any]:
    """The map that `pack_rows` wrote. Raises `StoreCorrupt` when the bytes are no such map."""

    def special(code: int, payload: memoryview) -> Any:
        if code == _MEDIA:
            return media_from(msgspec.msgpack.decode(payload), blobs)
        if code == _INTEGER:
            return int.from_bytes(payload, "big", signed=True)
        return _READERS[code](bytes(payload).decode())

    try:
        table = msgspec.msgpack.Decoder(dict[str, Any], ext_hook=special).decode(data)
        if not all(len(row) == len(table["columns"]) for row in table["rows"]):
            raise ValueError("rows of different lengths")
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise StoreCorrupt(f"the bytes of a table are damaged: {error}", "restore the file, or log it again") from None
    return table


def _array(value: Any, where: str, depth: int) -> Any:
    """numpy scalars and arrays, torch tensors, and whatever else has their methods."""
    if hasattr(value, "detach"):
        value = value.detach()
    shape = tuple(value.shape)
    if math.prod(shape) > MAX_ARRAY:
        raise UsageError(
            f"the value of {where} is an array of {math.prod(shape)} numbers; a cell holds up to {MAX_ARRAY}",
            "make it an Image, Audio or Video, or save it as a file in run.dir",
        )
    kind = getattr(value.dtype, "kind", "")
    if kind in ("m", "M") and not shape:
        return _moment(value)
    if shape and kind not in ("b", "i", "u", "f", "S", "U", ""):
        return [plain_cell(each, where, depth + 1) for each in value]
    plain = value.tolist()
    if type(plain) is type(value):  # a scalar wider than Python's float
        return float(plain)
    return plain_cell(plain, where, depth + 1)


def _moment(value: Any) -> Any:
    """A datetime64 or timedelta64: a date, a date and time, text where microseconds are too coarse; or seconds."""
    if value != value:
        return None
    if value.dtype.kind == "m":
        return float(value / type(value)(1, "s"))
    if isinstance(plain := value.item(), datetime.date):
        return plain
    coarse = value.astype("datetime64[us]")
    return coarse.item() if coarse == value and isinstance(coarse.item(), datetime.date) else str(value)


def _special(value: Any, where: str) -> Any:
    """Subclasses of the plain types, what pandas has of its own, and everything that a row takes too."""
    kind = type(value)
    if kind.__module__.partition(".")[0] == "pandas":
        if kind.__name__ in ("NaTType", "NAType"):
            return None
        if kind.__name__ in ("Interval", "Period"):
            return str(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, datetime.datetime):
        if getattr(value, "nanosecond", 0):
            return value.isoformat()
        return datetime.datetime.combine(value.date(), value.timetz())
    if (media := _as_media(value)) is not None:
        return media
    return to_plain(value, where)


def _as_media(value: Any) -> Media | None:
    """Pictures, figures and frames of other libraries. Found by name, since that module imports tables."""
    media: Media | None = import_module("swath.tracking.media.convert").as_media(value)
    return media


def _packed(cell: Any, blobs: Blobs) -> Any:
    if type(cell) in _NATIVE:
        return cell
    if isinstance(cell, Media):
        return msgspec.msgpack.Ext(_MEDIA, msgspec.msgpack.encode(to_plain_dict(cell.to_record(blobs))))
    if type(cell) is list:
        return [_packed(each, blobs) for each in cell]
    if type(cell) is dict:
        return {key: _packed(each, blobs) for key, each in cell.items()}
    if code := _MOMENTS.get(type(cell)):
        return msgspec.msgpack.Ext(code, cell.isoformat().encode())
    raise TypeError(f"a plain cell is no {type_name(cell)}")


def _representable(cell: Any) -> Any:
    """A packed cell with what msgpack refuses, an integer beyond 64 bits or a lone surrogate, in another form."""
    if type(cell) is int and not -(2**63) <= cell < 2**64:
        return msgspec.msgpack.Ext(_INTEGER, cell.to_bytes(cell.bit_length() // 8 + 1, "big", signed=True))
    if type(cell) is str:
        return utf8_text(cell)
    if type(cell) is list:
        return [_representable(each) for each in cell]
    if type(cell) is dict:
        return {_representable(key): _representable(each) for key, each in cell.items()}
    return cell
