"""The laws of the search space: membership, the cube, hashes and the grid."""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.sweeps.space import SearchSpace, value_in
from swath.sweeps.testing.strategies import Parameter, finite_parameters, spaces


def make(**parameters: Any) -> SearchSpace:
    return SearchSpace.from_parameters(parameters)


def cube_of(space: SearchSpace, data: st.DataObject) -> list[float]:
    return [data.draw(st.floats(1e-6, 1 - 1e-6)) for _ in space.searched]


@given(spaces(), st.data())
def test_a_config_from_the_cube_is_contained_and_comes_back(parameters: Parameter, data: st.DataObject) -> None:
    space = SearchSpace.from_parameters(parameters)
    config = space.from_unit(cube_of(space, data))
    assert space.contains(config)
    back = space.from_unit(space.to_unit(config))
    for leaf in space.leaves:
        value, same = value_in(config, leaf.path), value_in(back, leaf.path)
        assert same == (pytest.approx(value, rel=1e-6, abs=1e-6) if leaf.distribution.size is None else value)


@given(spaces(finite_parameters()), st.data())
def test_a_hash_survives_reordering_and_json_and_tells_points_apart(parameters: Parameter, data: st.DataObject) -> None:
    space = SearchSpace.from_parameters(parameters)
    config = space.from_unit(cube_of(space, data))
    other = space.from_unit(cube_of(space, data))
    assert space.point_hash(dict(reversed(config.items()))) == space.point_hash(config)
    assert space.point_hash(json.loads(json.dumps(config))) == space.point_hash(config)
    assert space.to_unit(config) == space.to_unit(other) or space.point_hash(config) != space.point_hash(other)


@given(spaces(finite_parameters()))
def test_points_are_as_many_as_the_size_and_all_different(parameters: Parameter) -> None:
    space = SearchSpace.from_parameters(parameters)
    assert space.size is not None
    count = min(space.size, 200)
    assert len({space.point_hash(space.point(index)) for index in range(count)}) == count


def test_a_config_with_a_key_too_many_or_too_few_is_not_contained() -> None:
    space = make(a={"min": 0.0, "max": 1.0}, b={"parameters": {"c": {"values": [1, 2]}}})
    assert space.contains({"a": 0.5, "b": {"c": 1}})
    for config in (
        {"a": 0.5},
        {"a": 0.5, "b": 1},
        {"a": 0.5, "b": {"c": 1, "d": 1}},
        {"a": 2, "b": {"c": 1}},
    ):
        assert not space.contains(config)


def test_hashes_take_the_value_for_what_it_means() -> None:
    space = make(x={"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.1}, y={"values": [0, 1, True]})
    assert space.point_hash({"x": 0.3, "y": 1}) == space.point_hash({"y": 1.0, "x": 3 * 0.1})
    assert space.point_hash({"x": 0.0, "y": 0}) == space.point_hash({"x": -0.0, "y": -0.0})
    assert space.point_hash({"x": 0.0, "y": 1}) != space.point_hash({"x": 0.0, "y": True})
    assert space.point_hash({"x": 0.0, "y": 1, "z": 1}) != space.point_hash({"x": 0.0, "y": 1})


def test_changing_a_config_changes_no_other() -> None:
    space = make(layers={"value": [8, 8]}, shape={"values": [{"a": 1}, {"a": 2}]})
    config = space.from_unit([0.1])
    before = copy.deepcopy(config)
    config["layers"].append(9)
    config["shape"]["a"] = 5
    assert space.from_unit([0.1]) == before


def test_the_last_name_varies_fastest_at_every_level() -> None:
    space = make(b={"values": [1, 2]}, a={"parameters": {"z": {"values": ["x", "y"]}, "c": {"min": 0, "max": 1}}})
    order = [(p["a"]["c"], p["a"]["z"], p["b"]) for p in map(space.grid_point, range(space.grid_size))]
    assert order == list(itertools.product([0, 1], ["x", "y"], [1, 2]))


def test_a_grid_of_a_billion_points_costs_nothing() -> None:
    space = SearchSpace.from_parameters({f"p{digit}": {"min": 0, "max": 9} for digit in range(9)})
    assert space.grid_size == 10**9
    assert "".join(map(str, space.grid_point(123_456_789).values())) == "123456789"


def test_the_points_of_a_grid_are_contained_where_steps_start_off_a_multiple() -> None:
    space = make(n={"distribution": "q_uniform", "min": 1, "max": 8, "q": 2})
    points = [space.grid_point(index) for index in range(space.grid_size)]
    assert points == [{"n": 1}, {"n": 3}, {"n": 5}, {"n": 7}]
    assert all(map(space.contains, points))


def test_what_a_grid_cannot_enumerate_is_named() -> None:
    space = make(
        a={"min": 0.0, "max": 1.0},
        b={"parameters": {"c": {"distribution": "q_normal"}}},
        d={"values": [1, 2], "probabilities": [0.5, 0.5]},
        e={"min": 1, "max": 2},
    )
    assert [path for path, _ in space.grid_faults()] == [("a",), ("b", "c"), ("d",)]
