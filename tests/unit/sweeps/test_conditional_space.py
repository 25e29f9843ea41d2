"""The laws of spaces with conditions, choices and constraints."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.sweeps.space import SearchSpace, SpaceFault, read_leaves
from swath.sweeps.testing.strategies import Parameter, conditional_spaces

MODEL: Parameter = {
    "lr": {"values": [0.1, 0.01]},
    "momentum": {"values": [0.0, 0.9, 0.99], "when": {"optimizer": "sgd"}},
    "optimizer": {"values": ["sgd", "adam"]},
    "model": {
        "choice": {
            "mlp": {"parameters": {"width": {"values": [16, 32]}, "depth": {"values": [1, 2, 3]}}},
            "forest": {"parameters": {"trees": {"values": [10, 100]}, "depth": {"values": [4, 5]}}},
            "linear": None,
        }
    },
}


def cube_of(space: SearchSpace, data: st.DataObject) -> list[float]:
    return [data.draw(st.floats(1e-6, 1 - 1e-6)) for _ in space.searched]


@given(conditional_spaces(), st.data())
def test_a_config_from_the_cube_is_contained_and_comes_back(parameters: Parameter, data: st.DataObject) -> None:
    space = SearchSpace.from_parameters(parameters)
    config = space.from_unit(cube_of(space, data))
    assert space.contains(config)
    assert space.from_unit(space.to_unit(config)) == config
    there = [coordinate is not None for coordinate in space.coordinates(config)]
    assert len(there) == len(space.searched)


@given(conditional_spaces())
def test_points_are_as_many_as_the_size_and_all_different(parameters: Parameter) -> None:
    space = SearchSpace.from_parameters(parameters)
    assert space.size is not None
    points = [space.point(index) for index in range(min(space.size, 300))]
    assert len({space.point_hash(point) for point in points}) == len(points)
    assert all(space.contains(point) for point in points)
    with pytest.raises(IndexError):
        space.point(space.size)


@given(conditional_spaces())
def test_the_points_are_those_of_the_cube_with_dead_values_dropped(parameters: Parameter) -> None:
    space = SearchSpace.from_parameters(parameters)
    sizes = [leaf.distribution.size or 1 for leaf in space.searched]
    if space.size is None or space.size > 500 or len(sizes) > 6:
        return
    grids = [
        [leaf.distribution.value_at(k) for k in range(min(leaf.distribution.size or 1, 6))] for leaf in space.searched
    ]
    if any(size > 6 for size in sizes):
        return
    dropped = {space.point_hash(space.from_values(values)) for values in itertools.product(*grids)}
    assert dropped == {space.point_hash(space.point(index)) for index in range(space.size)}


def test_only_live_branches_are_multiplied() -> None:
    space = SearchSpace.from_parameters(MODEL)
    assert space.size == 2 * (3 + 1) * (2 * 3 + 2 * 2 + 1)
    assert space.grid_size == space.size
    configs = [space.grid_point(index) for index in range(space.size)]
    assert all(("momentum" in config) == (config["optimizer"] == "sgd") for config in configs)
    assert {frozenset(config["model"]) for config in configs} == {
        frozenset({"choice"}),
        frozenset({"choice", "width", "depth"}),
        frozenset({"choice", "trees", "depth"}),
    }


def test_branches_may_use_one_name_for_different_parameters() -> None:
    space = SearchSpace.from_parameters(MODEL)
    base: dict[str, Any] = {"lr": 0.1, "optimizer": "adam"}
    assert space.contains({**base, "model": {"choice": "forest", "trees": 10, "depth": 5}})
    assert not space.contains({**base, "model": {"choice": "forest", "trees": 10, "depth": 1}})
    assert space.contains({**base, "model": {"choice": "linear"}})
    assert not space.contains({**base, "model": {"choice": "linear", "depth": 4}})
    assert not space.contains({**base, "momentum": 0.9, "model": {"choice": "linear"}})
    assert [leaf.name for leaf in space.leaves if leaf.path == ("model", "depth")] == [
        "model.forest.depth",
        "model.mlp.depth",
    ]


def test_a_huge_grid_is_numbered_without_being_made() -> None:
    wide = {"distribution": "int_uniform", "min": 0, "max": 999_999_999}
    space = SearchSpace.from_parameters({"a": wide, "b": {"values": [1, 2], "when": {"a": [7, 10**8]}}, "c": wide})
    assert space.size == (10**9 + 2) * 10**9
    assert space.point(space.size - 1) == {"a": 999_999_999, "c": 999_999_999}
    assert space.point(8 * 10**9) == {"a": 7, "b": 2, "c": 0}


def test_a_condition_finds_siblings_first_then_the_parameters_around() -> None:
    space = SearchSpace.from_parameters(
        {
            "kind": {"values": ["a", "b"]},
            "net": {
                "parameters": {
                    "kind": {"values": ["x", "y"]},
                    "p": {"value": 1, "when": {"kind": "x"}},
                    "q": {"value": 2, "when": {"net.kind": "y"}},
                }
            },
            "r": {"value": 3, "when": {"net.kind": ["x", "y"], "kind": "b"}},
        }
    )
    configs = [space.point(index) for index in range(space.size or 0)]
    assert {"kind": "b", "net": {"kind": "x", "p": 1}, "r": 3} in configs
    assert {"kind": "a", "net": {"kind": "y", "q": 2}} in configs
    assert len(configs) == 4


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"a": {"value": 1, "when": {"b": 1}}}, "no parameter 'b'"),
        ({"a": {"value": 1, "when": {"a": 1}}}, "cannot depend on itself"),
        ({"a": {"value": 1, "when": {"b": 3}}, "b": {"values": [1, 2]}}, "never 3"),
        ({"a": {"value": 1, "when": {"b": 1}}, "b": {"value": 1, "when": {"a": 1}}}, "wait for each other"),
    ],
)
def test_a_condition_that_can_never_hold_is_a_fault(parameters: Parameter, message: str) -> None:
    faults = read_leaves(parameters)[1]
    assert [message in fault.message for fault in faults] == [True]
    assert isinstance(faults[0], SpaceFault)


def test_constraints_hold_or_speak_of_what_is_not_there() -> None:
    space = SearchSpace.from_parameters(MODEL, ["model.width * model.depth <= 32", "model != 'forest' or lr < 0.05"])
    base: dict[str, Any] = {"lr": 0.1, "optimizer": "adam"}
    assert space.contains({**base, "model": {"choice": "mlp", "width": 16, "depth": 2}})
    assert not space.contains({**base, "model": {"choice": "mlp", "width": 16, "depth": 3}})
    assert not space.contains({**base, "model": {"choice": "forest", "trees": 10, "depth": 4}})
    assert space.contains({**base, "model": {"choice": "linear"}})
