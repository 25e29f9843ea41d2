"""Which of several results no other one beats in all goals at once, and which are next; limits are not looked at.

Within a front an order that spreads over it: the greedy epsilon-net by which Schmucker et al., "Multi-objective
Asynchronous Successive Halving" (arXiv 2106.12639, 2021) choose who goes on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from swath.sweeps.spec.model import Goal

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

Point = Sequence[float]
_Costs = tuple[float, ...]
#: From how many points on, and up to how many (a byte a pair), all pairs are compared at once.
_FEW, _MANY = 50, 10_000


def nondominated(points: Sequence[Point], goals: Sequence[Goal]) -> list[int]:
    """The places in `points` of those that no other dominates: is as good in every goal and better in one.

    Equal points do not dominate each other. Values must be numbers; infinite ones count as they are.
    """
    return [place for place, rank in enumerate(ranks(points, goals)) if rank == 1]


def ranks(points: Sequence[Point], goals: Sequence[Goal]) -> list[int]:
    """The front of each point: 1 for those that nothing dominates, 2 for those that only front 1 does, and so on.

    Time is n log n for two goals. For more it is n log n times the members of a front that are looked at, as in the
    efficient non-dominated sort (Zhang et al., IEEE Transactions on Evolutionary Computation 19(2), 2015); of many
    points all pairs are compared at once, which is faster for thousands.
    """
    costs = [costs_of(point, goals) for point in points]
    distinct = sorted(set(costs))
    sort = _two if len(goals) == 2 else _several if not _FEW < len(distinct) < _MANY else _pairwise
    front_of = sort(distinct)
    return [front_of[cost] for cost in costs]


def dominates(costs: Sequence[float], others: Sequence[float]) -> bool:
    """Whether a point is as good as another one everywhere and better somewhere; both so that lower is better."""
    pairs = list(zip(costs, others, strict=True))
    return all(own <= other for own, other in pairs) and any(own < other for own, other in pairs)


def spread(costs: Sequence[Sequence[float]]) -> list[int]:
    """The places of the points of one front in the order in which they are taken so that few of them cover it.

    First the best one in the first goal, then always the one that is farthest from those taken, in units of the
    front's extent in each goal. The points are distinct, and lower is better.
    """
    order = sorted(range(len(costs)), key=lambda place: tuple(costs[place]))
    cover = Cover([costs[place] for place in order])
    return [order[cover.at(turn)] for turn in range(len(order))]


class Cover:
    """The order of `spread` over points that are sorted already, made no farther than it is asked for."""

    def __init__(self, points: Sequence[Sequence[float]] | NDArray[float64]) -> None:
        self._count = len(points)
        self._points = points
        self._taken = [0] if self._count else []
        self._columns: list[NDArray[float64]] = []

    def at(self, turn: int) -> int:
        """The place of the point that is taken as number `turn`, from 0 on."""
        while len(self._taken) <= turn:
            self._take()
        return self._taken[turn]

    def _take(self) -> None:
        if not self._columns:
            self._begin()
        place = int(self._nearest.argmax())
        self._taken.append(place)
        self._near(place)

    def _begin(self) -> None:
        import numpy as np

        points = np.asarray(self._points, dtype=float)
        extent = np.ptp(points, axis=0)
        points = (points - points[0]) / np.where(extent > 0, extent, 1.0)
        self._columns = [np.ascontiguousarray(column) for column in points.T]
        self._nearest = np.full(self._count, np.inf)
        self._away, self._part = np.empty(self._count), np.empty(self._count)
        self._near(0)

    def _near(self, place: int) -> None:
        """The point at `place` is taken: how far the others are from the nearest one taken."""
        import numpy as np

        first, *others = self._columns
        away, part = self._away, self._part
        np.subtract(first, first[place], out=away)
        np.multiply(away, away, out=away)
        for column in others:
            np.subtract(column, column[place], out=part)
            np.multiply(part, part, out=part)
            np.add(away, part, out=away)
        np.minimum(self._nearest, away, out=self._nearest)
        self._nearest[place] = -1.0


def costs_of(point: Point, goals: Sequence[Goal]) -> _Costs:
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


def _pairwise(costs: Sequence[_Costs]) -> dict[_Costs, int]:
    """The fronts of distinct costs, by a matrix that says who dominates whom."""
    import numpy as np

    points = np.asarray(costs, dtype=float)
    over = np.ones((len(points), len(points)), dtype=bool)
    for column in points.T:
        over &= column[:, None] <= column[None, :]
    np.fill_diagonal(over, False)
    found, front, left = np.zeros(len(points), dtype=int), 0, over.sum(0)
    while (free := np.flatnonzero((left == 0) & (found == 0))).size:
        front += 1
        found[free] = front
        left = left - over[free].sum(0)
    return dict(zip(costs, found.tolist(), strict=True))


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
