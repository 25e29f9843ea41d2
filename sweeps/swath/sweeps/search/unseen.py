"""Finds an allowed configuration that was not handed out yet; how likely each one is, the caller's draws decide."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from swath.sweeps.space import Config, SearchSpace
from swath.tracking.errors import SwathError

if TYPE_CHECKING:
    from numpy.random import Generator

#: Draws of which all are old, or break constraints, before the space is walked or given up.
_DRAWS, _TRIES = 64, 10_000
#: Points of a space with constraints that one walk looks at.
_LONGEST_WALK = 1_000_000


def draw_unseen(space: SearchSpace, seen: set[str], draw: Callable[[], Config], rng: Generator) -> Config | None:
    """The first of some draws that is allowed and not in `seen`, else any other such point of the space, else None.

    In a continuous space a point that comes again in every draw is given again: the space is as good as one point.
    Raises `SwathError` where a continuous space has nothing that its constraints allow.
    """
    return Unseen(space).draw(seen, draw, rng)


def walk_unseen(space: SearchSpace, seen: set[str], rng: Generator) -> Config | None:
    """An allowed point of a space with a size that is not in `seen`; or None, when there is none."""
    return Unseen(space).walk(seen, rng)


class Unseen:
    """Draws and walks in one space. It remembers which points the constraints allow, and nothing else."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._size = space.size
        self._allowed: dict[str, int] = {}
        self._walked = 0

    def random(self, seen: set[str], rng: Generator) -> Config | None:
        """A draw from the parameters' own distributions, as `draw_unseen`."""
        axes = len(self._space.searched)
        return self.draw(seen, lambda: self._space.from_unit(rng.random(axes).tolist()), rng)

    def barred(self, config: Config, seen: set[str]) -> bool:
        """Whether the constraints forbid `config`, or it was handed out where points can be counted."""
        if not self._space.allows(config):
            return True
        return self._size is not None and self._space.point_hash(config) in seen

    def draw(self, seen: set[str], draw: Callable[[], Config], rng: Generator) -> Config | None:
        """As `draw_unseen`."""
        old: Config | None = None
        count = 0
        for _ in range(_TRIES):
            config = draw()
            if not self._space.allows(config):
                continue
            if not seen or self._space.point_hash(config) not in seen:
                return config
            old, count = config, count + 1
            if count == _DRAWS:
                break
        if self._size is not None:
            return self.walk(seen, rng)
        if old is None:
            raise _nothing(_TRIES)
        return old

    def walk(self, seen: set[str], rng: Generator) -> Config | None:
        """As `walk_unseen`."""
        return self._walk_allowed(seen) if self._space.constraints else self._walk_any(seen, rng)

    def _walk_any(self, seen: set[str], rng: Generator) -> Config | None:
        """From anywhere on, after looking at no more points than there are in `seen`."""
        size = self._size or 0
        index, stride = int(rng.random() * size) % size, _stride(size)
        for _ in range(min(size, len(seen) + 1)):
            config = self._space.point(index)
            if self._space.point_hash(config) not in seen:
                return config
            index = (index + stride) % size
        return None

    def _walk_allowed(self, seen: set[str]) -> Config | None:
        """The first of all allowed points, in one order that never changes, so that what is known of it is kept."""
        for point_hash, index in self._allowed.items():
            if point_hash not in seen:
                return self._space.point(index)
        size = self._size or 0
        stride = _stride(size)
        while self._walked < size:
            if self._walked == _LONGEST_WALK:
                raise _nothing(_LONGEST_WALK)
            index = self._walked * stride % size
            self._walked += 1
            config = self._space.point(index)
            if self._space.allows(config):
                point_hash = self._space.point_hash(config)
                self._allowed[point_hash] = index
                if point_hash not in seen:
                    return config
        return None


def _nothing(tries: int) -> SwathError:
    return SwathError(
        f"the search found no new configuration that meets the constraints among {tries:,}",
        "loosen the constraints of the sweep, or narrow the ranges of its parameters",
    )


def _stride(size: int) -> int:
    """A step that visits all of `size` places before it comes back, far from its last visits (golden ratio)."""
    stride = max(1, int(size * 0.6180339887498949))
    while math.gcd(stride, size) != 1:
        stride += 1
    return stride
