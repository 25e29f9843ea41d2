"""Numbers, times, configs and curves in words of a given width: pure text, no terminal and no colour."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from swath.sweeps.flat import flatten
from swath.tracking.runlog.encoding import is_media

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.-~=+*#"


def number(value: Any, digits: int = 4) -> str:
    """A number as a person would write it: whole numbers whole, others to `digits` significant digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return str(value)
    if math.isfinite(value) and value == int(value) and abs(value) < 1e6:
        return f"{value:.1f}"
    return f"{value:.{digits}g}"


def metric(value: float | None) -> str:
    """A metric's value to four significant digits, zeros at the end kept, so that columns stand still."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return str(value)
    return f"{value:#.4g}".rstrip(".")


def plain(value: Any) -> str:
    """A value in one line: floats keep enough digits to be told apart, of media there is the kind."""
    if is_media(value):
        return f"<{value['_type'].removesuffix('-file')}>"
    if isinstance(value, float):
        return number(value, 4)
    return "null" if value is None else str(value)


def duration(seconds: float | None) -> str:
    """`0.4s`, `12s`, `3m 05s`, `1h 12m`, `2d 03h`; empty for None."""
    if seconds is None:
        return ""
    seconds = max(seconds, 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    for size, unit, small, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // small:02d}{name}"
    return f"{whole}s"


def ago(then: float | None, now: float) -> str:
    """`just now`, `5m 10s ago`; empty for None."""
    if then is None:
        return ""
    return "just now" if now - then < 5 else f"{duration(now - then)} ago"


def plural(count: int, word: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def varied(configs: Iterable[Mapping[str, Any]]) -> list[str]:
    """The dotted keys whose values differ between `configs`, in order of appearance; all of them when none differs."""
    seen: dict[str, set[str]] = {}
    flats = [flatten(config) for config in configs]
    for flat in flats:
        for key in flat:
            seen.setdefault(key, set())
    for flat in flats:
        for key, values in seen.items():
            values.add(repr(flat[key]) if key in flat else "")
    return [key for key, values in seen.items() if len(values) > 1] or list(seen)


def config_line(config: Mapping[str, Any], keys: Sequence[str] | None = None, width: int = 0) -> str:
    """`lr=0.01 units=64`: the keys that are there, cut with an ellipsis at `width` when that is given."""
    flat = flatten(config)
    wanted = list(flat) if keys is None else [key for key in keys if key in flat]
    names = short_names(wanted)
    return cut(" ".join(f"{names[key]}={plain(flat[key])}" for key in wanted), width)


def summary_line(summary: Mapping[str, Any]) -> str:
    """`loss=0.1 val/acc.max=0.9 picture=<image>`: all that a summary holds."""
    return " ".join(f"{key}={plain(value)}" for key, value in flatten(summary).items())


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Of each dotted key its last part, where no other key ends in the same one."""
    ends = Counter(_end(key) for key in keys)
    return {key: end if ends[end := _end(key)] == 1 else key for key in keys}


def _end(key: str) -> str:
    """The last part of a dotted key; of the branch that a choice takes the name of the choice."""
    return key.removesuffix(".choice").rpartition(".")[2]


def cut(text: str, width: int) -> str:
    """`text` in one line of at most `width` characters (0: any)."""
    text = " ".join(text.split())
    return text if not width or len(text) <= width else text[: max(width - 1, 0)].rstrip() + "…"


def sparkline(values: Sequence[float], width: int, ascii_only: bool = False) -> str:
    """The curve of the finite `values` in at most `width` characters, scaled from their minimum to their maximum."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite or width < 1:
        return ""
    points = _squeeze(finite, width)
    low, high = min(points), max(points)
    blocks = ASCII_BLOCKS if ascii_only else BLOCKS
    if high == low:
        return blocks[3] * len(points)
    top = len(blocks) - 1
    return "".join(blocks[round((point - low) / (high - low) * top)] for point in points)


def _squeeze(values: list[float], width: int) -> list[float]:
    """At most `width` means of neighbours."""
    if len(values) <= width:
        return values
    edges = [len(values) * i // width for i in range(width + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]


def pick(values: Mapping[str, Any], key: str) -> float | None:
    """The number that a history row holds under `key`, dots going into nested rows; None when there is none."""
    found: Any = values.get(key)
    if found is None and "." in key:
        head, _, rest = key.partition(".")
        inner = values.get(head)
        return pick(inner, rest) if isinstance(inner, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found)
