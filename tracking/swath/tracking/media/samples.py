"""Users' values, class labels and scores as checked numpy arrays; what is computed of them is elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from swath.tracking.errors import UsageError
from swath.tracking.media.arrays import as_array


def array_of(values: Any, what: str) -> Any:
    """The numpy array of a list, an array, a Series, a tensor, a list of tensors, or an iterable."""
    import numpy as np

    if (array := as_array(values, what)) is not None:
        return array
    if isinstance(values, Iterable) and not isinstance(values, Sequence):
        values = list(values)
    if isinstance(values, list | tuple) and values and hasattr(values[0], "detach"):
        values = [as_array(each, what) for each in values]
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what} cannot be made an array: {error}", "pass numbers, all rows of one length") from None


def labels_of(values: Any, what: str) -> Any:
    """A one-dimensional array of class labels."""
    if values is None:
        raise UsageError(f"{what} is missing", f"pass {what}=, the class of each sample")
    array = array_of(values, what)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise UsageError(f"{what} has the shape {array.shape}", "pass the class of each sample, in one dimension")
    if array.size == 0:
        raise UsageError(f"{what} is empty", "pass at least one sample")
    if array.dtype.kind not in "biufSUO" or any(label is None or label != label for label in _suspects(array)):
        raise UsageError(f"{what} holds values that are no class labels", "pass integers or strings, none missing")
    return array


def sorted_classes(labels: Iterable[Any], what: str) -> list[Any]:
    """The classes among labels, as Python's own values."""
    try:
        return sorted(set(labels))
    except TypeError:
        raise UsageError(f"{what} mixes types that cannot be sorted", "pass all integers or all strings") from None


def scores_of(values: Any, samples: int, what: str) -> Any:
    """A finite array of scores: a row for each sample, and a column for each class where it has two dimensions."""
    import numpy as np

    if values is None:
        raise UsageError(f"{what} is missing", f"pass {what}=, a row for each sample and a column for each class")
    array = array_of(values, what)
    if array.dtype.kind not in "biuf" or array.ndim not in (1, 2):
        raise UsageError(
            f"{what} has the shape {array.shape} and the type {array.dtype}",
            "pass numbers, a row for each sample and a column for each class",
        )
    if array.shape[0] != samples:
        raise UsageError(f"{what} has {array.shape[0]} rows, and there are {samples} samples", "pass a row for each")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise UsageError(
            f"{what} holds NaN or infinite values", "leave those samples out, or look where they come from"
        )
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _suspects(array: Any) -> Any:
    """The labels that may be missing ones."""
    return array if array.dtype.kind in "fO" else ()
