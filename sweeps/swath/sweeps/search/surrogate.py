"""A Gaussian process over points of the unit cube, averaged over its hyperparameters; it knows no space and no search.

A point has one coordinate in [0, 1] for each axis, NaN where the axis is not there. Values are to be minimised and
should have mean 0 and deviation 1. The covariance of two points is

    s2 * (w * mean over axes of k(r_j) + (1 - w) * k(sqrt(sum of r_j ** 2))),   r_j = |x_j - x'_j| / l_j

with k the Matern 5/2 kernel: what each axis does by itself (most of what hyperparameters do) and what they do
together (Duvenaud et al. 2011, "Additive Gaussian processes", with the first and the last order only).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.optimize import minimize

from swath.sweeps.search.distances import Array, Mask, distances

if TYPE_CHECKING:
    from numpy.random import Generator

_ROOT5 = math.sqrt(5.0)
_JITTER = 1e-6
#: How far a hyperparameter may be from the middle of its prior, in deviations of the prior.
_FARTHEST = 4.5
#: Least curvature of the posterior at its top, where the prior alone has 1: wider than this no draw is spread.
_LEAST_CURVATURE = 0.8
_STEP = 1e-3
#: Rows of a prediction that are worked out at once, to stay in the processor's cache.
_BLOCK = 128
#: Points from which hyperparameters are learned: with more they hardly change.
_ENOUGH = 64
#: Steps of the climb to the most probable hyperparameters: to the top where draws are made around it, else near it.
_CLIMB, _SHORT_CLIMB = 25, 15


@dataclass(frozen=True)
class Prior:
    """Normal priors of the logarithms of length scales, noise variance and scale, and of the logit of w.

    `bowl` is by how much a corner of the cube is expected to be worse than its middle, in deviations of the values.
    """

    length: float = 0.5
    length_spread: float = 1.0
    noise: float = 1e-3
    noise_spread: float = 1.5
    scale_spread: float = 0.7
    together_spread: float = 1.5
    bowl: float = 0.5

    def middle(self, axes: int) -> Array:
        """The middle of each; length scales grow with the number of axes, as distances do."""
        lengths = np.full(axes, math.log(self.length) + 0.25 * math.log(max(axes, 1)))
        return np.concatenate([lengths, [math.log(self.noise), 0.0, 0.0]])

    def spread(self, axes: int) -> Array:
        """The deviation of each."""
        rest = [self.noise_spread, self.scale_spread, self.together_spread]
        return np.concatenate([np.full(axes, self.length_spread), rest])


def matern(scaled: Array) -> Array:
    """The Matern 5/2 kernel at `scaled` = sqrt(5) times the distance over the length scale."""
    found = scaled * (1 / 3)
    found += 1.0
    found *= scaled
    found += 1.0
    decay = np.negative(scaled)
    found *= np.exp(decay, out=decay)
    return found


def covariance(apart: Array, theta: Array) -> Array:
    """The covariances, without noise, at `distances` of shape (axes, ...)."""
    axes = len(apart)
    factors = _ROOT5 * np.exp(-theta[:axes])
    single = 1 / (1 + math.exp(-theta[axes + 2]))
    squared, alone = np.zeros(apart.shape[1:]), np.zeros(apart.shape[1:])
    for axis in range(axes):
        scaled = apart[axis] * factors[axis]
        alone += matern(scaled)
        scaled *= scaled
        squared += scaled
    found = matern(np.sqrt(squared, out=squared))
    found *= (1 - single) * math.exp(theta[axes + 1])
    alone *= single / axes * math.exp(theta[axes + 1])
    found += alone
    return found


class Evidence:
    """How well hyperparameters explain some values: the negative log posterior, and its gradient.

    Hyperparameters come in deviations from the middle of the prior, so that the prior is a standard normal one.
    """

    def __init__(self, points: Array, values: Array, categorical: Mask, prior: Prior) -> None:
        self._axes = points.shape[1]
        self._middle, self._spread = prior.middle(self._axes), prior.spread(self._axes)
        self._values = values
        self._rows, self._columns = np.tril_indices(len(values))
        apart = distances(points, points, categorical)
        self._apart = np.ascontiguousarray(apart[:, self._rows, self._columns])
        self._weights = np.where(self._rows == self._columns, 0.5, 1.0)

    def theta(self, place: Array) -> Array:
        """The hyperparameters themselves: log length scales, log noise, log scale, logit of w."""
        return self._middle + self._spread * np.clip(place, -_FARTHEST, _FARTHEST)

    def __call__(self, place: Array) -> tuple[float, Array]:
        theta, axes, count = self.theta(place), self._axes, len(self._values)
        noise, scale, single = math.exp(theta[axes]), math.exp(theta[axes + 1]), 1 / (1 + math.exp(-theta[axes + 2]))
        alone, together, slopes = self._kernels(theta, scale, single)
        mixed = single * alone + (1 - single) * together
        matrix = np.zeros((count, count))
        matrix[self._rows, self._columns] = scale * mixed
        matrix[np.diag_indices(count)] += noise + _JITTER
        factor, failed = dpotrf(matrix, lower=1)
        if failed:
            return 1e10, np.zeros_like(place)
        half_determinant = float(np.log(np.diag(factor)).sum())
        inverse = dpotri(factor, lower=1)[0]
        inverse += np.tril(inverse, -1).T - np.triu(inverse, 1)
        weighted = inverse @ self._values
        change = (inverse[self._rows, self._columns] - weighted[self._rows] * weighted[self._columns]) * self._weights
        by_noise = 0.5 * noise * float(np.trace(inverse) - weighted @ weighted)
        by_single = scale * single * (1 - single) * float(change @ (alone - together))
        gradient = np.concatenate([slopes @ change, [by_noise, scale * float(change @ mixed), by_single]])
        cost = 0.5 * float(self._values @ weighted) + half_determinant + 0.5 * float(place @ place)
        return cost, gradient * self._spread + place

    def _kernels(self, theta: Array, scale: float, single: float) -> tuple[Array, Array, Array]:
        """For all pairs the kernel of single axes, that of all together, and the slopes by the log length scales."""
        scaled = self._apart * (_ROOT5 * np.exp(-theta[: self._axes]))[:, None]
        squared = scaled * scaled
        radius = np.sqrt(squared.sum(axis=0))
        decay = np.exp(-radius)
        together = (1 + radius + radius * radius / 3) * decay
        decays = np.exp(-scaled)
        slopes = scaled
        slopes += 1
        slopes *= decays
        decays *= squared
        decays *= 1 / 3
        decays += slopes
        alone = decays.sum(axis=0) / self._axes
        slopes *= scale * single / (3 * self._axes)
        slopes += (1 + radius) * decay * (scale * (1 - single) / 3)
        slopes *= squared
        return alone, together, slopes


@dataclass(frozen=True)
class Surrogate:
    """What is expected at any point, by several sets of hyperparameters (`thetas`, one a row) that explain the data."""

    points: Array
    values: Array
    categorical: Mask
    thetas: Array
    prior: Prior

    @classmethod
    def fit(
        cls, points: Array, values: Array, categorical: Mask, draws: int, rng: Generator, prior: Prior | None = None
    ) -> Surrogate:
        """The most probable hyperparameters (`draws` = 1), or that many draws from around them.

        The draws are from the normal distribution that has the top and the curvature of the posterior (Laplace).
        """
        prior = prior or Prior()
        some = _enough(values)
        whole = values[some] - prior.bowl * bowl(points[some], categorical)
        evidence = Evidence(points[some], whole - whole.mean(), categorical, prior)
        start = np.zeros(points.shape[1] + 3)
        bounds = [(-_FARTHEST, _FARTHEST)] * len(start)
        steps = _SHORT_CLIMB if draws == 1 else _CLIMB
        found = minimize(evidence, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps})
        places = found.x[None] if draws == 1 else _around(evidence, found.x, draws, rng)
        return cls(points, values, categorical, evidence.theta(places), prior)

    def given(self, points: Array, values: Array) -> Surrogate:
        """The same hyperparameters with other data."""
        return Surrogate(points, values, self.categorical, self.thetas, self.prior)

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Mean and deviation (without noise) at each point by each set: two arrays (sets, points)."""
        blocks = range(0, max(len(points), 1), _BLOCK)
        parts = [self._predict(points[first : first + _BLOCK]) for first in blocks]
        means, deviations = zip(*parts, strict=True)
        return np.concatenate(means, axis=1), np.concatenate(deviations, axis=1)

    def _predict(self, points: Array) -> tuple[Array, Array]:
        apart = distances(points, self.points, self.categorical)
        base = self._offset + self.prior.bowl * bowl(points, self.categorical)
        means, deviations = [], []
        for theta, (inverse_factor, weights) in zip(self.thetas, self._conditioned, strict=True):
            across = covariance(apart, theta)
            means.append(base + across @ weights)
            explained = across @ inverse_factor.T
            scale = math.exp(theta[len(apart) + 1])
            left = scale - np.einsum("ij,ij->i", explained, explained)
            deviations.append(np.sqrt(np.maximum(left, 1e-12)))
        return np.array(means), np.array(deviations)

    @cached_property
    def _residuals(self) -> Array:
        return self.values - self.prior.bowl * bowl(self.points, self.categorical)

    @cached_property
    def _offset(self) -> float:
        return float(self._residuals.mean())

    @cached_property
    def _conditioned(self) -> list[tuple[Array, Array]]:
        """For each set the inverse of the factor of the data's covariance, and the weights of the data."""
        count = len(self.values)
        apart = distances(self.points, self.points, self.categorical)
        found = []
        for theta in self.thetas:
            matrix = covariance(apart, theta)
            matrix[np.diag_indices(count)] += math.exp(theta[len(apart)]) + _JITTER
            inverse = solve_triangular(np.linalg.cholesky(matrix), np.eye(count), lower=True, check_finite=False)
            found.append((inverse, inverse.T @ (inverse @ (self._residuals - self._offset))))
        return found


