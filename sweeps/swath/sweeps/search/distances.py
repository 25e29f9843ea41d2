"""How far points of the unit cube are from each other, axis by axis, for real, discrete and absent coordinates."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]


def distances(left: Array, right: Array, categorical: Mask) -> Array:
    """Axis by axis the distance of each point of `left` to each of `right`: (axes, left, right).

    On a categorical axis, whose places are at equal steps, it is 0 or 1. Where the axis is there in neither point it
    is 0, and in one of them 1.
    """
    apart = left.T[:, :, None] - right.T[:, None, :]
    np.abs(apart, out=apart)
    for axis in np.flatnonzero(categorical).tolist():
        np.ceil(apart[axis], out=apart[axis])
    absent_left, absent_right = np.isnan(left).T, np.isnan(right).T
    for axis in np.flatnonzero(absent_left.any(axis=1) | absent_right.any(axis=1)).tolist():
        here, there = absent_left[axis][:, None], absent_right[axis][None]
        apart[axis][here | there] = 1.0
        apart[axis][here & there] = 0.0
    return apart
