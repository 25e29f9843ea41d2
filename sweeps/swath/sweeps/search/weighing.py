"""Priors as a surrogate's candidates meet them: points drawn from them, and a score that they weigh on; no model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from swath.sweeps.search.distances import Array
from swath.sweeps.search.layout import Layout
from swath.sweeps.search.priors import Bell, Places, Priors
from swath.sweeps.space import SearchSpace

if TYPE_CHECKING:
    from numpy.random import Generator

#: The power of the priors in the score is this over the number of results: piBO's beta.
BETA = 2.0
#: On no axis a point counts as less likely than this (the logarithm of a twentieth): priors are rarely that sure.
LEAST = -3.0
_LOG_ROOT_TAU = 0.5 * float(np.log(2 * np.pi))

Score = Callable[[Array], Array]


class PriorLayout(Layout):
    """A layout of which half of the points from anywhere are drawn from the priors."""

    def __init__(self, space: SearchSpace, priors: Priors) -> None:
        super().__init__(space)
        self._priors = priors

    def anywhere(self, count: int, rng: Generator) -> Array:
        half = count // 2
        cube = rng.random((half, len(self)))
        drawn = self.spread_unconditioned(cube)
        for axis, prior in self._priors.by_axis.items():
            gaps = self._gaps[axis] if isinstance(prior, Places) else 1
            drawn[:, axis] = [prior.at(u) / gaps for u in cube[:, axis].tolist()]
        return np.concatenate([super().anywhere(count - half, rng), self.settled(drawn)])

    def log_density(self, points: Array) -> Array:
        """The logarithm of how many times as likely each point is as by an even distribution over the cube."""
        found = np.zeros(len(points))
        for axis, prior in self._priors.by_axis.items():
            column = points[:, axis]
            there = ~np.isnan(column)
            found[there] += np.maximum(_log_density(prior, column[there], int(self._gaps[axis])), LEAST)
        return found

    def weighed(self, score: Score, results: int) -> Score:
        """The logarithm of acquisition times prior ** (beta / results), after Hvarfner et al. 2022 (piBO).

        What is known of the results overrides the priors as it grows.
        """
        return lambda points: score(points) + self.power(results) * self.log_density(points)

    def power(self, results: int) -> float:
        """That of the priors in the score."""
        return BETA / max(results, 1)


def layout_of(space: SearchSpace, priors: Priors) -> Layout:
    """The layout for a space with these priors."""
    return PriorLayout(space, priors) if priors else Layout(space)


def _log_density(prior: Bell | Places, column: Array, gaps: int) -> Array:
    if isinstance(prior, Places):
        shares = np.log(np.maximum(np.array(prior.shares) * len(prior.shares), 1e-300))
        return np.asarray(shares[np.rint(column * gaps).astype(np.int64)])
    away = (column - prior.centre) / prior.spread
    return np.asarray(-0.5 * away**2 - _LOG_ROOT_TAU - np.log(prior.spread * prior.share))
