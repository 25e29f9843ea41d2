"""Faults of a sweep file, gathered and shown all at once; nothing here finds them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from swath.tracking.errors import SpecError


@dataclass(frozen=True)
class Fault:
    """One thing wrong: the key it is about (`parameters.lr.min`), where it stands in the file, and what to do."""

    path: str
    message: str
    hint: str = ""
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}: " if self.line is not None else ""
        subject = f"{self.path}: " if self.path else ""
        hint = f"\n      hint: {self.hint}" if self.hint else ""
        return f"  {place}{subject}{self.message}{hint}"


class SpecFaults(SpecError):
    """The sweep file is wrong in the places that `faults` lists, in the order of the file."""

    def __init__(self, origin: str, faults: Iterable[Fault]) -> None:
        self.origin = origin
        self.faults = tuple(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__("\n".join([f"{origin}: {count}", *map(str, self.faults)]))


def nearest(name: str, known: Iterable[str]) -> str:
    """ "did you mean 'x'?" for the known name that is nearest to `name`, or nothing when none is near."""
    by_fold = {item.lower(): item for item in known}
    close = difflib.get_close_matches(str(name).lower(), by_fold, n=1, cutoff=0.6)
    return f"did you mean '{by_fold[close[0]]}'?" if close else ""
