"""`Order`: the trials at one rung by fronts, kept in order as they come; what rules make of it is told elsewhere.

A trial that comes changes the fronts behind its own only as far as it pushes others back: Li et al., "Efficient
Nondomination Level Update Method for Steady-State Evolutionary Multiobjective Optimization" (IEEE Transactions on
Cybernetics 47(9), 2017). Within a front the order is made no farther than it is asked for.
"""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from swath.sweeps.pareto import Cover, costs_of, ranks
from swath.sweeps.spec.model import Metric
from swath.sweeps.stopping.base import Among
from swath.sweeps.stopping.book import Rung
from swath.sweeps.values import violation

Values = Sequence[float]
_Ints = NDArray[np.intp]
_Bools = NDArray[np.bool_]

#: So many of the trials that dominate one are named.
_NAMED = 3


class Order:
    """The trials at a rung. Places are costs: one more than the number of trials that are better.

    The members of a front that begins within the first `cut` of all have places of their own, but for equal ones; the
    members of another front share one. A trial has a row in the arrays. `_level` is its front from 0 on among those
    that keep all limits, and -1 for those that do not; `_members` are the rows of each front. What is known of a
    front's order is dropped when its members change.
    """

    def __init__(self, metrics: Sequence[Metric], cut: float, values: Mapping[int, Values]) -> None:
        self._metrics, self._goals, self._cut = metrics, [metric.goal for metric in metrics], cut
        self._count, room = len(values), max(2 * len(values), 16)
        self._row = {number: row for row, number in enumerate(values)}
        self._number = np.zeros(room, dtype=np.intp)
        self._cost = np.zeros((len(metrics), room))
        self._over = np.zeros(room)
        self._level = np.full(room, -1, dtype=np.intp)
        self._waits = dict[int | None, _Bools]()
        for row, (number, point) in enumerate(values.items()):
            self._fill(row, number, point)
        kept = np.flatnonzero(self._over[: self._count] == 0)
        self._level[kept] = np.asarray(ranks(self._cost[:, kept].T.tolist(), ["minimize"] * len(metrics))) - 1
        self._members = [np.flatnonzero(self._level == level) for level in range(int(self._level.max()) + 1)]
        self._fronts: list[_Front | None] = [None] * len(self._members)
        self._layers: _Layers | None = None

    def __len__(self) -> int:
        return self._count

    def __contains__(self, number: object) -> bool:
        return number in self._row

    # What changes.

    def add(self, number: int, values: Values) -> None:
        """A trial has come."""
        if self._count == len(self._number):
            self._grow()
        row, self._count = self._count, self._count + 1
        self._row[number] = row
        self._fill(row, number, values)
        self._enter(row)

    def with_other(self, number: int, values: Values) -> Order:
        """The order in which one of the trials has other values; this one stays as it is."""
        other, row = copy.copy(self), self._row[number]
        other._cost, other._over, other._level = self._cost.copy(), self._over.copy(), self._level.copy()
        other._members, other._fronts = self._members.copy(), self._fronts.copy()
        other._leave(row)
        other._fill(row, number, values)
        other._enter(row)
        return other

    def set_waiting(self, number: int, above: int | None, waits: bool) -> None:
        """A trial is paused here and has not come to the rung `above`, or that is over."""
        if above in self._waits:
            self._waits[above][self._row[number]] = waits

    def waits_for(self, above: int | None, waiting: Iterable[int]) -> None:
        """All that are paused here and have not come to the rung `above`; `set_waiting` tells of changes."""
        mask = self._waits[above] = np.zeros(len(self._number), dtype=bool)
        mask[[self._row[number] for number in waiting if number in self._row]] = True

    @property
    def asked_for(self) -> Sequence[int | None]:
        """The rungs above for which it is known who waits."""
        return list(self._waits)

    def _fill(self, row: int, number: int, values: Values) -> None:
        self._number[row] = number
        self._cost[:, row] = costs_of(values, self._goals)
        self._over[row] = violation(self._metrics, values)

    def _grow(self) -> None:
        room = len(self._number)
        self._number = np.concatenate([self._number, np.zeros_like(self._number)])
        self._cost = np.concatenate([self._cost, np.zeros_like(self._cost)], axis=1)
        self._over = np.concatenate([self._over, np.zeros_like(self._over)])
        self._level = np.concatenate([self._level, np.full(room, -1, dtype=np.intp)])
        self._waits = {above: np.concatenate([mask, np.zeros(room, bool)]) for above, mask in self._waits.items()}

    def _enter(self, row: int) -> None:
        """A row that is on no front yet is put on its own; what it dominates there goes one back, and so on."""
        self._layers = None
        if self._over[row]:
            return
        better = self._better_than(row) & (self._level[: self._count] >= 0)
        place = int(self._level[: self._count][better].max(initial=-1)) + 1
        pushed = np.asarray([row])
        while place < len(self._members):
            members = self._members[place]
            worse = self._dominated(members, pushed)
            if worse.all():
                break
            self._set(place, np.concatenate([members[~worse], pushed]), pushed)
            if not worse.any():
                return
            pushed, place = members[worse], place + 1
        # What was pushed is a front of its own, and all behind it stay together.
        self._level[self._level >= place] += 1
        self._members.insert(place, pushed)
        self._fronts.insert(place, None)
        self._level[pushed] = place

    def _leave(self, row: int) -> None:
        """A row is taken from its front; those behind that only it kept back come one forward, and so on."""
        self._layers = None
        place, gone = int(self._level[row]), np.asarray([row])
        if place < 0:
            return
        self._level[row] = -1
        left = self._members[place][self._members[place] != row]
        while len(left):
            behind = self._members[place + 1] if place + 1 < len(self._members) else left[:0]
            freed = self._dominated(behind, gone)
            freed[freed] = np.logical_not(self._dominated(behind[freed], left))
            self._set(place, np.concatenate([left, behind[freed]]), behind[freed])
            if not freed.any():
                return
            gone, left, place = behind[freed], behind[~freed], place + 1
        # Nobody is left on this front: all behind it come one forward together.
        self._level[self._level > place] -= 1
        del self._members[place], self._fronts[place]

    def _set(self, place: int, members: _Ints, new: _Ints) -> None:
        """The members of a front are others now; `new` are those that came."""
        self._members[place], self._fronts[place] = members, None
        self._level[new] = place

    def _better_than(self, row: int) -> _Bools:
        """Which rows dominate one, limits aside."""
        no_worse: _Bools = np.ones(self._count, dtype=bool)
        better: _Bools = np.zeros(self._count, dtype=bool)
        for column in self._cost[:, : self._count]:
            np.logical_and(no_worse, column <= column[row], out=no_worse)
            np.logical_or(better, column < column[row], out=better)
        return no_worse & better

    def _dominated(self, rows: _Ints, by: _Ints) -> _Bools:
        """Which of `rows` one of `by` dominates."""
        no_worse: _Bools = np.ones((len(rows), len(by)), dtype=bool)
        better: _Bools = np.zeros((len(rows), len(by)), dtype=bool)
        for column in self._cost:
            own, others = column[rows][:, None], column[by][None, :]
            np.logical_and(no_worse, others <= own, out=no_worse)
            np.logical_or(better, others < own, out=better)
        return np.asarray((no_worse & better).any(axis=1), dtype=bool)

    # What is asked.

    @property
    def front(self) -> int:
        """How many trials are on the first front."""
        return self._in_layers().ends[0] if self._count else 0

    def place(self, number: int) -> float | None:
        """The place of a trial; None for one that is not here."""
        row = self._row.get(number)
        return None if row is None else float(self._begin_of(row) + 1)

    def position(self, number: int) -> int:
        """The place of a trial in the whole list, from 1 on: those that share a place go by number."""
        layers, row = self._in_layers(), self._row[number]
        layer = int(layers.of[row])
        return layers.begin(layer) + self._front_at(layer).position(number) + 1

    def number_at(self, turn: int) -> int:
        """The trial that is number `turn` of the list, from 0 on."""
        layers = self._in_layers()
        layer = bisect_right(layers.ends, turn)
        return self._front_at(layer).at(turn - layers.begin(layer))[1]

    def place_at(self, turn: int) -> float:
        """The place of the trial that is number `turn` of the list."""
        layers = self._in_layers()
        layer = bisect_right(layers.ends, turn)
        begin = layers.begin(layer)
        return float(begin + self._front_at(layer).begin_at(turn - begin) + 1)

    def rung(self) -> Rung:
        """The trials as rules look at them."""
        return _Placed(self)

    def among(self, number: int) -> Among:
        """One of the trials among the others."""
        row = self._row[number]
        over = self._over[: self._count]
        better: _Bools
        if over[row]:
            better = over < over[row]
        else:
            better = self._better_than(row) & (over == 0)
        layer = int(self._in_layers().of[row])
        by = tuple(islice(self._in_order(better), _NAMED))
        return Among(layer + 1, int(better.sum()), self._count - 1, float(over[row]), by)

    def first_waiting(self, above: int | None) -> tuple[float, int] | None:
        """The place and the number of the first trial of those that wait for the rung `above`."""
        number = next(self._in_order(self._waits[above][: self._count]), None)
        return None if number is None else (float(self._begin_of(self._row[number]) + 1), number)

    def _in_order(self, wanted: _Bools) -> Any:
        """The numbers of the rows that are wanted, in order."""
        layers = self._in_layers()
        for layer in np.flatnonzero(np.bincount(layers.of[wanted])).tolist():
            members = layers.members[layer]
            yield from self._front_at(layer).in_order(self._number[members[wanted[members]]].tolist())

    def _begin_of(self, row: int) -> int:
        """How many trials are better than that of a row."""
        layers = self._in_layers()
        layer = int(layers.of[row])
        begin = layers.begin(layer)
        return begin + (self._front_at(layer).begin(int(self._number[row])) if self._is_spread(begin) else 0)

    def _is_spread(self, begin: int) -> bool:
        return begin < self._cut * self._count

    def _in_layers(self) -> _Layers:
        if self._layers is None:
            of, members, over = self._level[: self._count], self._members, self._over[: self._count]
            if (beyond := np.flatnonzero(over)).size:
                of, behind = of.copy(), np.unique(over[beyond], return_inverse=True)[1]
                of[beyond] = len(members) + behind
                members = [*members, *(beyond[behind == place] for place in range(int(behind.max()) + 1))]
            self._layers = _Layers(of, members, list(accumulate(map(len, members))))
        return self._layers

    def _front_at(self, layer: int) -> _Front:
        """The members of a front in order."""
        layers = self._in_layers()
        rows = layers.members[layer]
        if not self._is_spread(layers.begin(layer)):
            return _Front([sorted(self._number[rows].tolist())], Cover([()]))
        if layer >= len(self._fronts):
            return self._spread(rows)
        found = self._fronts[layer]
        if found is None:
            found = self._fronts[layer] = self._spread(rows)
        return found

    def _spread(self, rows: _Ints) -> _Front:
        costs = self._cost[:, rows]
        order = np.lexsort(costs[::-1])
        costs, numbers = costs[:, order], self._number[rows[order]].tolist()
        new = np.flatnonzero(np.concatenate([[True], (costs[:, 1:] != costs[:, :-1]).any(axis=0)]))
        begins = new.tolist()
        groups = [sorted(numbers[low:high]) for low, high in zip(begins, [*begins[1:], len(numbers)], strict=True)]
        return _Front(groups, Cover(costs[:, new].T))


