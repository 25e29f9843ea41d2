"""The trials of a history as arrays of points and objectives, kept up to date; what they teach is told elsewhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from swath.sweeps.search.base import History
from swath.sweeps.search.distances import Array, Mask
from swath.sweeps.search.evidence import Counted, Evidence
from swath.sweeps.search.layout import Layout, keys_of
from swath.sweeps.space import SearchSpace


@dataclass(frozen=True)
class Known:
    """Points with an objective (to be minimised) and points in flight, each in the order of the trials' numbers."""

    points: Array
    values: Array
    pending: Array


class Records:
    """Of one history. `old` counts the trials at each point by its key.

    It keeps a row for each trial, so that a suggestion does not read thousands of configs again."""

    def __init__(self, space: SearchSpace, layout: Layout, history: History) -> None:
        self.evidence = Evidence(space, history)
        self._layout = layout
        self._sign = 1.0 if history.goal == "minimize" else -1.0
        self._slots: dict[int, int] = {}
        self._numbers = np.empty(0, dtype=np.int64)
        self._points = np.empty((0, len(layout)))
        self._values = np.empty(0)
        self._counts: Mask = np.empty(0, dtype=bool)
        self._keys: list[bytes] = []
        self.old: Counter[bytes] = Counter()
        self._violating: set[int] = set()

    def sync(self) -> None:
        """Take in what changed since the last time."""
        self.evidence.sync()
        for number, counted in self.evidence.changes():
            self._put(number, counted)

    def known(self) -> Known:
        """All trials as they count now."""
        used = len(self._slots)
        order = np.argsort(self._numbers[:used], kind="stable")
        order = order[self._counts[:used][order]]
        points, values = self._points[order], self._values[order]
        waiting = np.isnan(values)
        return Known(points[~waiting], values[~waiting], points[waiting])

    @property
    def limited(self) -> bool:
        """Whether a trial oversteps a limit of a metric."""
        return bool(self._violating)

    def _put(self, number: int, counted: Counted | None) -> None:
        slot = self._slots.get(number)
        if counted is None:
            if slot is not None:
                self._count(slot, False)
                self._violating.discard(slot)
            return
        if slot is None:
            slot = self._slots[number] = len(self._slots)
            self._grow(slot)
            self._numbers[slot] = number
            self._points[slot] = self._layout.point_of(counted.config)
            self._keys.extend(keys_of(self._points[slot : slot + 1]))
        if counted.violation > 0:
            self._violating.add(slot)
        else:
            self._violating.discard(slot)
        self._values[slot] = self._sign * counted.values[0] if counted.values else np.nan
        self._count(slot, True)

    def _count(self, slot: int, counts: bool) -> None:
        if counts == self._counts[slot]:
            return
        self._counts[slot] = counts
        self.old[self._keys[slot]] += 1 if counts else -1

    def _grow(self, slot: int) -> None:
        room = len(self._numbers)
        if slot < room:
            return
        more = max(64, room)
        self._numbers = np.concatenate([self._numbers, np.zeros(more, dtype=np.int64)])
        self._points = np.concatenate([self._points, np.empty((more, len(self._layout)))])
        self._values = np.concatenate([self._values, np.empty(more)])
        self._counts = np.concatenate([self._counts, np.zeros(more, dtype=bool)])
