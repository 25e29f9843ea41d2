"""The laws of expressions: arithmetic over parameters, and nothing else."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.sweeps.space import Expression, ExpressionFault

VALUES: dict[str, Any] = {
    "width": 64,
    "depth": 2,
    "opt": "adam",
    "net.lr": 0.1,
    "batch-size": 8,
    "flag": True,
    "a.b-c": 3,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("width * depth <= 4096", True),
        ("width / depth", 32.0),
        ("1 < depth < 3", True),
        ("opt in ['adam', 'sgd'] and not flag", False),
        ("net.lr * 10 == 1.0", True),
        ("`batch-size` + `a.b-c`", 11),
        ("log2(width) if flag else 0", 6.0),
        ("max(width, 2 ** 7, -1)", 128.0),
        ("flag == true or opt == null", True),
        ("width % 10 + width // 10", 10),
    ],
)
def test_arithmetic_over_parameters_is_worked_out(text: str, value: Any) -> None:
    assert Expression(text).value(VALUES) == value


def test_the_names_are_the_parameters_that_it_speaks_of() -> None:
    assert Expression("net.lr * max(width, `batch-size`) < 3 or true").names == {"net.lr", "width", "batch-size"}


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "open('x')", "[x for x in y]", "lambda: 1", "f'{width}'",
        "width = 3", "width[0]", "a := 1", "width @ depth", "1 << 90", "max(*width)", "min(key=1)", "b'x'", "1j", "",
        "(", "{}", "...", "a" * 2000, "-" * 200 + "1", "(" * 300 + "1" + ")" * 300,
    ],
)  # fmt: skip
def test_anything_else_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(ExpressionFault):
        Expression(text)


def test_an_attribute_is_a_nested_parameter_and_nothing_of_the_value() -> None:
    assert Expression("width.__class__ == 1").value(VALUES) is None


def test_an_absent_parameter_makes_it_say_nothing() -> None:
    assert Expression("momentum < 0.5").value(VALUES) is None
    assert Expression("momentum < 0.5").holds(VALUES)


@pytest.mark.parametrize("text", ["width / 0 > 1", "opt < 3", "log(-1) < 0", "'a' * 10 == 1", "9.0 ** 9999 > 1"])
def test_what_cannot_be_worked_out_does_not_hold(text: str) -> None:
    assert not Expression(text).holds(VALUES)


@given(st.text(max_size=40))
def test_any_text_is_an_expression_or_a_fault(text: str) -> None:
    with contextlib.suppress(ExpressionFault):
        assert Expression(text).holds(VALUES) in (True, False)
