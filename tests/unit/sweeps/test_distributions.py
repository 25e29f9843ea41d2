"""The laws of every distribution."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.sweeps.distributions import Categorical, Constant, Quantised, Uniform, key_of, make_distribution
from swath.sweeps.testing.strategies import Parameter, finite_parameters, parameters

UNIT = st.floats(0, 1)
INNER = st.floats(1e-6, 1 - 1e-6)


@given(parameters(), UNIT)
def test_every_quantile_is_a_possible_value(parameter: Parameter, u: float) -> None:
    distribution = make_distribution(parameter)
    assert distribution.contains(distribution.ppf(u))


@given(parameters(), INNER)
def test_a_value_goes_to_the_cube_and_back_unchanged(parameter: Parameter, u: float) -> None:
    distribution = make_distribution(parameter)
    value = distribution.ppf(u)
    back = distribution.ppf(distribution.to_unit(value))
    if distribution.size is None:
        assert back == pytest.approx(value, rel=1e-6, abs=1e-6)
    else:
        assert key_of(back) == key_of(value)


@given(parameters(), UNIT, UNIT)
def test_quantiles_of_ordered_ranges_rise(parameter: Parameter, u: float, v: float) -> None:
    distribution = make_distribution(parameter)
    if distribution.ordered and "values" not in parameter:
        assert distribution.ppf(min(u, v)) <= distribution.ppf(max(u, v))


@given(finite_parameters())
def test_the_values_of_a_finite_distribution_are_distinct_and_indexed(parameter: Parameter) -> None:
    distribution = make_distribution(parameter)
    values = list(distribution.values())
    assert len({key_of(value) for value in values}) == distribution.size
    assert [distribution.index_of(value) for value in values] == list(range(len(values)))
    assert all(distribution.contains(value) for value in values)


@given(st.floats(-3, 3), st.floats(0.2, 9), st.sampled_from([0.1, 0.25, 1, 2]), INNER)
def test_a_quantised_value_is_one_of_the_counted_ones(low: float, width: float, q: float, u: float) -> None:
    distribution = Quantised(Uniform(low, low + width), q)
    assert distribution.ppf(u) in list(distribution.values())


def test_whole_steps_give_ints_and_others_floats() -> None:
    assert [type(Quantised(Uniform(0, 10), q).ppf(0.7)) for q in (2, 2.0, 0.5)] == [int, float, float]


def test_equal_options_count_once_but_weigh_twice() -> None:
    options = Categorical((1, 1.0, True, 2))
    assert options.size == 3
    assert [options.ppf(u) for u in (0.0, 0.49, 0.5, 0.99)] == [1, 1, True, 2]


def test_an_option_without_weight_never_comes() -> None:
    options = Categorical(("a", "b", "c"), (0.0, 1.0, 0.0))
    assert {options.ppf(u / 100) for u in range(101)} == {"b"}
    assert options.size == 1
    assert not options.contains("a")


def test_numbers_and_booleans_are_told_apart() -> None:
    assert Constant(1).contains(1.0)
    assert not Constant(1).contains(True)
    assert key_of(-0.0) == key_of(0)
    assert key_of([math.nan]) == key_of([float("nan")]) != key_of(["nan"])


def test_no_spread_is_one_value() -> None:
    normal = make_distribution({"distribution": "q_normal", "mu": 3.5, "sigma": 0, "q": 1})
    assert (normal.size, normal.ppf(0.01)) == (1, 4)
    assert make_distribution({"distribution": "log_normal", "sigma": 0}).size == 1


def test_scipy_is_loaded_by_beta_only() -> None:
    program = (
        "import sys; from swath.sweeps.distributions import *; Normal().ppf(.3); Quantised(LogUniform(1, 9)).size;"
        "print('scipy' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
