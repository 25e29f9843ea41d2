"""Amounts of memory with their units, as bytes; no other unit is known."""

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
