"""Which of several results no other one beats in all goals at once, and which are next; limits are not looked at."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from swath.sweeps.stopping.base import Goal

Point = Sequence[float]
_Costs = tuple[float, ...]


def nondominated(points: Sequence[Point], goals: Sequence[Goal]) -> list[int]:
    """The places in `points` of those that no other dominates: is as good in every goal and better in one.

    Equal points do not dominate each other. Values must be numbers; infinite ones count as they are.
    """
    return [place for place, rank in enumerate(ranks(points, goals)) if rank == 1]


def ranks(points: Sequence[Point], goals: Sequence[Goal]) -> list[int]:
    """The front of each point: 1 for those that nothing dominates, 2 for those that only front 1 does, and so on.

    Time is n log n for two goals. For more it is n log n times the members of a front that are looked at, as in the
    efficient non-dominated sort (Zhang et al., IEEE Transactions on Evolutionary Computation 19(2), 2015).
    """
    costs = [_costs(point, goals) for point in points]
    sort = _two if len(goals) == 2 else _several
    front_of = sort(sorted(set(costs)))
    return [front_of[cost] for cost in costs]


def _costs(point: Point, goals: Sequence[Goal]) -> _Costs:
    """The point so that lower is better everywhere."""
    pairs = zip(point, goals, strict=True)
    return tuple((-float(value) if goal == "maximize" else float(value)) + 0.0 for value, goal in pairs)


def _two(costs: Sequence[_Costs]) -> dict[_Costs, int]:
    """The fronts of distinct costs, sorted: each front needs to remember its least second cost only."""
    least: list[float] = []
    found = {}
    for cost in costs:
        front = bisect_right(least, cost[1])
        least[front : front + 1] = [cost[1]]
        found[cost] = front + 1
    return found


def _several(costs: Sequence[_Costs]) -> dict[_Costs, int]:
    """The fronts of distinct costs, sorted: what dominates a cost stands before it, and has a front before it."""
    fronts: list[list[_Costs]] = []
    found = {}
    for cost in costs:
        front = _first(len(fronts), lambda number, cost=cost: _is_free(cost, fronts[number]))  # type: ignore[misc]
        if front == len(fronts):
            fronts.append([])
        fronts[front].append(cost)
        found[cost] = front + 1
    return found


def _first(count: int, holds: Callable[[int], bool]) -> int:
    """The first number below `count` for which it holds, where it holds for all behind one for which it does."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _is_free(cost: _Costs, front: Sequence[_Costs]) -> bool:
    """Whether no member of the front dominates the cost; the members were put in before it, in order."""
    return not any(all(own <= other for own, other in zip(member, cost, strict=True)) for member in reversed(front))
