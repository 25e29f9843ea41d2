"""What `bayes` promises of the points that it compares, and how it begins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from swath.sweeps.search.candidates import Candidates, most_apart
from swath.sweeps.search.distances import Array
from swath.sweeps.search.layout import Layout, keys_of
from swath.sweeps.space import SearchSpace
from swath.sweeps.testing.strategies import Parameter, spaces

NESTED: dict[str, Any] = {
    "model": {"values": ["svm", "forest", "mlp"]},
    "c": {"distribution": "log_uniform_values", "min": 1e-3, "max": 1e3, "when": {"model": "svm"}},
    "trees": {"min": 10, "max": 500, "when": {"model": "forest"}},
    "depth": {"values": [2, 4, 8, 16], "when": {"model": ["forest", "mlp"]}},
    "drop": {"values": [True, False], "when": {"model": "mlp"}},
    "rate": {"min": 0.0, "max": 0.9, "when": {"drop": True}},
}


def bowl(points: Array) -> Array:
    return np.asarray(-((np.nan_to_num(points, nan=0.5) - 0.25) ** 2).sum(axis=1))


@settings(max_examples=50)
@given(spaces())
def test_a_point_leads_to_a_config_and_the_config_back_to_the_point(parameters: Parameter) -> None:
    space = SearchSpace.from_parameters(parameters)
    layout = Layout(space)
    for point in layout.anywhere(5, np.random.default_rng(0)):
        config = layout.config_of(point)
        assert space.contains(config)
        again = layout.point_of(config)
        assert layout.point_of(layout.config_of(again)) == pytest.approx(again, nan_ok=True)
        assert np.array_equal(np.isnan(again), np.isnan(point))
        assert again[layout.sizes > 0] == pytest.approx(point[layout.sizes > 0], nan_ok=True)


def test_axes_that_are_not_there_have_no_coordinate() -> None:
    space = SearchSpace.from_parameters(NESTED)
    layout = Layout(space)
    rng = np.random.default_rng(1)
    points = layout.anywhere(200, rng)
    around = np.concatenate([layout.near(point, rng) for point in points[:20]])
    for point in np.concatenate([points, around]):
        known = [coordinate is None for coordinate in space.coordinates(layout.config_of(point))]
        assert np.isnan(point).tolist() == known


def test_neighbours_open_the_other_branches() -> None:
    layout = Layout(SearchSpace.from_parameters(NESTED))
    rng = np.random.default_rng(1)
    point = next(point for point in layout.anywhere(50, rng) if layout.config_of(point)["model"] == "svm")
    assert {layout.config_of(near)["model"] for near in layout.near(point, rng)} == {"svm", "forest", "mlp"}


def test_candidates_are_new_allowed_and_each_there_once_best_first() -> None:
    space = SearchSpace.from_parameters({name: {"values": list(range(6))} for name in "abc"})
    layout = Layout(space)
    rng = np.random.default_rng(0)
    tried = layout.anywhere(60, rng)
    old = dict.fromkeys(keys_of(tried), 1)
    candidates = Candidates(layout, old, lambda points: points.sum(axis=1) <= 2)
    found = candidates.ranked(bowl, tried[:3], rng)
    keys = keys_of(found)
    assert len(set(keys)) == len(keys) > 0
    assert not set(keys) & set(old)
    assert (found.sum(axis=1) <= 2).all()
    assert (np.diff(bowl(found)) <= 0).all()


def test_the_climb_finds_the_top_of_a_real_space() -> None:
    layout = Layout(SearchSpace.from_parameters({name: {"min": 0.0, "max": 1.0} for name in "abcd"}))
    rng = np.random.default_rng(0)
    found = Candidates(layout, {}).ranked(bowl, layout.anywhere(3, rng), rng)
    assert np.abs(found[0] - 0.25).max() < 0.1


def test_the_point_most_apart_is_far_along_every_axis() -> None:
    taken = np.array([[0.1, 0.5], [0.9, 0.5]])
    draws = np.array([[0.5, 0.5], [0.1, 0.9], [0.5, 0.9]])
    assert most_apart(draws, taken, np.zeros(2, dtype=bool)) == 2
