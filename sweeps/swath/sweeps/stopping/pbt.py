"""Population based training: Jaderberg et al., "Population Based Training of Neural Networks" (2017).

The decision which trial goes on from which other one, and how its configuration changes; the checkpoint is carried
over elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swath.sweeps.distributions import Categorical, Distribution, is_number
from swath.sweeps.space import Config, Leaf, SearchSpace, value_in
from swath.sweeps.spec.stoppers import PbtSettings
from swath.sweeps.stopping.base import Among, Decision, Promotion, Standing, ordinal
from swath.sweeps.stopping.book import Book, View

if TYPE_CHECKING:
    from numpy.random import Generator

_VALUES = View("value")
#: How often a configuration is changed anew when the constraints do not allow what came out.
_TRIES = 32


@dataclass(frozen=True)
class Pbt:
    """At every `interval` reports a trial of the worst `quantile` goes on from one of the best, with changes.

    Trials are compared with what the others had after as many reports, so that one which is ahead has no advantage.
    The donors take turns: which of the best it is follows from the trial's number and the interval alone.
    """

    settings: PbtSettings
    metric: str = "the metric"

    name = "pbt"
    needs_curve = False
    watches_unusable = False

    def checkpoints(self, before: int, after: int) -> tuple[int, ...]:
        step = self.settings.interval
        return tuple(range((before // step + 1) * step, after + 1, step))

    def next_check(self, count: int) -> int | None:
        return (count // self.settings.interval + 1) * self.settings.interval

    def judge(self, trial: Standing, book: Book) -> Decision:
        at = trial.count // self.settings.interval * self.settings.interval
        held = book.compare(trial, at, _VALUES)
        if held is None:
            return Decision("continue", "goes on: no interval is over", at, rule=self.name)
        cost, rung, among = held
        n, rank, share = len(rung), rung.rank(cost), int(len(rung) * self.settings.quantile)
        own = self._own(book.value(cost), rank, n, at, among)
        if not share or rank <= max(n - share, rung.front) or cost <= rung.costs[share - 1]:
            return Decision("continue", f"goes on: {own}", at, rank=rank, n=n, rule=self.name, among=among)
        place = (trial.number + at // self.settings.interval) % share
        donor, threshold = rung.numbers[place], book.value(rung.costs[n - share]) if among is None else None
        value = f" ({book.value(rung.costs[place]):.6g})" if among is None else ""
        reason = f"goes on from trial {donor}{value}: {own}, among the worst {share}"
        peers = tuple(rung.numbers[:3])
        return Decision("exploit", reason, at, threshold, rank, n, self.name, peers, donor, among)

    def _own(self, value: float, rank: int, n: int, at: int, among: Among | None) -> str:
        what = f"{self.metric} {value:.6g}" if among is None else f"{among.words()}, by fronts it"
        return f"{what} is {ordinal(rank)} of {n} after {at} reports"

    def promote(self, book: Book, last: bool = False) -> Promotion | None:
        return None


def mutate(config: Config, space: SearchSpace, settings: PbtSettings, rng: Generator) -> Config:
    """A donor's configuration, explored: a point of the space near it; the same generator, the same point."""
    for _ in range(_TRIES):
        cube = [_changed(leaf, _there(config, leaf, settings), u, settings, rng) for leaf, u in _axes(config, space)]
        found = space.from_unit(cube)
        if space.allows(found):
            return found
    return config


def _axes(config: Config, space: SearchSpace) -> list[tuple[Leaf, float | None]]:
    return list(zip(space.searched, space.coordinates(config), strict=True))


_FIXED = object()


def _there(config: Config, leaf: Leaf, settings: PbtSettings) -> Any:
    """The value of a leaf that is there and may change."""
    wanted = settings.parameters
    if wanted and leaf.name not in wanted:
        return _FIXED
    return value_in(config, leaf.path)


def _changed(leaf: Leaf, value: Any, u: float | None, settings: PbtSettings, rng: Generator) -> float:
    """The new coordinate of one axis. Two numbers are drawn for every axis, so that one does not move the others."""
    dice, draw = float(rng.random()), float(rng.random())
    if u is None or dice < settings.resample:
        return draw if u is None or value is not _FIXED else u
    if value is _FIXED:
        return u
    factor = settings.factors[min(int(draw * len(settings.factors)), len(settings.factors) - 1)]
    return _moved(leaf.distribution, value, factor, u)


def _moved(distribution: Distribution, value: Any, factor: float, u: float) -> float:
    """The coordinate of a number times `factor`, where values are counted at least the next one; of a name `u`."""
    if not distribution.ordered or not is_number(value):
        return u
    if isinstance(distribution, Categorical):
        options = sorted(distribution.values())
        place = options.index(value) + (1 if factor > 1 else -1)
        return distribution.to_unit(options[min(max(place, 0), len(options) - 1)])
    if distribution.size is None:
        return min(max(distribution.to_unit(value * factor), 0.0), 1.0)
    old, new = distribution.index_of(value), distribution.index_of(value * factor)
    if new == old:
        new += 1 if factor > 1 else -1
    return distribution.to_unit(distribution.value_at(min(max(new, 0), distribution.size - 1)))
