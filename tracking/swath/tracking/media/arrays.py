"""Arrays and numbers of users, of numpy or a library beside it, as numpy's and Python's; and numbers as pixels."""

from __future__ import annotations

import numbers
import sys
from typing import TYPE_CHECKING, Any

from swath.tracking.errors import UsageError
from swath.tracking.runlog.encoding import type_name

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Levels = npt.NDArray[Any]

_COLUMNS = 8
_GAP = 2
_NEARLY_ONE = 1.001
"""Resizing a picture of 0 to 1 leaves it a little above 1; that is not yet a scale of 0 to 255."""


def is_tensor(value: object) -> bool:
    """Whether a value is a torch tensor; torch is not imported for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def as_array(value: Any, what: str) -> Array | None:
    """The numpy array that a value is or holds, without a copy where it can; None when it is no array.

    Torch tensors are taken from the graph and the device; other libraries' arrays come by `__array__` or `numpy()`.
    """
    import numpy as np

    try:
        if isinstance(value, np.ndarray):
            return np.asarray(value)
        if is_tensor(value):
            return _from_tensor(value)
        if isinstance(value, type):
            return None
        if hasattr(value, "__array__"):
            return np.asarray(value)
        if callable(getattr(value, "numpy", None)):
            return np.asarray(value.numpy())
    except Exception as error:
        raise UsageError(
            f"{what}: {type_name(value)} cannot be read as an array: {error}", "pass a numpy array"
        ) from error
    return None


def _from_tensor(tensor: Any) -> Array:
    import numpy as np

    tensor = tensor.detach()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    tensor = tensor.to_dense().cpu().resolve_conj().resolve_neg()
    try:
        return np.asarray(tensor.numpy())
    except TypeError:  # a float that numpy does not know, such as bfloat16
        return np.asarray(tensor.float().numpy())


def to_levels(array: Array, what: str, *, normalize: bool = True, deep: bool = False) -> Levels:
    """Numbers as levels of pixels, 0 to 255; the array itself when it is that already.

    uint8 stays as it is, False and True are 0 and 255. Other numbers: floats that lie in 0 to 1 are stretched to
    0 to 255, numbers that lie in 0 to 255 are rounded, and where some lie outside, all are moved and stretched from
    their lowest (0 at most) and highest to 0 and 255; with `normalize` off they are cut off at 0 and 255 instead.
    NaN is 0. uint16 above 255 stays as it is when `deep`.
    """
    import numpy as np

    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "iuf":
        raise UsageError(f"{what}: an array of {array.dtype} holds no pixels", "pass floats, integers or booleans")
    if deep and array.dtype.kind == "u" and array.dtype.itemsize == 2 and array.max() > 255:
        return array.astype(np.uint16)
    if array.dtype.kind == "f":
        array = array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32, copy=False)
    low, high = _range(array)
    if normalize and (low < 0 or high > 255):
        return _stretched(array.astype(np.float64), low, high, 255 / (high - low))
    if normalize and array.dtype.kind == "f" and high <= _NEARLY_ONE:
        return _stretched(array, 0, 1, 255)
    return _stretched(array, 0, 255, 1)


def _range(array: Array) -> tuple[float, float]:
    """The lowest and highest finite number, 0 included."""
    import numpy as np

    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = array[np.isfinite(array)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return min(low, 0.0), max(high, 0.0)


def _stretched(array: Array, low: float, high: float, factor: float) -> Levels:
    """`low` becomes 0, `high` the factor times their distance; what lies beyond is cut off."""
    import numpy as np

    if array.dtype.kind == "f":
        array = np.nan_to_num(array, nan=low, posinf=high, neginf=low)
    array = np.clip(array, low, high)
    if low or factor != 1:
        array = (array - low) * factor
    return np.rint(array).astype(np.uint8)


def grid(pictures: Levels) -> Levels:
    """Pictures (count, height, width[, channels]) on one, eight in a row, with black gaps of two pixels."""
    import numpy as np

    count, height, width = pictures.shape[:3]
    if count == 1:
        first: Levels = pictures[0]
        return first
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    size = (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP)
    sheet = np.zeros((*size, *pictures.shape[3:]), pictures.dtype)
    for at, picture in enumerate(pictures):
        top = at // columns * (height + _GAP) + _GAP
        left = at % columns * (width + _GAP) + _GAP
        sheet[top : top + height, left : left + width] = picture
    return sheet


def number(value: Any, where: str) -> float:
    """A plain int or float of any library's number. Raises `UsageError` for what is none."""
    if not isinstance(value, numbers.Number) and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise UsageError(f"{where} is {type_name(value)}", "pass a number")
    return int(value) if isinstance(value, numbers.Integral) else float(value)
