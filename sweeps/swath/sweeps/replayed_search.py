"""A search over recorded trials: of what a method suggests the nearest configuration that was recorded begins next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from swath.sweeps.recorded import Recorded
from swath.sweeps.search import Observation, make_history, make_searcher, rng_for
from swath.sweeps.simulate import State
from swath.sweeps.space import SearchSpace
from swath.sweeps.spec.model import SweepSpec
from swath.sweeps.tallies import Vector
from swath.sweeps.values import violation
from swath.tracking.errors import UsageError

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray


class NearestOf:
    """A queue of recorded trials in the order in which the method of `spec` would have asked for them, nearly.

    What is far from every recorded configuration is taken for the nearest one, so a replay says how a method finds its
    way among what is known, and not what it would find elsewhere. Each trial begins once.
    """

    def __init__(self, trials: Sequence[Recorded], spec: SweepSpec, seed: int) -> None:
        self._space = SearchSpace.from_parameters(spec.parameters, spec.constraints)
        strange = [trial.number for trial in trials if not self._space.contains(trial.config)]
        if strange:
            raise UsageError(
                f"the configuration of trial {strange[0]} is not one of the spec's parameters",
                "replay it without --method, or give the spec that its trials were made from",
            )
        self._searcher, self._history = make_searcher(spec, self._space, seed), make_history(spec)
        self._seed, self._metrics = seed, spec.metrics
        self._left = {trial.number: trial for trial in trials}
        self._places = self._cube(trials)
        self._numbers = [trial.number for trial in trials]
        self._asked: dict[int, int] = {}

    def take(self) -> Recorded | None:
        if not self._left:
            return None
        number = len(self._asked) + 1
        found = self._searcher.suggest(self._history, number, rng_for(self._seed, number))
        trial = self._left[next(iter(self._left))] if found is None else self._nearest(found.config)
        del self._left[trial.number]
        self._asked[trial.number] = number
        self._put(trial, "running", None)
        return trial

    def ended(self, trial: Recorded, state: State, best: float | None, result: Vector | None = None) -> None:
        self._put(trial, state, best, result)

    def _put(self, trial: Recorded, state: str, best: float | None, result: Vector | None = None) -> None:
        config = dict(trial.config)
        value = best if state in ("finished", "stopped") else None
        values = (result or ()) if state in ("finished", "stopped") else ()
        over = violation(self._metrics, values)
        known = Observation(self._asked[trial.number], config, state, value, best, best, values, over)
        self._history.put(known, self._space.point_hash(config))

    def _nearest(self, config: dict[str, Any]) -> Recorded:
        import numpy as np

        point = np.asarray(self._coordinates(config), dtype=float)
        distances = ((self._places - point) ** 2).sum(axis=1)
        for place in np.argsort(distances, kind="stable").tolist():
            if self._numbers[place] in self._left:
                return self._left[self._numbers[place]]
        raise AssertionError("there is a trial left")

    def _cube(self, trials: Sequence[Recorded]) -> NDArray[float64]:
        import numpy as np

        width = len(self._space.searched)
        return np.asarray([self._coordinates(dict(trial.config)) for trial in trials], dtype=float).reshape(-1, width)

    def _coordinates(self, config: dict[str, Any]) -> list[float]:
        return [-1.0 if coordinate is None else coordinate for coordinate in self._space.coordinates(config)]
