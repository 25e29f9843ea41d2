"""Search: the `Searcher` protocol and the methods a spec can name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.sweeps.search.base import Goal, History, Observation, Searcher, Suggestion, rng_for
from swath.sweeps.search.models import Model
from swath.sweeps.space import SearchSpace
from swath.sweeps.spec.model import SweepSpec
from swath.sweeps.spec.search import is_custom, options_of

if TYPE_CHECKING:
    from swath.sweeps.search.priors import Priors

__all__ = ["History", "Observation", "Searcher", "Suggestion", "make_history", "make_searcher", "rng_for"]


def make_searcher(spec: SweepSpec, space: SearchSpace, seed: int | None = None, folder: Path | None = None) -> Searcher:
    """The searcher for the method of `spec` with its options.

    `seed` is that of the sweep (by default the one that `spec` names, or 0), for methods whose suggestions are one
    sequence. `folder` is where the sweep file is, for a method of the user's own.
    """
    if is_custom(spec.method):
        from swath.sweeps.search.custom import load_searcher

        return load_searcher(spec.method, space, spec.search, folder)
    options = options_of(spec.method, spec.search)
    match spec.method:
        case "grid":
            from swath.sweeps.search.grid import Grid

            return Grid(space)
        case "random":
            from swath.sweeps.search.random import Random

            return Random(space, _priors(space))
        case "qmc":
            from swath.sweeps.search.qmc import Qmc

            return Qmc(space, (spec.seed or 0) if seed is None else seed, priors=_priors(space), **options)
        case "bayes":
            from swath.sweeps.search.bayes import Bayes

            return _begun(Bayes(space), spec, space)
    return _begun(_learned(spec.method, space, options), spec, space)


def _priors(space: SearchSpace) -> Priors | None:
    if not space.believed:
        return None
    from swath.sweeps.search.priors import Priors

    return Priors(space)


def _begun(searcher: Searcher, spec: SweepSpec, space: SearchSpace) -> Searcher:
    """A searcher that learns, and begins with the mode of the priors where there are some."""
    priors = _priors(space)
    if priors is None:
        return searcher
    from swath.sweeps.search.priors import ModeFirst

    return ModeFirst(searcher, space, priors, spec.method, len(spec.warm_start.points))


def _learned(method: str, space: SearchSpace, options: Mapping[str, Any]) -> Searcher:
    from swath.sweeps.search.learned import Learned

    own = {name: value for name, value in options.items() if name != "startup"}
    startup = {"cmaes": 0, "nsga2": own.get("population"), "nsga3": own.get("population")}

    def make(space: SearchSpace, goals: tuple[Goal, ...]) -> Model:
        return _model(method, space, goals, own)

    return Learned(space, method, make, startup.get(method, options.get("startup")) or 0)


def _model(method: str, space: SearchSpace, goals: tuple[Goal, ...], options: Mapping[str, Any]) -> Model:
    if method == "cmaes":
        from swath.sweeps.search.cma import Cma

        return Cma(space, goals, **options)
    from swath.sweeps.search import tpe

    match method:
        case "tpe":
            return tpe.Tpe(space, goals, **options)
        case "gp":
            return tpe.Gp(space, goals, **options)
    return tpe.Genetic(space, goals, reference=method == "nsga3", **options)


def make_history(spec: SweepSpec) -> History:
    """An empty history that reads results as the metrics of `spec` say."""
    goals = tuple(metric.goal for metric in spec.metrics)
    if spec.metric is None:
        return History(goals=goals)
    return History(spec.metric.goal, spec.metric.impute, spec.metric.impute_while_running, goals=goals)
