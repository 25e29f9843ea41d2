"""Counts and numbers the configs of a countable space without making them: only live branches are multiplied."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from swath.sweeps.distributions import Distribution, key_of
from swath.sweeps.space.leaves import Leaf

#: The value of a leaf that is not there.
ABSENT: Any = object()

_Gates = tuple[tuple[int, str | None], ...]
"""The leaves, decided already, on which later ones depend, each with its value's key, "" for any value that no
condition asks for, None where the leaf is not there."""


class Product:
    """The product of `distributions`, one for each leaf, all with a size; the last leaf varies fastest."""

    def __init__(self, leaves: Sequence[Leaf], distributions: Sequence[Distribution]) -> None:
        self._leaves = leaves
        self._distributions = distributions
        self._sizes = [distribution.size or 0 for distribution in distributions]
        self._known: dict[tuple[int, _Gates], int] = {}

    @cached_property
    def _asked(self) -> dict[int, set[str]]:
        """For each leaf that others depend on, the keys that their conditions ask for."""
        asked: dict[int, set[str]] = {}
        for leaf in self._leaves:
            for condition in leaf.when:
                asked.setdefault(condition.parent, set()).update(condition.keys)
        return asked

    @cached_property
    def _last_use(self) -> dict[int, int]:
        return {condition.parent: number for number, leaf in enumerate(self._leaves) for condition in leaf.when}

    @cached_property
    def _free_from(self) -> int:
        """From here on no leaf has a condition or is one's parent."""
        bound = [number for number, leaf in enumerate(self._leaves) if leaf.when or number in self._asked]
        return bound[-1] + 1 if bound else 0

    @cached_property
    def size(self) -> int:
        """How many configs there are."""
        return self._count(0, ())

    def values(self, index: int) -> list[Any]:
        """The values of config number `index`, one for each leaf, `ABSENT` for those that are not there."""
        if not 0 <= index < self.size:
            raise IndexError("there is no such point")
        values, gates = [], _Gates()
        for number, distribution in enumerate(self._distributions):
            if not self._is_there(number, gates):
                gates = self._with(gates, number, None)
                values.append(ABSENT)
                continue
            digit, index = self._digit(number, gates, index)
            values.append(distribution.value_at(digit))
            gates = self._with(gates, number, self._class_of(number, digit))
        return values

    def _count(self, number: int, gates: _Gates) -> int:
        """How many ways there are to go on from leaf `number`."""
        if number >= self._free_from:
            return self._rest[number]
        known = self._known.get((number, gates))
        if known is None:
            known = self._known[number, gates] = self._counted(number, gates)
        return known

    @cached_property
    def _rest(self) -> list[int]:
        rest = [1]
        for size in reversed(self._sizes):
            rest.append(rest[-1] * size)
        return rest[::-1]

    def _counted(self, number: int, gates: _Gates) -> int:
        if not self._is_there(number, gates):
            return self._count(number + 1, self._with(gates, number, None))
        return sum(count * ways for _, count, ways in self._stretches(number, gates))

    def _stretches(self, number: int, gates: _Gates) -> list[tuple[int, int, int]]:
        """The values of a leaf as stretches of alike ones: the first, how many, and the ways to go on from each."""
        stretches, start = [], 0
        for place in self._asked_places(number):
            if place > start:
                stretches.append((start, place - start, self._ways(number, gates, "")))
            stretches.append((place, 1, self._ways(number, gates, self._class_of(number, place))))
            start = place + 1
        if start < self._sizes[number]:
            stretches.append((start, self._sizes[number] - start, self._ways(number, gates, "")))
        return stretches

    def _ways(self, number: int, gates: _Gates, kind: str) -> int:
        return self._count(number + 1, self._with(gates, number, kind))

    def _digit(self, number: int, gates: _Gates, index: int) -> tuple[int, int]:
        """Which value of the leaf config number `index` has, and its number among those with this value."""
        if number not in self._asked:
            return divmod(index, self._ways(number, gates, ""))
        for start, count, ways in self._stretches(number, gates):
            if index < count * ways:
                digit, index = divmod(index, ways)
                return start + digit, index
            index -= count * ways
        raise IndexError("there is no such point")

    def _asked_places(self, number: int) -> list[int]:
        if number not in self._asked:
            return []
        if number not in self._places:
            distribution, asked = self._distributions[number], self._asked[number]
            values = [value for value in map(json.loads, asked) if distribution.contains(value)]
            self._places[number] = sorted({distribution.index_of(value) for value in values})
        return self._places[number]

    @cached_property
    def _places(self) -> dict[int, list[int]]:
        return {}

    def _class_of(self, number: int, place: int) -> str:
        if number not in self._asked:
            return ""
        key = key_of(self._distributions[number].value_at(place))
        return key if key in self._asked[number] else ""

    def _is_there(self, number: int, gates: _Gates) -> bool:
        when = self._leaves[number].when
        if not when:
            return True
        kinds = dict(gates)
        return all(kinds[condition.parent] in condition.keys for condition in when)

    def _with(self, gates: _Gates, number: int, kind: str | None) -> _Gates:
        """The gates after leaf `number` was decided, without those that no later leaf asks for."""
        if number in self._asked:
            gates = (*gates, (number, kind))
        return tuple(gate for gate in gates if self._last_use[gate[0]] > number) if gates else gates
