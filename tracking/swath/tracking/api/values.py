"""Values at the door of `Api`: copies and times for users, and whole numbers that they pass."""

from __future__ import annotations

import operator
from datetime import UTC, datetime
from typing import Any

from swath.tracking.errors import UsageError
from swath.tracking.runlog.encoding import type_name


def copied(value: Any) -> Any:
    """A copy of plain data that shares nothing that can be changed."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    return [copied(each) for each in value] if isinstance(value, list) else value


def iso(seconds: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, such as "2025-01-31T12:00:00.500000Z"; whole seconds have no fraction."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def whole(name: str, value: Any, least: int) -> int:
    """The argument `name` as an int. Raises `UsageError` when it is no whole number from `least` on."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        raise UsageError(f"{name}={value!r} is {type_name(value)}", f"pass a whole number from {least} on")
    return number
