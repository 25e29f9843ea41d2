"""Log expected improvement, also where it is too small for a number, and averaged over sets of hyperparameters."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erfcx, ndtr

from swath.sweeps.search.distances import Array

_LOG_ROOT_TAU = 0.5 * math.log(2 * math.pi)


def log_improvement(means: Array, deviations: Array, best: Array) -> Array:
    """The logarithm of the expected improvement on `best` at each point: (sets, points) and (sets, 1) to (points,).

    After Ament et al. 2023, "Unexpected improvements to expected improvement for Bayesian optimization".
    """
    logs = _log_h((best - means) / deviations) + np.log(deviations)
    top = logs.max(axis=0)
    found: Array = top + np.log(np.exp(logs - top).mean(axis=0))
    return found


def _log_h(z: Array) -> Array:
    """log(phi(z) + z * Phi(z)) for a standard normal."""
    found = np.empty_like(z)
    plain = z > -1
    near = z[plain]
    found[plain] = np.log(np.exp(-0.5 * near * near) / math.sqrt(2 * math.pi) + near * ndtr(near))
    far = -z[~plain]
    ratio = math.sqrt(math.pi / 2) * far * erfcx(far / math.sqrt(2))
    # 1 - ratio cancels far out, where it is 1 / far ** 2 - 3 / far ** 4 + ...
    rest = np.where(far < 1e3, np.log(np.maximum(1 - ratio, 1e-300)), -2 * np.log(np.maximum(far, 1.0)))
    found[~plain] = -0.5 * far * far - _LOG_ROOT_TAU + rest
    return found
