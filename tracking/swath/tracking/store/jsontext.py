"""JSON text of columns: what Python's json writes, made by msgspec where the two agree (a tenth of the time)."""

from __future__ import annotations

import json
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def to_json(value: Any) -> str:
    """`value` as JSON; not-a-number and infinity as Python's json writes them, which msgspec calls null."""
    try:
        encoded = _encode(value)
        if b"null" not in encoded:
            return encoded.decode()
    except (UnicodeEncodeError, TypeError):
        pass
    return json.dumps(value)


def from_json(text: str) -> Any:
    """The value of a text that `to_json` wrote."""
    try:
        return _decode(text)
    except msgspec.MsgspecError:
        return json.loads(text)
