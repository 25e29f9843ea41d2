"""Amounts of memory and of time with their units, as bytes and seconds."""

from __future__ import annotations

import re

_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([kmgtp]?)(i?)b?\s*", re.IGNORECASE)


def parse_bytes(text: str) -> int | None:
    """`8GiB` (powers of 1024) or `500MB` (powers of 1000) as bytes; None when it is no amount of at least one byte."""
    found = _AMOUNT.fullmatch(text)
    if not found or (found[3] and not found[2]):
        return None
    amount = float(found[1]) * (1024 if found[3] else 1000) ** _POWERS[found[2].lower()]
    return int(amount) if amount >= 1 else None


_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(min|[smhdw])", re.IGNORECASE)


def parse_seconds(text: str) -> float | None:
    """`90s`, `1.5h` or `1h 30m` as seconds; None when it is no time above nothing."""
    seconds, place = 0.0, 0
    while place < len(text.rstrip()):
        found = _PART.match(text, place)
        if not found:
            return None
        seconds += float(found[1]) * _UNITS[found[2].lower()]
        place = found.end()
    return seconds if seconds > 0 else None
