"""`Histogram`: how values are spread, as counts between edges; the values themselves are not kept."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

from swath.tracking.blobs import Blobs
from swath.tracking.errors import UsageError
from swath.tracking.media.base import Media
from swath.tracking.media.samples import array_of
from swath.tracking.runlog.encoding import type_name

_BLOCK = 1 << 20


class Histogram(Media):
    """The counts of values in `num_bins` bins of equal width, or counts and edges made elsewhere.

    `sequence`: numbers of any shape, as a list, a numpy array or a torch tensor. NaN and infinite values are left out
    and counted in `left_out`; where nothing else is there, all counts are 0. `np_histogram`: what `numpy.histogram`
    returns, the counts and one edge more, ascending. `histogram` holds the counts, `bins` the edges.
    """

    TYPE = "histogram"
    MAX_LENGTH = 512

    def __init__(self, sequence: Any = None, np_histogram: tuple[Any, Any] | None = None, num_bins: int = 64) -> None:
        if (sequence is None) == (np_histogram is None):
            raise UsageError(
                "Histogram() takes values or a histogram, one of them",
                "write Histogram(values), or Histogram(np_histogram=numpy.histogram(values))",
            )
        self.left_out = 0
        if np_histogram is not None:
            self.histogram, self.bins = _checked(np_histogram)
        else:
            self.histogram, self.bins, self.left_out = _counted(sequence, _checked_bins(num_bins))

    def to_numpy(self) -> tuple[Any, Any]:
        """The counts and the edges as arrays."""
        import numpy as np

        return np.asarray(self.histogram), np.asarray(self.bins)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return (self.histogram, self.bins, self.left_out) == (other.histogram, other.bins, other.left_out)

    def __hash__(self) -> int:
        return hash((tuple(self.histogram), tuple(self.bins), self.left_out))

    def __repr__(self) -> str:
        return f"Histogram({len(self.histogram)} bins from {self.bins[0]:.6g} to {self.bins[-1]:.6g})"

    def to_record(self, blobs: Blobs) -> dict[str, Any]:
        """The record: `values` (counts), `bins` (edges), and `left_out` where something was."""
        record: dict[str, Any] = {"_type": self.TYPE, "values": list(self.histogram), "bins": list(self.bins)}
        return {**record, "left_out": self.left_out} if self.left_out else record

    @classmethod
    def from_record(cls, record: Mapping[str, Any], blobs: Blobs) -> Self:
        """The histogram that was recorded."""
        histogram = cls(np_histogram=(record["values"], record["bins"]))
        histogram.left_out = int(record.get("left_out", 0))
        return histogram


def _checked_bins(num_bins: int) -> int:
    try:
        count = operator.index(num_bins)
    except TypeError:
        count = 0
    if isinstance(num_bins, bool) or not 1 <= count <= Histogram.MAX_LENGTH:
        raise UsageError(f"num_bins is {num_bins!r}", f"a histogram has 1 to {Histogram.MAX_LENGTH} bins")
    return count


def _checked(np_histogram: Any) -> tuple[list[Any], list[Any]]:
    if not isinstance(np_histogram, tuple | list) or len(np_histogram) != 2:
        raise UsageError(f"np_histogram is {type_name(np_histogram)}", "pass (counts, edges), as numpy.histogram does")
    counts, edges = _numbers(np_histogram[0], "counts"), _numbers(np_histogram[1], "edges")
    if not 1 <= len(counts) <= Histogram.MAX_LENGTH:
        raise UsageError(f"the histogram has {len(counts)} bins", f"it may have 1 to {Histogram.MAX_LENGTH}")
    if len(edges) != len(counts) + 1:
        raise UsageError(
            f"the histogram has {len(counts)} counts and {len(edges)} edges", "pass one edge more than counts"
        )
    if any(left > right for left, right in pairwise(edges)):
        raise UsageError("the edges of the histogram do not ascend", "pass them in ascending order")
    return counts, edges


def _numbers(values: Any, what: str) -> list[Any]:
    if hasattr(values, "tolist"):
        values = values.tolist()
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise UsageError(f"the {what} of the histogram are {type_name(values)}", "pass a list or an array of numbers")
    plain = [value.item() if hasattr(value, "item") else value for value in values]
    for value in plain:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UsageError(f"the {what} of the histogram hold {value!r}", "pass finite numbers, in one dimension")
    return plain


def _counted(sequence: Any, bins: int) -> tuple[list[int], list[float], int]:
    """Counts, edges, and how many values were left out; in blocks, so that large arrays are not copied whole."""
    import numpy as np

    array = array_of(sequence, "the values of the histogram")
    if array.dtype.kind not in "biufO":
        raise UsageError(f"the values of the histogram are of type {array.dtype}", "pass real numbers")
    if array.size == 0:
        raise UsageError("the histogram has no values", "pass at least one number, or leave the histogram out")
    flat = array.reshape(-1)
    spans = [(float(block.min()), float(block.max()), block.size) for block in _blocks(flat) if block.size]
    if not spans:
        return [0] * bins, np.linspace(0.0, 1.0, bins + 1).tolist(), flat.size
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    scale = 1.0 if high / 2 - low / 2 < sys.float_info.max / 4 else 0.25  # exact, and no sum on the way overflows
    limits = _limits(low * scale, high * scale, bins)
    counts = np.zeros(bins, dtype=np.int64)
    for block in _blocks(flat):
        counts += np.histogram(block * scale, bins=bins, range=limits)[0]
    edges = np.histogram_bin_edges(np.zeros(0), bins=bins, range=limits) / scale
    if scale != 1.0:  # which the smallest numbers do not survive
        edges[0], edges[-1] = low, high
    return counts.tolist(), edges.tolist(), flat.size - sum(span[2] for span in spans)


def _blocks(flat: Any) -> Any:
    """The finite values of an array, block by block, as 64-bit floats."""
    import numpy as np

    for start in range(0, flat.size, _BLOCK):
        try:
            block = flat[start : start + _BLOCK].astype(np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise UsageError(f"the values of the histogram are no numbers: {error}", "pass real numbers") from None
        yield block[np.isfinite(block)]


def _limits(low: float, high: float, bins: int) -> tuple[float, float]:
    """The first and the last edge; wider than the values where bins would be too narrow for floats."""
    if low == high:
        low, high = low - 0.5, high + 0.5
    narrow = 2 * bins * math.ulp(max(abs(low), abs(high)))
    if high - low < narrow:
        low, high = max(low - narrow, -sys.float_info.max), min(high + narrow, sys.float_info.max)
    return low, high
