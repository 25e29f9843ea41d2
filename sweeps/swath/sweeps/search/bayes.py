"""Bayesian search: points spread over the space at first, then what a Gaussian process of the results expects most of.

It chooses by itself how: how many points to start with, how much of the history to learn from, and what trials in
flight count as. With several goals, or limits of metrics, TPE does the work.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from swath.sweeps.search.base import Goal, History, Suggestion
from swath.sweeps.search.candidates import Candidates, most_apart
from swath.sweeps.search.distances import Array, Mask
from swath.sweeps.search.learned import Learned
from swath.sweeps.search.models import Model
from swath.sweeps.search.priors import Priors
from swath.sweeps.search.records import Known, Records
from swath.sweeps.search.unseen import Unseen
from swath.sweeps.search.weighing import PriorLayout, Score, layout_of
from swath.sweeps.space import Config, SearchSpace

if TYPE_CHECKING:
    from numpy.random import Generator


#: Points spread over the space before the model is asked, and results that it needs at least.
STARTUP, _LEAST_RESULTS = 8, 2
#: Points of the start after which the model is loaded: sweeps of fewer never need it.
_LOADED_FROM = 3
#: The share of an axis at each of its ends that the start leaves out, and the points of which one is the next.
_MARGIN, _DRAWS = 0.1, 64
#: Trials that the model learns from (the best, the newest and some of the others; of very many three fifths of that),
#: and that are in flight.
_BEST, _NEWEST, _OTHERS, _PENDING = 75, 24, 51, 64
_MANY = 2_000
#: Sets of hyperparameters, up to so many trials; with more there is little doubt about them.
_SETS, _FEW = 4, 80
#: Every so many suggestions one is bold, once there are more results than these.
_BOLD_EVERY, _BOLD_AFTER = 3, 16
#: Good points that are looked around, and points that are asked whether they may be handed out.
_GOOD, _LOOKED_AT = 3, 200
#: Spaces that are looked at as a whole.
_WHOLE = 1_000


class Bayes:
    """A Gaussian process (`surrogate`) and log expected improvement on the best that it expects of any trial.

    What it keeps is a cache of the history, brought up to date by `history.changes`.
    """

    uses_history = True

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._priors = Priors(space)
        self._layout = layout_of(space, self._priors)
        self._unseen = Unseen(space)
        self._tpe = Learned(space, "bayes", _tpe, 2 * STARTUP)
        self._records: tuple[History, Records] | None = None
        self._points: Array | None = None

    def suggest(self, history: History, number: int, rng: Generator) -> Suggestion | None:
        if len(history.goals) > 1:
            return self._tpe.suggest(history, number, rng)
        records = self._up_to_date(history)
        if records.limited:
            return self._tpe.suggest(history, number, rng)
        known = records.known()
        found = self._found(known, records, history, number, rng) if len(self._layout) else None
        if found is not None:
            return found
        config = self._unseen.random(history.seen, rng)
        return None if config is None else Suggestion(config, "bayes: a random draw, nothing else was new")

    def _up_to_date(self, history: History) -> Records:
        if self._records is None or self._records[0] is not history:
            self._records = history, Records(self._space, self._layout, history)
        records = self._records[1]
        records.sync()
        return records

    def _found(
        self, known: Known, records: Records, history: History, number: int, rng: Generator
    ) -> Suggestion | None:
        begun = len(known.values) + len(known.pending)
        if begun < STARTUP or len(known.values) < _LEAST_RESULTS:
            if begun >= _LOADED_FROM:
                _load_beside()
            why = f"startup point {begun + 1} of {STARTUP}" if begun < STARTUP else "a further startup point"
            if self._priors and begun % 2 == 0:
                config = self._priors.draw(self._unseen, history.seen, rng)
                if config is not None:
                    return Suggestion(config, f"bayes: {why}, drawn from the priors")
            config = self._spread(known, history, rng)
            return None if config is None else Suggestion(config, f"bayes: {why}, spread over the space")
        _load()
        from swath.sweeps.search import threads

        bold = number % _BOLD_EVERY == 0 and len(known.values) >= _BOLD_AFTER
        with threads.one_thread():
            return self._modelled(known, records.old, history, rng, bold)

    def _spread(self, known: Known, history: History, rng: Generator) -> Config | None:
        """The draw that is farthest from all points so far, and not at the ends of the axes, where few optima are."""
        cube = rng.random((_DRAWS, len(self._layout)))
        inner = np.where(self._layout.categorical, cube, _MARGIN + (1 - 2 * _MARGIN) * cube)
        draws = self._layout.spread(inner)
        taken = np.concatenate([known.points, known.pending])
        while len(draws):
            place = most_apart(draws, taken, self._layout.categorical)
            config = self._layout.config_of(draws[place])
            if not self._unseen.barred(config, history.seen):
                return config
            draws = np.delete(draws, place, axis=0)
        return None

    def _modelled(
        self, known: Known, old: Mapping[bytes, int], history: History, rng: Generator, bold: bool
    ) -> Suggestion | None:
        from swath.sweeps.search.expectation import Expectation

        few = _few(known)
        sets = _SETS if len(few.values) <= _FEW else 1
        expectation = Expectation.of(few, self._layout.categorical, sets, rng, bold)
        candidates = Candidates(self._layout, old, self._allowed if self._space.constraints else None)
        good = few.points[np.argsort(few.values, kind="stable")[:_GOOD]]
        score: Score = expectation.score
        told = ""
        if isinstance(self._layout, PriorLayout) and not bold:
            score = self._layout.weighed(score, len(known.values))
            told = f"; the priors count with power {self._layout.power(len(known.values)):.2g}"
        ranked = candidates.ranked(score, good, rng, self._whole())
        for point in ranked[:_LOOKED_AT]:
            config = self._layout.config_of(point)
            if not self._unseen.barred(config, history.seen):
                return Suggestion(config, f"bayes: {expectation.told(point, known, history.goal)}{told}")
        return None

    def _allowed(self, points: Array) -> Mask:
        return np.array([self._space.allows(self._layout.config_of(point)) for point in points], dtype=bool)

    def _whole(self) -> Array | None:
        """All points of a space that has few."""
        if self._points is None and self._space.size is not None and self._space.size <= _WHOLE:
            configs = (self._space.point(index) for index in range(self._space.size))
            self._points = np.array([self._layout.point_of(config) for config in configs if self._space.allows(config)])
            self._points = self._points.reshape(-1, len(self._layout))
        return self._points


def _few(known: Known) -> Known:
    """The best trials, the newest, and some of the others from good to bad: time grows with the cube of the number."""
    count = len(known.values)
    pending = known.pending[-_PENDING:]
    best, newest, others = (size if count <= _MANY else size * 3 // 5 for size in (_BEST, _NEWEST, _OTHERS))
    if count <= best + newest + others:
        return Known(known.points, known.values, pending)
    kept = np.zeros(count, dtype=bool)
    kept[-newest:] = True
    order = np.argsort(known.values, kind="stable")
    order = order[~kept[order]]
    kept[order[:best]] = True
    rest = order[best:]
    kept[rest[np.linspace(0, len(rest) - 1, others).astype(np.int64)]] = True
    return Known(known.points[kept], known.values[kept], pending)


@cache
def _load() -> None:
    """Load the model, and after it count the threads of its libraries."""
    from swath.sweeps.search import expectation, threads  # noqa: F401 - scipy, loaded before its threads are counted

    with threads.one_thread():
        pass


@cache
def _load_beside() -> None:
    """Load the model while trials of the start run: the first suggestion that asks it would wait most of a second."""
    threading.Thread(target=_load, name="swath-search", daemon=True).start()


def _tpe(space: SearchSpace, goals: tuple[Goal, ...]) -> Model:
    from swath.sweeps.search import tpe

    return tpe.Tpe(space, goals)
