"""Nested configs and summaries as one level of dotted keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swath.tracking.runlog.encoding import is_media


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"model": {"width": 3}}` as `{"model.width": 3}`; an empty dict and the record of media stay values."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value and not is_media(value):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
