"""What users hand over becomes plain data, the same whichever library it comes from."""

from __future__ import annotations

import datetime
import decimal
import enum
import math
import uuid
from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swath.tracking.runlog.encoding import plain_row, to_plain, to_plain_dict
from swath.tracking.runlog.records import Row


class Kind(enum.Enum):
    ADAM = "adam"


class Level(enum.IntEnum):
    HIGH = 3


Point = namedtuple("Point", "x y")


class Tensor:
    """What a torch tensor shows of itself."""

    def __init__(self, values: list[float], shape: tuple[int, ...]) -> None:
        self.values, self.shape = values, shape

    def detach(self) -> Tensor:
        return Tensor(self.values, self.shape)

    def item(self) -> float:
        return self.values[0]

    def tolist(self) -> list[float]:
        return self.values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(0.5), 0.5),
        (np.array(7), 7),
        (np.array([1.5, 2.5]), [1.5, 2.5]),
        (Tensor([0.25], ()), 0.25),
        (Tensor([1.0, 2.0], (2,)), [1.0, 2.0]),
        (datetime.datetime(2024, 1, 2, 3), "2024-01-02T03:00:00"),
        (datetime.timedelta(minutes=1), 60.0),
        (Path("a/b"), "a/b"),
        (Kind.ADAM, "adam"),
        (Level.HIGH, 3),
        ({3, 1}, [1, 3]),
        ((1, (2,)), [1, [2]]),
        (Point(1, 2), [1, 2]),
        (range(3), [0, 1, 2]),
        (decimal.Decimal("1.5"), 1.5),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (OrderedDict(a=1), {"a": 1}),
        (2**70, float(2**70)),
        (-(10**400), -math.inf),
        ("\ud800x", "\\ud800x"),
    ],
)
def test_a_value_becomes_plain(value: Any, expected: Any) -> None:
    plain = to_plain(value, "x")
    assert plain == expected
    assert type(plain) is type(expected)


class Custom:
    def __str__(self) -> str:
        return "custom"


def test_lenient_writes_down_what_has_no_plain_form() -> None:
    assert to_plain_dict({1: Custom(), "f": np.mean}, lenient=True) == {"1": "custom", "f": "numpy.mean"}


def test_plain_data_is_not_copied() -> None:
    data = {"a": 1.0, "b": "x", "c": None, "d": True}
    assert plain_row(data) is data


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(st.characters()), inner),
        max_leaves=10,
    )
)
def test_whatever_is_plain_can_be_encoded_and_read_back(value: Any) -> None:
    plain = to_plain({"x": value}, "")
    payload = msgspec.msgpack.encode(Row(0, 0.0, plain))
    assert repr(msgspec.msgpack.decode(payload, type=Row).values) == repr(plain)
