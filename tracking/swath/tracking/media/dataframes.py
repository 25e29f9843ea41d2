"""pandas data frames to columns of plain values and back; the one file that imports pandas."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from swath.tracking.media.base import needs

_NULLABLE = {"integer": "Int64", "boolean": "boolean", "number": "float64"}


def is_frame(value: object) -> bool:
    """Whether a value is a pandas DataFrame; pandas is not imported for this."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def columns_of(frame: Any) -> tuple[list[Any], list[list[Any]]]:
    """The names and the values of a frame's columns; its index is left out.

    Numbers stay as they are, NaN too. In every other column what pandas calls missing (NaN, NaT, NA) is None.
    """
    names = [name.item() if hasattr(name, "item") else name for name in frame.columns]
    return names, [_values(frame.iloc[:, at]) for at in range(len(names))]


def frame_of(columns: Mapping[Any, list[Any]], kinds: Iterable[str]) -> Any:
    """The frame of columns by name. Integers and booleans with None among them become pandas' nullable types."""
    try:
        import pandas
    except ImportError:
        raise needs("pandas", "pandas", "a data frame") from None
    series = {name: _series(pandas, values, kind) for (name, values), kind in zip(columns.items(), kinds, strict=True)}
    return pandas.DataFrame(series, columns=list(columns))


def _values(series: Any) -> list[Any]:
    if getattr(series.dtype, "kind", "O") in "biuf" and not hasattr(series.dtype, "na_value"):
        return list(series.tolist())
    missing = series.isna().tolist()
    return [None if gone else value for value, gone in zip(series.tolist(), missing, strict=True)]


def _series(pandas: Any, values: list[Any], kind: str) -> Any:
    if kind in _NULLABLE and None in values:
        try:
            return pandas.Series(values, dtype=_NULLABLE[kind])
        except OverflowError:  # an integer beyond 64 bits
            return pandas.Series(values, dtype=object)
    if kind in ("mixed", "list", "dict", "none"):
        return pandas.Series(values, dtype=object)
    return pandas.Series(values, dtype=None if values else object)
