"""What of a run may be asked about in filters and orders: names of keys, and how each value is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from swath.tracking.errors import UsageError

Columns = Mapping[str, Any]
"""What is known of one run: values by the names of the store's columns, JSON decoded."""


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


class Field(NamedTuple):
    """One key: its name, the columns it needs, the kind of its values, and how they are found in the columns."""

    key: str
    columns: tuple[str, ...]
    kind: str
    value: Callable[[Columns], Any]


def field_named(key: Any) -> Field:
    """The field that a key names. Raises `UsageError` with the nearest name for a key that names nothing."""
    if not isinstance(key, str):
        raise UsageError(f"{key!r} is no key of a run", 'keys are strings, such as "config.lr"')
    if key in _PLAIN:
        return _PLAIN[key]
    head, _, rest = key.partition(".")
    if head in _TREES:
        if not rest:
            raise UsageError(f"{key!r} is a whole dict", f'name a key in it: "{head}.lr"')
        return _tree_field(key, _TREES[head], rest)
    raise UsageError(f"runs have no key {key!r}", _hint(key))


def dig(value: Any, path: str) -> Any:
    """What stands at a path of keys joined by dots; a key may itself hold dots. `MISSING` when there is nothing."""
    if isinstance(value, Mapping):
        if path in value:
            return value[path]
        at = path.rfind(".")
        while at > 0:
            head = path[:at]
            if head in value:
                found = dig(value[head], path[at + 1 :])
                if found is not MISSING:
                    return found
            at = path.rfind(".", 0, at)
    elif isinstance(value, list):
        head, _, rest = path.partition(".")
        if head.isascii() and head.isdecimal() and int(head) < len(value):
            return dig(value[int(head)], rest) if rest else value[int(head)]
    return MISSING


def _tree_field(key: str, column: str, path: str) -> Field:
    other = _without_value(path) if column == "config" else ""

    def value(columns: Columns) -> Any:
        found = dig(columns[column], path)
        return dig(columns[column], other) if found is MISSING and other else found

    return Field(key, (column,), "any", value)


def _without_value(path: str) -> str:
    """`lr.value` and `optim.value.lr`, as W&B writes them, without the `value`."""
    parts = path.split(".")
    if len(parts) > 1 and parts[-1] == "value":
        return ".".join(parts[:-1])
    if len(parts) > 2 and parts[1] == "value":
        return ".".join([parts[0], *parts[2:]])
    return ""


def _text(key: str, column: str, *, required: bool = False) -> Field:
    """`required`: it is never missing; of the others "" means that nothing was said."""
    if required:
        return Field(key, (column,), "text", lambda columns: columns[column])
    return Field(key, (column,), "optional", lambda columns: columns[column] or MISSING)


def _time(key: str, column: str) -> Field:
    return Field(key, (column,), "time", lambda columns: columns[column])


def _duration(columns: Columns) -> Any:
    end = columns["ended"] if columns["ended"] is not None else columns["updated"]
    return max(end - columns["created"], 0.0)


_STATE = Field("state", ("state",), "state", lambda columns: columns["state"])
#: Both are names: a run is found by either, and `$ne` and `$nin` want neither.
_NAME = Field("name", ("id", "name"), "names", lambda columns: [columns["id"], columns["name"]])
_TAGS = Field("tags", ("tags",), "any", lambda columns: columns["tags"])
_PLAIN: dict[str, Field] = {
    "id": _text("id", "id", required=True),
    "name": _NAME,
    "display_name": _text("display_name", "name", required=True),
    "displayName": _text("display_name", "name", required=True),
    "state": _STATE,
    "group": _text("group", "run_group"),
    "job_type": _text("job_type", "job_type"),
    "jobType": _text("job_type", "job_type"),
    "tags": _TAGS,
    "notes": _text("notes", "notes"),
    "entity": _text("entity", "entity"),
    "username": _text("entity", "entity"),
    "project": _text("project", "project"),
    "sweep": _text("sweep", "sweep_id"),
    "sweep_id": _text("sweep", "sweep_id"),
    "sweep_name": _text("sweep", "sweep_id"),
    "host": _text("host", "host"),
    "created_at": _time("created_at", "created"),
    "createdAt": _time("created_at", "created"),
    "heartbeat_at": _time("heartbeat_at", "updated"),
    "heartbeatAt": _time("heartbeat_at", "updated"),
    "duration": Field("duration", ("created", "updated", "ended"), "any", _duration),
}
_TREES = {"config": "config", "summary_metrics": "summary", "summaryMetrics": "summary", "summary": "summary"}


def _hint(key: str) -> str:
    near = get_close_matches(key, [*_PLAIN, *_TREES], 1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f'keys are {", ".join(sorted(_PLAIN))}, "config.KEY" and "summary_metrics.KEY"'
