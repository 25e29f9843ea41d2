"""The scale on which a surrogate sees objectives, and the way back to the metric's own unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swath.sweeps.search.distances import Array

#: Differences of larger objectives would be no numbers.
_LARGEST = 1e300


@dataclass(frozen=True)
class Scale:
    """Objectives to be minimised as numbers of mean 0 and deviation 1, in the same order.

    The better half stays linear, in units of its mean distance from the median; of the worse half the logarithm is
    taken: how bad a diverged trial was says little about where the best is, and would flatten everything else.
    """

    median: float
    unit: float
    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Array) -> Scale:
        """The scale for these objectives, of which there is at least one."""
        values = np.clip(values, -_LARGEST, _LARGEST)
        median = float(np.median(values))
        better = values < median
        unit = float(np.mean(median - values[better])) if better.any() else 0.0
        if not unit > 0 or not np.isfinite(unit):
            unit = float(np.mean(np.abs(values - median))) or 1.0
        bent = _bend((values - median) / unit)
        deviation = float(bent.std())
        return cls(median, unit, float(bent.mean()), deviation if deviation > 1e-12 else 1.0)

    def to(self, values: Array) -> Array:
        """Objectives on this scale."""
        values = np.clip(values, -_LARGEST, _LARGEST)
        return (_bend((values - self.median) / self.unit) - self.mean) / self.deviation

    def back(self, scaled: float) -> float:
        """The objective at a place of this scale."""
        bent = scaled * self.deviation + self.mean
        straight = float(np.expm1(min(bent, 700.0))) if bent > 0 else bent
        return self.median + self.unit * straight


def _bend(values: Array) -> Array:
    return np.where(values > 0, np.log1p(np.maximum(values, 0.0)), values)
