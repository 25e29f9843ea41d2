"""Finds a configuration that was not handed out yet; how likely each one is, the caller's draws decide."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from swath.sweeps.space import Config, SearchSpace

if TYPE_CHECKING:
    from numpy.random import Generator

_DRAWS = 64


def draw_unseen(space: SearchSpace, seen: set[str], draw: Callable[[], Config], rng: Generator) -> Config | None:
    """The first of some draws that is not in `seen`, else any other point of the space, else None.

    In a continuous space a point that comes again in every draw is given again: the space is as good as one point.
    """
    if not seen:
        return draw()
    for _ in range(_DRAWS):
        config = draw()
        if space.point_hash(config) not in seen:
            return config
    return config if space.size is None else walk_unseen(space, seen, rng)


def walk_unseen(space: SearchSpace, seen: set[str], rng: Generator) -> Config | None:
    """A point of a space with a size that is not in `seen`, after looking at no more than those that are; or None."""
    size = space.size or 0
    index, stride = int(rng.random() * size) % size, _stride(size)
    for _ in range(min(size, len(seen) + 1)):
        config = space.point(index)
        if space.point_hash(config) not in seen:
            return config
        index = (index + stride) % size
    return None


def _stride(size: int) -> int:
    """A step that visits all of `size` places before it comes back, far from its last visits (golden ratio)."""
    stride = max(1, int(size * 0.6180339887498949))
    while math.gcd(stride, size) != 1:
        stride += 1
    return stride
