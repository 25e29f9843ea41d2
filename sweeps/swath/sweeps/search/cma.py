"""The one door to `cmaes`: CMA-ES over a space's axes, told of the trials in the order of their numbers; no history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from swath.sweeps.search.axes import Axes
from swath.sweeps.search.base import Goal
from swath.sweeps.search.evidence import Counted
from swath.sweeps.search.models import Asked
from swath.sweeps.space import Config, SearchSpace
from swath.tracking.errors import UsageError

if TYPE_CHECKING:
    from cmaes import CMAwM
    from numpy.typing import NDArray

#: Samples that are taken for one that is not barred.
_SAMPLES = 200


class Cma:
    """CMA-ES (Hansen 2016) with margin on discrete axes (Hamano et al. 2022), over the unit cube of all axes.

    A generation is a full population of trials with a result, in the order of their numbers, so that all follows
    from the history. Unordered lists are searched in their own order. An axis that is not there in a trial counts as
    if it had been sampled and had made no difference.
    """

    attempts = 1

    def __init__(
        self, space: SearchSpace, goals: Sequence[Goal], *, population: int | None = None, sigma0: float = 0.3
    ) -> None:
        self._cmaes = _imported()
        if len(goals) > 1:
            raise UsageError("cmaes searches for one metric, and there are several", "use method: nsga2, tpe or gp")
        self._sign = 1.0 if goals[0] == "minimize" else -1.0
        self._axes = Axes(space)
        self._population = population
        self._sigma0 = sigma0
        self._counted: dict[int, Counted] = {}
        self._told: list[tuple[int, Counted]] = []
        self._optimizer = self._new()

    def put(self, number: int, counted: Counted) -> None:
        self._counted[number] = counted

    def leave_out(self, number: int) -> None:
        self._counted.pop(number, None)

    def sample(self, asked: Asked) -> Config:
        self._tell()
        self._optimizer.reseed_rng(asked.seed)
        for _ in range(_SAMPLES):
            config = self._axes.config_of(self._params(self._optimizer.ask()[0]))
            if not asked.refuses(config):
                break
        return config

    def _new(self) -> CMAwM:
        axes = self._axes.by_name.values()
        steps = np.array([0.0 if axis.size is None else 1.0 / (axis.size - 1) for axis in axes])
        bounds = np.array([[0.0, 1.0]] * len(steps))
        mean = np.full(len(steps), 0.5)
        return self._cmaes(mean, self._sigma0, bounds, steps, seed=0, population_size=self._population)

    def _tell(self) -> None:
        """Tell every full generation that was not told yet; all of them, where one that was told has changed."""
        known = [(number, counted) for number, counted in sorted(self._counted.items()) if counted.values is not None]
        if known[: len(self._told)] != self._told:
            self._optimizer, self._told = self._new(), []
        size = self._optimizer.population_size
        while len(self._told) + size <= len(known):
            born = known[len(self._told) : len(self._told) + size]
            self._optimizer.tell([self._solution(number, counted) for number, counted in born])
            self._told += born

    def _solution(self, number: int, counted: Counted) -> tuple[NDArray[np.float64], float]:
        params = self._axes.params_of(counted.config)
        point = self._unselected(number) if len(params) < len(self._axes.by_name) else np.empty(len(params))
        for place, (name, axis) in enumerate(self._axes.by_name.items()):
            if name in params:
                point[place] = params[name] / (1 if axis.size is None else axis.size - 1)
        assert counted.values is not None
        return point, self._sign * counted.values[0]

    def _unselected(self, number: int) -> NDArray[np.float64]:
        """A sample of each axis alone as the search stands, the same for the same trial."""
        inner = self._optimizer._cma  # it has no public name
        spread = inner._sigma * np.sqrt(np.diag(inner._C))
        drawn = np.random.default_rng(number % 2**32).normal(inner.mean, spread)
        return np.asarray(np.clip(drawn, 0.0, 1.0))

    def _params(self, point: NDArray[np.float64]) -> dict[str, int | float]:
        pairs = zip(self._axes.by_name.items(), np.clip(point, 0.0, 1.0).tolist(), strict=True)
        return {
            name: coordinate if axis.size is None else round(coordinate * (axis.size - 1))
            for (name, axis), coordinate in pairs
        }


def _imported() -> type[CMAwM]:
    try:
        from cmaes import CMAwM
    except ModuleNotFoundError as error:
        raise UsageError("method cmaes needs the package cmaes, which is not installed", "pip install cmaes") from error
    found: type[CMAwM] = CMAwM
    return found
