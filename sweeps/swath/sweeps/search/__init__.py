"""Search: the `Searcher` protocol and the methods a spec can name."""

from __future__ import annotations

from swath.sweeps.search.base import History, Observation, Searcher, Suggestion, rng_for
from swath.sweeps.space import SearchSpace
from swath.sweeps.spec.model import SweepSpec

__all__ = ["History", "Observation", "Searcher", "Suggestion", "make_history", "make_searcher", "rng_for"]


def make_searcher(spec: SweepSpec, space: SearchSpace) -> Searcher:
    """The searcher for the method of `spec`."""
    if spec.method == "grid":
        from swath.sweeps.search.grid import Grid

        return Grid(space)
    if spec.method == "random":
        from swath.sweeps.search.random import Random

        return Random(space)
    from swath.sweeps.search.bayes import Bayes

    return Bayes(space)


def make_history(spec: SweepSpec) -> History:
    """An empty history that reads results as the metric of `spec` says."""
    if spec.metric is None:
        return History()
    return History(spec.metric.goal, spec.metric.impute, spec.metric.impute_while_running)
