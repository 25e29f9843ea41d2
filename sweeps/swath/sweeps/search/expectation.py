"""What is expected of a point that was not tried: the score by which candidates are compared, and words for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from swath.sweeps.search.base import Goal
from swath.sweeps.search.distances import Array, Mask
from swath.sweeps.search.improvement import log_improvement
from swath.sweeps.search.outcomes import Scale
from swath.sweeps.search.records import Known
from swath.sweeps.search.surrogate import Surrogate

if TYPE_CHECKING:
    from numpy.random import Generator


#: Deviations by which a bold score hopes for more than is expected.
_HOPE = 2.0


@dataclass(frozen=True)
class Expectation:
    """A surrogate of the results on their scale, and the best value that it expects of any trial, by each set.

    A `bold` one scores by what may be (two deviations better than expected) instead of by expected improvement, which
    after a while sees nothing but the neighbourhood of the best trial where results are noisy.
    """

    scale: Scale
    surrogate: Surrogate
    best: Array
    bold: bool = False

    @classmethod
    def of(cls, known: Known, categorical: Mask, sets: int, rng: Generator, bold: bool = False) -> Expectation:
        """Learned from results; a trial in flight counts as what is expected of it, so that none is put beside it."""
        scale = Scale.of(known.values)
        values = scale.to(known.values)
        surrogate = Surrogate.fit(known.points, values, categorical, sets, rng)
        points = known.points
        if len(known.pending):
            expected = surrogate.predict(known.pending)[0].mean(axis=0)
            points = np.concatenate([points, known.pending])
            surrogate = surrogate.given(points, np.concatenate([values, expected]))
        return cls(scale, surrogate, surrogate.predict(points)[0].min(axis=1)[:, None], bold)

    def score(self, points: Array) -> Array:
        """How much there is in trying each point: the more the better, and of no other meaning."""
        means, deviations = self.surrogate.predict(points)
        if self.bold:
            hoped: Array = (_HOPE * deviations - means).mean(axis=0)
            return hoped
        return log_improvement(means, deviations, self.best)

    def told(self, point: Array, known: Known, goal: Goal) -> str:
        """In the metric's own unit: what is expected at `point`, in two of three cases, beside the best of all so far.

        `known` are all trials, of which this may have learned from some.
        """
        sign = 1.0 if goal == "minimize" else -1.0
        means, deviations = self.surrogate.predict(point[None])
        mean = float(means.mean())
        spread = float(np.sqrt((deviations**2).mean() + means.var()))
        low, middle, high = (sign * self.scale.back(mean + step * spread) for step in (-1, 0, 1))
        best = float(known.values.min())
        chance = float(ndtr((float(self.scale.to(np.array([best]))[0]) - mean) / max(spread, 1e-12)))
        low, high = min(low, high), max(low, high)
        how = ", looking further" if self.bold else ""
        learned = f"{len(known.values)} results"
        if len(known.pending):
            learned += f" and {len(known.pending)} in flight"
        return (
            f"Gaussian process of {learned}{how}: expects {middle:.5g} ({low:.5g} to {high:.5g}), "
            f"{chance:.0%} likely to be better than the best so far, {sign * best:.5g}"
        )
