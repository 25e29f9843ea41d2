"""Numbers of reports that grow by a ratio: where rules compare trials. It knows no rule."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

#: No trial makes more reports than that.
_END = 2**31
#: The rungs of the rules that look again and again: 58 of them in 1,000 reports.
OFTEN = 1.1


def counted_up(first: float, ratio: float) -> Iterator[int]:
    """The whole parts of first * ratio^k, each once, rising without end."""
    last, level = 0, float(first)
    while math.isfinite(level):
        if int(level) > last:
            last = int(level)
            yield last
        level *= ratio


@dataclass(frozen=True)
class Ladder:
    """Rising rungs, given as a tuple or as `first`, `ratio` and a bound `below` which all of them are."""

    first: int = 1
    ratio: float = OFTEN
    below: int | None = None
    given: tuple[int, ...] | None = None

    @cached_property
    def rungs(self) -> tuple[int, ...]:
        """All rungs, rising."""
        if self.given is not None:
            return self.given
        end, found = self.below or _END, []
        for rung in counted_up(self.first, self.ratio):
            if rung >= end:
                break
            found.append(rung)
        return tuple(found)

    def between(self, before: int, after: int) -> tuple[int, ...]:
        """The rungs above `before` and up to `after`."""
        return self.rungs[bisect_right(self.rungs, before) : bisect_right(self.rungs, after)]

    def reached(self, count: int) -> int | None:
        """The highest rung of at most `count`; None below the first."""
        place = bisect_right(self.rungs, count)
        return self.rungs[place - 1] if place else None

    def above(self, count: int) -> int | None:
        """The lowest rung above `count`; None from the last one on."""
        place = bisect_right(self.rungs, count)
        return self.rungs[place] if place < len(self.rungs) else None
