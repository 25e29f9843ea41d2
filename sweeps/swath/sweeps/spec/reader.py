"""A typed look at loaded data that notes faults instead of raising; it knows forms, not keys."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from swath.sweeps.distributions import is_number
from swath.sweeps.spec.faults import Fault, nearest
from swath.sweeps.spec.loader import Loaded, Path, as_list, path_text


class Reader:
    """Gathers the faults of one file. Each question answers None where it noted a fault or the key is missing."""

    def __init__(self, loaded: Loaded) -> None:
        self.marks = loaded.marks
        self.faults: list[Fault] = list(loaded.faults)

    def fault(self, path: Path, message: str, hint: str = "") -> None:
        """Note a fault of `path`, at its line or at that of the nearest thing around it."""
        line, column = self._place(path)
        self.faults.append(Fault(path_text(path), message, hint, line, column))

    def _place(self, path: Path) -> tuple[int | None, int | None]:
        for length in range(len(path), 0, -1):
            if path[:length] in self.marks:
                return self.marks[path[:length]]
        return None, None

    def keys(self, data: Mapping[str, Any], path: Path, known: Iterable[str], later: Iterable[str] = ()) -> None:
        """Note each key of `data` that is not `known`."""
        known, later = tuple(known), tuple(later)
        for key in data:
            if key in later:
                self.fault((*path, key), f"'{key}' is not supported yet", "remove it")
            elif key not in known:
                hint = nearest(key, (*known, *later)) or f"known here: {', '.join(known)}"
                self.fault((*path, key), f"unknown key '{key}'", hint)

    def mapping(self, data: Mapping[str, Any], key: str, path: Path = ()) -> dict[str, Any] | None:
        value = data.get(key)
        if isinstance(value, dict):
            return value
        if key in data:
            self.fault((*path, key), f"must hold keys and values, not {shown(value)}")
        return None

    def text(self, data: Mapping[str, Any], key: str, path: Path = ()) -> str | None:
        value = data.get(key)
        if isinstance(value, str) and value.strip():
            return value
        if key in data:
            hint = "put it in quotes" if value is not None and not isinstance(value, (str, list, dict)) else ""
            self.fault((*path, key), f"must be text, not {shown(value)}", hint)
        return None

    def choice(self, data: Mapping[str, Any], key: str, options: tuple[str, ...], path: Path = ()) -> str | None:
        value = data.get(key)
        if isinstance(value, str) and value in options:
            return value
        if key in data:
            hint = nearest(value, options) if isinstance(value, str) else ""
            self.fault((*path, key), f"must be {as_list(options)}, not {shown(value)}", hint)
        return None

    def flag(self, data: Mapping[str, Any], key: str, path: Path = ()) -> bool | None:
        value = data.get(key)
        if isinstance(value, bool):
            return value
        if key in data:
            self.fault((*path, key), f"must be true or false, not {shown(value)}")
        return None

    def whole(
        self, data: Mapping[str, Any], key: str, least: int, path: Path = (), *, most: float = math.inf
    ) -> int | None:
        value = data.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        if key in data:
            hint = "remove the quotes" if isinstance(value, str) and value.strip().isdigit() else ""
            limit = f"at most {most}" if isinstance(value, int) and value > most else f"at least {least}"
            self.fault((*path, key), f"must be a whole number of {limit}, not {shown(value)}", hint)
        return None

    def number(
        self,
        data: Mapping[str, Any],
        key: str,
        path: Path = (),
        *,
        above: float | None = None,
        least: float | None = None,
    ) -> int | float | None:
        """A finite number, above `above` or not below `least`."""
        value = data.get(key)
        if is_number(value) and (above is None or value > above) and (least is None or value >= least):
            return value
        if key in data:
            limit = f" above {above}" if above is not None else f" of at least {least}" if least is not None else ""
            hint = "remove the quotes" if isinstance(value, str) and _is_number_text(value) else ""
            self.fault((*path, key), f"must be a number{limit}, not {shown(value)}", hint)
        return None


def shown(value: Any) -> str:
    """`value` for a message, cut where it is long."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_number_text(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