@dataclass(frozen=True)
class _Layers:
    """The front of each row, those beyond the limits behind the others; who is on each, and how many up to it."""

    of: _Ints
    members: list[_Ints]
    ends: list[int]

    def begin(self, layer: int) -> int:
        """How many trials are before a front."""
        return self.ends[layer - 1] if layer else 0


class _Front:
    """The members of a front: groups of equal ones, in the order in which they cover the front."""

    def __init__(self, groups: list[list[int]], cover: Cover) -> None:
        self._groups, self._cover = groups, cover
        self._group = {number: group for group, members in enumerate(groups) for number in members}
        self._begins, self._begin = [0], dict[int, int]()

    def at(self, turn: int) -> tuple[int, int]:
        """How many members are better than number `turn` of the list, and which one that is."""
        while self._begins[-1] <= turn:
            self._take()
        taken = bisect_right(self._begins, turn) - 1
        begin = self._begins[taken]
        return begin, self._groups[self._cover.at(taken)][turn - begin]

    def begin_at(self, turn: int) -> int:
        """How many members are better than number `turn` of the list; without equal ones nothing need be ordered."""
        return turn if len(self._groups) == len(self._group) else self.at(turn)[0]

    def begin(self, number: int) -> int:
        """How many members are better."""
        group = self._group[number]
        while group not in self._begin:
            self._take()
        return self._begin[group]

    def position(self, number: int) -> int:
        """How many members stand before it in the list."""
        return self.begin(number) + self._groups[self._group[number]].index(number)

    def in_order(self, numbers: Sequence[int]) -> Any:
        """Some of the members, in order."""
        left = set(numbers)
        turn = 0
        while left:
            _, number = self.at(turn)
            turn += 1
            if number in left:
                left.discard(number)
                yield number

    def _take(self) -> None:
        group = self._cover.at(len(self._begins) - 1)
        self._begin[group] = self._begins[-1]
        self._begins.append(self._begins[-1] + len(self._groups[group]))


class _Placed(Rung):
    """A rung whose costs are the places of an order; a rule looks at few of them."""

    def __init__(self, order: Order) -> None:
        super().__init__(_Listed(len(order), order.place_at), _Listed(len(order), order.number_at), order.front)
        self._order = order

    def rank(self, cost: float) -> int:
        return int(cost)

    def position(self, cost: float, number: int) -> int:
        return self._order.position(number)


class _Listed(Sequence[Any]):
    """One side of an order as a list, `at` its places."""

    def __init__(self, length: int, at: Callable[[int], Any]) -> None:
        self._length, self._at = length, at

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [self._at(turn) for turn in range(self._length)[place]]
        return self._at(range(self._length)[place])
