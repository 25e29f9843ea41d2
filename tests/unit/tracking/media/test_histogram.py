"""A histogram counts every finite value once, as numpy does, and reads back as it was."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swath.tracking.blobs import Blobs
from swath.tracking.errors import UsageError
from swath.tracking.media.histogram import Histogram

BLOBS = Blobs(Path("no blobs are written"))


@given(st.lists(st.floats() | st.integers(-(2**80), 2**80), min_size=1, max_size=50), st.integers(1, 512))
@settings(max_examples=300, deadline=None)
def test_every_finite_value_is_in_one_bin(values: list[float], bins: int) -> None:
    histogram = Histogram(values, num_bins=bins)
    finite = [float(value) for value in values if math.isfinite(value)]
    assert sum(histogram.histogram) == len(finite)
    assert histogram.left_out == len(values) - len(finite)
    assert len(histogram.histogram) == bins
    assert len(histogram.bins) == bins + 1
    assert all(left < right for left, right in zip(histogram.bins, histogram.bins[1:], strict=False))
    if finite:
        assert histogram.bins[0] <= min(finite)
        assert max(finite) <= histogram.bins[-1]


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=100), st.integers(1, 64))
@settings(deadline=None)
def test_counts_are_those_of_numpy(values: list[float], bins: int) -> None:
    try:
        counts, edges = np.histogram(values, bins=bins)
    except ValueError:  # numpy finds the bins too narrow
        return
    histogram = Histogram(values, num_bins=bins)
    if histogram.bins == edges.tolist():
        assert histogram.histogram == counts.tolist()
    else:
        assert edges[-1] - edges[0] < 4 * bins * math.ulp(max(abs(edges[0]), abs(edges[-1])))


def test_arrays_larger_than_a_block_are_counted_whole() -> None:
    values = np.random.default_rng(0).normal(size=(1500, 1500)).astype(np.float32)
    values[0, :7] = np.nan
    histogram = Histogram(values)
    expected, _ = np.histogram(values[np.isfinite(values)].astype(np.float64), bins=64)
    assert histogram.histogram == expected.tolist()
    assert histogram.left_out == 7


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 4],
        (1, 2, 4),
        {1, 2, 4},
        iter([1, 2, 4]),
        range(1, 5, 1),
        np.array([[1], [2], [4]], dtype=np.float16),
        np.array([1, 2, 4], dtype=object),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        pd.Series([1, 2, 4]),
        np.array([True, False]),
        np.float64(3.5),
    ],
)
def test_values_come_in_many_forms(values: Any) -> None:
    assert sum(Histogram(values).histogram) == (np.size(values) if isinstance(values, np.ndarray | range) else 3) or (
        np.ndim(values) == 0
    )


def test_torch_tensors_are_counted() -> None:
    torch = pytest.importorskip("torch")
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool):
        assert sum(Histogram(torch.ones(3, 4).to(dtype)).histogram) == 12
    assert sum(Histogram(torch.ones(3, requires_grad=True)).histogram) == 3
    assert sum(Histogram([torch.ones(()), torch.zeros(())]).histogram) == 2


def test_the_widest_and_the_narrowest_values_have_bins() -> None:
    most, least = sys.float_info.max, math.ulp(0.0)
    for values in ([-most, most], [most, most], [-most], [1e300], [0.0, least], [1.0, 1.0 + 2**-52]):
        histogram = Histogram(values)
        assert sum(histogram.histogram) == len(values)
        assert all(map(math.isfinite, histogram.bins))


def test_nothing_but_nan_is_a_histogram_of_zeros() -> None:
    histogram = Histogram([math.nan, math.inf, -math.inf])
    assert histogram.histogram == [0] * 64
    assert histogram.left_out == 3


@pytest.mark.parametrize(
    "np_histogram",
    [
        ([1, 2], [0.0, 0.5, 1.0]),
        (np.array([1, 2]), np.array([0.0, 0.5, 1.0])),
        np.histogram([1.0, 2.0, 2.0, 5.0], bins=7),
        np.histogram([1.0, 2.0, 2.0, 5.0], bins=7, density=True),
        [[np.int64(3)], [np.float32(0), 1]],
    ],
)
def test_a_ready_histogram_is_kept_as_it_is(np_histogram: Any) -> None:
    histogram = Histogram(np_histogram=np_histogram)
    counts, edges = histogram.to_numpy()
    assert np.array_equal(counts, np_histogram[0])
    assert np.array_equal(edges, np_histogram[1])


@given(st.lists(st.floats(), min_size=1, max_size=20), st.integers(1, 30))
@settings(deadline=None)
def test_the_record_reads_back(values: list[float], bins: int) -> None:
    histogram = Histogram(values, num_bins=bins)
    record = msgspec.json.decode(msgspec.json.encode(histogram.to_record(BLOBS)))
    back = Histogram.from_record(record, BLOBS)
    assert back == histogram
    assert hash(back) == hash(histogram)
    assert [type(count) for count in back.histogram] == [int] * bins


def test_the_record_has_the_usual_keys() -> None:
    assert Histogram(np_histogram=([1, 2], [0, 1, 2])).to_record(BLOBS) == {
        "_type": "histogram",
        "values": [1, 2],
        "bins": [0, 1, 2],
    }
    assert Histogram([1.0, math.nan]).to_record(BLOBS)["left_out"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "one of them"),
        ({"sequence": [1], "np_histogram": ([1], [0, 1])}, "one of them"),
        ({"sequence": []}, "no values"),
        ({"sequence": np.zeros((0, 3))}, "no values"),
        ({"sequence": ["a"]}, "of type"),
        ({"sequence": "text"}, "of type"),
        ({"sequence": [1j]}, "of type"),
        ({"sequence": [1, object()]}, "no numbers"),
        ({"sequence": [[1, 2], [3]]}, "cannot be made an array"),
        ({"sequence": [1], "num_bins": 0}, "num_bins is 0"),
        ({"sequence": [1], "num_bins": 513}, "num_bins is 513"),
        ({"sequence": [1], "num_bins": 1.5}, "num_bins is 1.5"),
        ({"sequence": [1], "num_bins": True}, "num_bins is True"),
        ({"np_histogram": [1, 2, 3]}, "np_histogram is a list"),
        ({"np_histogram": 3}, "np_histogram is an int"),
        ({"np_histogram": ([1, 2], [0, 1])}, "2 counts and 2 edges"),
        ({"np_histogram": ([], [0])}, "0 bins"),
        ({"np_histogram": ([1] * 513, list(range(514)))}, "513 bins"),
        ({"np_histogram": ([1], [1, 0])}, "do not ascend"),
        ({"np_histogram": ([math.nan], [0, 1])}, "hold nan"),
        ({"np_histogram": ([1], [0, math.inf])}, "hold inf"),
        ({"np_histogram": ([[1]], [0, 1])}, "hold"),
        ({"np_histogram": ("1", "01")}, "are a str"),
    ],
)
def test_a_wrong_histogram_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Histogram(**arguments)
    assert caught.value.hint


def test_histograms_differ_by_counts_edges_and_what_was_left_out() -> None:
    assert Histogram([1, 2]) != Histogram([1, 2, math.nan])
    assert Histogram([1, 2]) != Histogram([1, 2], num_bins=3)
    assert Histogram([1, 2]) != [1, 2]
