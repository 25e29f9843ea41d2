"""Turns what users log and configure into plain data: atoms, and lists and string-keyed dicts of them."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from swath.tracking.errors import UsageError
from swath.tracking.runlog.records import Record

MAX_ARRAY = 4096
_ATOMS = frozenset({float, int, str, bool, type(None)})
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1
_PACK = msgspec.msgpack.Encoder().encode


Media = Callable[[Any], dict[str, Any] | None]
"""Gives the record of a value that is media, and None for any other."""


def plain_row(data: Any, media: Media | None = None) -> dict[str, Any]:
    """The data of one `log()` call in plain form; `data` itself when it is that already.

    Raises `UsageError` that names the key when something cannot be recorded.
    """
    if type(data) is dict:
        for key, value in data.items():
            if type(key) is not str or type(value) not in _ATOMS:
                return to_plain_dict(data, media=media)
        return data
    if isinstance(data, Mapping):
        return to_plain_dict(data, media=media)
    raise UsageError(
        f"log() takes a dict of metrics, not {type_name(data)}",
        'write run.log({"loss": loss})',
    )


def to_plain_dict(
    data: Mapping[Any, Any], path: str = "", *, lenient: bool = False, media: Media | None = None
) -> dict[str, Any]:
    """A plain copy of a mapping. `lenient` writes objects down as text instead of refusing them."""
    plain: dict[str, Any] = {}
    for key, value in data.items():
        if not isinstance(key, str):
            if not lenient:
                where = f" in {path!r}" if path else ""
                raise UsageError(
                    f"the key {key!r}{where} is {type_name(key)}, keys are strings",
                    f"write {str(key)!r} instead",
                )
            key = str(key)
        plain[str(utf8_text(key))] = to_plain(value, f"{path}.{key}" if path else key, lenient=lenient, media=media)
    return plain


def to_plain(value: Any, path: str, *, lenient: bool = False, media: Media | None = None) -> Any:
    """A plain copy of one value, which stands at `path`."""
    kind = type(value)
    if kind is float or kind is bool or value is None:
        return value
    if isinstance(value, int):
        return int(value) if _INT_MIN <= value <= _INT_MAX else _wide(value)
    if isinstance(value, str):
        return utf8_text(value)
    if isinstance(value, float):
        return float(value)
    try:
        return _compound(value, path, lenient, media)
    except RecursionError:
        raise UsageError(f"the value of {path!r} contains itself", "record a plain copy of it") from None


def pack(record: Record) -> bytes:
    """The msgpack form of a record, whatever text and numbers are in it."""
    try:
        return _PACK(record)
    except (OverflowError, UnicodeEncodeError):
        fields = {name: getattr(record, name) for name in record.__struct_fields__}
        return _PACK(msgspec.structs.replace(record, **to_plain_dict(fields)))


def is_media(value: Any) -> bool:
    """Whether a value in plain form is the record of media: one value, and no dict of several."""
    return isinstance(value, Mapping) and isinstance(value.get("_type"), str)


def type_name(value: object) -> str:
    """The type of a value for a message: "a list", "a torch.Tensor"."""
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if value is None:
        return "None"
    return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"


def utf8_text(value: str) -> str:
    """A string that UTF-8 can hold: a lone surrogate becomes its escape."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "backslashreplace").decode()
    return str.__str__(value)  # of an enum's member its value, not its name


def _compound(value: Any, path: str, lenient: bool, media: Media | None) -> Any:
    if isinstance(value, Mapping):
        return to_plain_dict(value, path, lenient=lenient, media=media)
    if isinstance(value, list | tuple):
        return [to_plain(each, f"{path}[{at}]", lenient=lenient, media=media) for at, each in enumerate(value)]
    if isinstance(value, set | frozenset):
        return [to_plain(each, path, lenient=lenient, media=media) for each in sorted(value, key=repr)]
    if hasattr(value, "item") and hasattr(value, "tolist"):
        return _plain_array(value, path, media)
    record = media(value) if media is not None else None
    return _special(value, path, lenient, media) if record is None else record


def _plain_array(value: Any, path: str, media: Media | None) -> Any:
    """numpy and torch scalars and arrays, and whatever else has their methods; large ones as media."""
    if hasattr(value, "detach"):
        value = value.detach()
    shape = tuple(getattr(value, "shape", ()))
    size = math.prod(shape)
    if not shape or size == 1:
        return to_plain(value.item(), path)
    if size <= MAX_ARRAY:
        return to_plain(value.tolist(), path)
    record = media(value) if media is not None else None
    if record is None:
        raise UsageError(
            f"the value of {path!r} is an array of {size} numbers; one value holds up to {MAX_ARRAY}",
            "record a statistic of it (mean, norm, quantiles), or save it as a file in run.dir",
        )
    return record


def _special(value: Any, path: str, lenient: bool, media: Media | None) -> Any:
    """Dates, paths, enums, dataclasses and such; their modules are only looked at where they are loaded."""
    if _is(value, "enum", "Enum"):
        return to_plain(value.value, path, lenient=lenient, media=media)
    if _is(value, "datetime", "date", "time"):
        return value.isoformat()
    if _is(value, "datetime", "timedelta"):
        return value.total_seconds()
    if _is(value, "decimal", "Decimal") or _is(value, "fractions", "Fraction"):
        return float(value)
    if _is(value, "pathlib", "PurePath") or _is(value, "uuid", "UUID"):
        return str(value)
    if isinstance(value, range):
        return list(value)
    if _is(value, "omegaconf", "ListConfig"):
        return to_plain(list(value), path, lenient=lenient, media=media)
    if _is(value, "pydantic", "BaseModel"):
        return to_plain_dict(value.model_dump(), path, lenient=lenient, media=media)
    if not isinstance(value, type) and hasattr(value, "__dataclass_fields__"):
        fields = {name: getattr(value, name) for name in value.__dataclass_fields__}
        return to_plain_dict(fields, path, lenient=lenient, media=media)
    if lenient:
        return _described(value)
    raise UsageError(
        f"the value of {path!r} is {type_name(value)}, which cannot be recorded",
        "log numbers, strings, and lists or dicts of them; for example float(value) or str(value)",
    )


def _is(value: object, module: str, *names: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, tuple(getattr(loaded, name) for name in names))


def _described(value: Any) -> str:
    name = getattr(value, "__qualname__", None)
    if isinstance(name, str):
        return f"{getattr(value, '__module__', '')}.{name}".removeprefix("builtins.").lstrip(".")
    return utf8_text(str(value))


def _wide(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
