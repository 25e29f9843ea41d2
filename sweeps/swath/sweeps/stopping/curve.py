"""Stops a trial whose learning curve, extrapolated to its end, will hardly beat the best so far.

The extrapolation is in the spirit of Domhan et al., "Speeding Up Automatic Hyperparameter Optimization of Deep Neural
Networks by Extrapolation of Learning Curves" (IJCAI 2015), made light: an average over many curve shapes, each of them
linear in its unknowns, so that all of it is in closed form and needs no sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from swath.sweeps.spec.stoppers import CurveSettings
from swath.sweeps.stopping.base import Decision, Promotion, Standing
from swath.sweeps.stopping.book import Book
from swath.sweeps.stopping.ladder import Ladder

if TYPE_CHECKING:
    from numpy import float64, intp
    from numpy.typing import NDArray

    Array = NDArray[float64]

_LADDER = Ladder()
#: Reports before anything is extrapolated, and how many of a longer curve are looked at.
_LEAST, _MOST = 4, 48
_POWERS = (0.1, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0)
_DECAYS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
#: How likely a curve is to lie flat for good, and to lie flat and take off at one of these shares of its way.
_FLAT, _LATE, _TAKE_OFFS = 0.1, 0.1, (0.125, 0.25, 0.5)


@dataclass(frozen=True)
class Curve:
    """Stops a trial when its value at `max_iter` beats the best of the other trials with less than `probability`.

    Asked on a ladder of reports that grows by a tenth. The best of the others is what the search has in hand, so a
    trial that only might equal it is not worth its time.
    """

    settings: CurveSettings
    metric: str = "the metric"

    name = "curve"
    needs_curve = True
    watches_unusable = False

    def checkpoints(self, before: int, after: int) -> tuple[int, ...]:
        return ()

    def next_check(self, count: int) -> int | None:
        check = _LADDER.above(max(count, _LEAST - 1))
        return check if check is not None and check < self.settings.max_iter else None

    def judge(self, trial: Standing, book: Book) -> Decision:
        best, n = book.best_of_others(trial.number), book.reporting
        if best is None or len(trial.curve) < _LEAST or len(trial.curve) >= self.settings.max_iter:
            return Decision("continue", "goes on: there is nothing to extrapolate", trial.count, n=n, rule=self.name)
        goal, leader = best
        costs = [book.cost(value) for value in trial.curve]
        chance = chance_below(costs, self.settings.max_iter, book.cost(goal))
        stops = chance < self.settings.probability and min(costs) > book.cost(goal)
        reason = self._sentence(stops, trial.count, chance, goal, leader)
        return Decision(
            "stop" if stops else "continue", reason, trial.count, goal, n=n, rule=self.name, peers=(leader,)
        )

    def promote(self, book: Book, last: bool = False) -> Promotion | None:
        return None

    def _sentence(self, stops: bool, count: int, chance: float, best: float, leader: int) -> str:
        verb = "stopped" if stops else "goes on"
        return (
            f"{verb} at report {count}: extrapolated to report {self.settings.max_iter}, {self.metric} beats "
            f"{best:.6g}, the best so far (trial {leader}), with a probability of {chance:.1%}; "
            f"the least is {self.settings.probability:.1%}"
        )


def chance_below(costs: Sequence[float], end: int, bar: float) -> float:
    """The probability that a curve with these costs at reports 1, 2, ... is below `bar` at report `end`.

    Each shape says cost(t) = a + b * shape(t) with normal noise, a normal-inverse-gamma prior on (a, b, noise) in
    units of the curve's spread or of what it lacks, whichever is more, and b as likely to fall as to rise. Its
    prediction is a Student t; the shapes are averaged with their marginal likelihoods. Reports are thinned out evenly
    in log t, since a curve says as much between 10 and 20 as between 100 and 200.
    """
    import numpy as np
    from scipy.special import gammaln, stdtr

    places = _places(len(costs))
    shapes, last, prior = _shapes(end)
    y = np.asarray(costs, dtype=float)[places]
    centre = float(y[-1])
    spread = max(float(np.ptp(y)), abs(bar - centre)) or max(abs(centre), 1.0) * 1e-6
    y = (y - centre) / spread
    x = shapes[:, places]
    # The posterior of (a, b) with prior precisions, for all shapes at once; 2 x 2 systems are solved by hand.
    p_a, p_b, shape0, scale0 = 1e-4, 1e-4, 1.0, 0.002
    s_0, s_x, s_xx = len(y) + p_a, x.sum(1), (x * x).sum(1) + p_b
    s_y, s_xy, s_yy = y.sum(), x @ y, float(y @ y)
    det = s_0 * s_xx - s_x**2
    a, b = (s_xx * s_y - s_x * s_xy) / det, (s_0 * s_xy - s_x * s_y) / det
    freedom = shape0 + len(y) / 2
    scale = scale0 + np.maximum(s_yy - a * s_y - b * s_xy, 0.0) / 2
    evidence = prior - 0.5 * np.log(det) - freedom * np.log(scale) + gammaln(freedom)
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    mean = a + b * last
    variance = (s_xx - 2 * s_x * last + s_0 * last**2) / det
    width = np.sqrt(scale / freedom * (1 + variance))
    below = weights @ stdtr(2 * freedom, ((bar - centre) / spread - mean) / width)
    return min(max(float(below), 0.0), 1.0)


@lru_cache(maxsize=256)
def _places(count: int) -> NDArray[intp]:
    import numpy as np

    if count <= _MOST:
        return np.arange(count)
    return np.unique(np.round(np.geomspace(1, count, 2 * _MOST)).astype(int) - 1)[-_MOST:]


@lru_cache(maxsize=8)
def _shapes(end: int) -> tuple[Array, Array, Array]:
    """Each shape at reports 1 ... end, its value at the end, and the logarithm of how likely it is beforehand.

    Powers and exponentials that fall from 1, the logarithm, those that take off late, and nothing but a level.
    """
    import numpy as np

    t = np.arange(1, end + 1, dtype=float)
    rows = [t**-power for power in _POWERS]
    rows += [np.exp(-(t - 1) / (end * decay)) for decay in _DECAYS]
    rows.append(1 - np.log(t) / np.log(max(end, 2)))
    early = len(rows)
    rows += [1 / (1 + (t / (end * share)) ** 4) for share in _TAKE_OFFS]
    rows.append(np.zeros_like(t))
    prior = np.full(len(rows), (1 - _LATE - _FLAT) / early)
    prior[early:-1], prior[-1] = _LATE / len(_TAKE_OFFS), _FLAT
    shapes = np.stack(rows)
    return shapes, shapes[:, -1], np.log(prior)