def bowl(points: Array, categorical: Mask) -> Array:
    """0 in the middle of the cube and 1 at its corners; axes without an order, or not there, count as by chance."""
    by_axis = np.where(np.isnan(points) | categorical, 1 / 3, (2 * points - 1) ** 2)
    found: Array = by_axis.mean(axis=1)
    return found


def _enough(values: Array) -> NDArray[np.int64]:
    """The places of all values, or of the best and some of the others."""
    if len(values) <= _ENOUGH:
        return np.arange(len(values))
    order = np.argsort(values, kind="stable")
    best, others = order[: _ENOUGH // 2], order[_ENOUGH // 2 :]
    spread = others[np.linspace(0, len(others) - 1, _ENOUGH - len(best)).astype(np.int64)]
    return np.sort(np.concatenate([best, spread]))


def _around(evidence: Evidence, top: Array, draws: int, rng: Generator) -> Array:
    """Draws, in mirrored pairs, from the normal distribution around `top` with the curvature of `evidence` there."""
    slope = evidence(top)[1]
    steps = np.eye(len(top)) * _STEP
    curvature = np.array([(evidence(top + step)[1] - slope) / _STEP for step in steps])
    sizes, directions = np.linalg.eigh((curvature + curvature.T) / 2)
    half = rng.standard_normal((-(-draws // 2), len(top))) / np.sqrt(np.maximum(sizes, _LEAST_CURVATURE))
    offsets = half @ directions.T
    return np.asarray(top + np.concatenate([offsets, -offsets])[:draws])
