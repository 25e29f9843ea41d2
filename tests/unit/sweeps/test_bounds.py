"""The laws of limits that name another parameter."""

from __future__ import annotations

from typing import Any

import pytest

from swath.sweeps.distributions import IntUniform, LogUniform, Quantised, Uniform
from swath.sweeps.search import History, Observation, make_searcher, rng_for
from swath.sweeps.space import SearchSpace
from swath.sweeps.spec import SweepSpec, json_schema, parse_spec
from swath.sweeps.spec.faults import SpecFaults

BATCHES: dict[str, Any] = {
    "batch_size": {"values": [128, 16, 64]},
    "micro": {"min": 1, "max": "batch_size"},
}
LEVELS: dict[str, Any] = {
    "low": {"distribution": "log_uniform_values", "min": 1e-4, "max": "high"},
    "high": {"distribution": "log_uniform_values", "min": "least", "max": 1.0},
    "least": {"value": 0.001},
    "step": {"distribution": "q_uniform", "min": 0, "max": "high", "q": 0.1},
    "net": {"parameters": {"heads": {"min": 1, "max": "width"}, "width": {"min": 2, "max": 8}}},
}
BRANCHES: dict[str, Any] = {
    "model": {
        "choice": {
            "mlp": {"parameters": {"width": {"min": 1, "max": "depth"}, "depth": {"min": 1, "max": 4}}},
            "tower": {"parameters": {"width": {"min": 1, "max": 9}, "depth": {"min": 1, "max": 4}}},
        }
    }
}


def space_of(parameters: dict[str, Any]) -> SearchSpace:
    return SearchSpace.from_parameters(parse_spec({"method": "random", "parameters": parameters}).parameters)


def texts(space: SearchSpace) -> list[str]:
    return [constraint.text for constraint in space.constraints]


def test_the_range_ends_at_the_outermost_that_the_other_can_be_and_the_constraint_does_the_rest() -> None:
    space = space_of(BATCHES)
    assert space.leaves[1].distribution == IntUniform(1, 128)
    assert texts(space) == ["micro <= batch_size"]
    assert space.contains({"batch_size": 16, "micro": 16})
    assert not space.contains({"batch_size": 16, "micro": 17})


def test_limits_follow_from_one_another_at_every_level_and_on_the_same_scale() -> None:
    space = space_of(LEVELS)
    found = {leaf.name: leaf.distribution for leaf in space.leaves}
    assert found["low"] == LogUniform(1e-4, 1.0)
    assert found["high"] == LogUniform(0.001, 1.0)
    assert found["step"] == Quantised(Uniform(0, 1.0), 0.1)
    assert found["net.heads"] == IntUniform(1, 8)
    assert sorted(texts(space)) == ["high >= least", "low <= high", "net.heads <= net.width", "step <= high"]


def test_a_real_limit_makes_a_real_range_and_a_whole_one_a_whole_range() -> None:
    real = space_of({"x": {"min": 1, "max": "y"}, "y": {"min": 0.5, "max": 4.5}})
    assert real.leaves[0].distribution == Uniform(1, 4.5)
    whole = {"x": {"distribution": "int_uniform", "min": "y", "max": 9}, "y": {"min": 0.5, "max": 4.5}}
    assert space_of(whole).leaves[0].distribution == IntUniform(1, 9)


def test_in_a_branch_it_holds_in_that_branch_only() -> None:
    space = space_of(BRANCHES)
    assert texts(space) == ["model != 'mlp' or model.width <= model.depth"]
    assert not space.contains({"model": {"choice": "mlp", "width": 3, "depth": 2}})
    assert space.contains({"model": {"choice": "mlp", "width": 2, "depth": 2}})
    assert space.contains({"model": {"choice": "tower", "width": 9, "depth": 2}})


def test_names_and_branches_of_any_form_can_be_written() -> None:
    parameters = {
        "a-b": {"min": 1, "max": "lambda"},
        "lambda": {"min": 1, "max": 3},
        "x.y": {"min": 1, "max": "true"},
        "true": {"min": 1, "max": 3},
        "net": {"choice": {"it's `one`": {"parameters": {"p": {"min": 1, "max": "q"}, "q": {"min": 1, "max": 3}}}}},
    }
    space = space_of(parameters)
    assert len(texts(space)) == 3
    config = {"a-b": 2, "lambda": 2, "x.y": 2, "true": 2, "net": {"choice": "it's `one`", "p": 2, "q": 2}}
    assert space.contains(config)
    for changed in ({"lambda": 1}, {"true": 1}, {"net": {**config["net"], "q": 1}}):  # type: ignore[dict-item]
        assert not space.contains({**config, **changed})


def test_two_that_are_there_under_the_same_condition_may_bound_each_other() -> None:
    when = {"optimizer": "sgd"}
    parameters: dict[str, Any] = {
        "optimizer": {"values": ["sgd", "adam"]},
        "warm": {"min": 0.0, "max": "peak", "when": when},
        "peak": {"min": 0.1, "max": 1.0, "when": {"optimizer": ["sgd"]}},
        "floor": {"min": 0, "max": "top", "when": {"optimizer": "adam"}},
        "top": {"min": 1, "max": 5},
    }
    space = space_of(parameters)
    assert space.contains({"optimizer": "adam", "floor": 3, "top": 3})
    assert not space.contains({"optimizer": "adam", "floor": 4, "top": 3})
    assert not space.contains({"optimizer": "sgd", "warm": 0.5, "peak": 0.4, "top": 1})


@pytest.mark.parametrize("method", ["grid", "random", "qmc", "bayes", "tpe", "cmaes", "nsga2"])
def test_every_method_keeps_to_it_and_finds_all_that_is_allowed(method: str) -> None:
    parameters = {"a": {"values": [1, 2, 4]}, "b": {"min": 1, "max": "a"}, "c": {"min": "a", "max": 5}}
    spec = SweepSpec(method, parameters)
    space = SearchSpace.from_parameters(parameters)
    searcher, history = make_searcher(spec, space, 1), History()
    found = set()
    for number in range(1, 30):
        suggestion = searcher.suggest(history, number, rng_for(1, number))
        if suggestion is None:
            break
        config = suggestion.config
        assert config["b"] <= config["a"] <= config["c"]
        found.add(tuple(config.values()))
        observation = Observation(number, config, "finished", 1.0 * number, 1.0, 1.0)
        history.put(observation, space.point_hash(config))
    assert len(found) == 1 * 5 + 2 * 4 + 4 * 2


def test_continuous_ranges_are_searched_by_bayes_within_the_limit() -> None:
    parameters = {"x": {"min": 0.0, "max": "y", "prior": 0.3}, "y": {"min": 0.0, "max": 1.0, "prior": 0.4}}
    space = SearchSpace.from_parameters(parameters)
    searcher, history = make_searcher(SweepSpec("bayes", parameters), space, 1), History()
    for number in range(1, 16):
        suggestion = searcher.suggest(history, number, rng_for(1, number))
        assert suggestion is not None
        x, y = suggestion.config["x"], suggestion.config["y"]
        assert x <= y
        value = (x - 0.6) ** 2 + (y - 0.5) ** 2
        history.put(Observation(number, suggestion.config, "finished", value, value, value), "")
    assert history.observations[1].config == {"x": 0.3, "y": 0.4}


@pytest.mark.parametrize(
    ("parameters", "path", "part"),
    [
        ({"a": {"min": 1, "max": "bb"}, "b": {"min": 1, "max": 2}}, "a.max", "name one of b"),
        ({"a": {"min": 1, "max": "a"}}, "a.max", "its own limit"),
        ({"a": {"min": 1, "max": "b"}, "b": {"min": "a", "max": 9}}, "b.min", "wait for each other"),
        ({"a": {"min": 1, "max": "b"}, "b": {"values": ["x", 2]}}, "a.max", "no number parameter"),
        ({"a": {"min": 1, "max": "b"}, "b": {"value": True}}, "a.max", "no number parameter"),
        ({"a": {"min": 1, "max": "b"}, "b": {"parameters": {"c": {"value": 1}}}}, "a.max", "no number parameter"),
        ({"a": {"min": 1, "max": "b"}, "b": {"distribution": "normal"}}, "a.max", "no limit of its own"),
        ({"a": {"min": 3, "max": "b"}, "b": {"min": 1, "max": 3}}, "a.max", "the range is empty"),
        ({"a": {"min": "b", "max": 3}, "b": {"min": 3, "max": 9}}, "a.min", "the least that 'b' can be, 3"),
        (
            {"a": {"distribution": "log_uniform_values", "min": "b", "max": 3}, "b": {"min": 0, "max": 1}},
            "a.min",
            "above 0",
        ),
        (
            {"k": {"values": [1, 2]}, "a": {"min": 1, "max": "b"}, "b": {"min": 1, "max": 9, "when": {"k": 1}}},
            "a.max",
            "not always there",
        ),
        ({"a": {"distribution": "int_uniform", "min": 1.5, "max": "b"}, "b": {"min": 1, "max": 9}}, "a.min", "whole"),
        ({"a": {"min": 1, "max": "b + 1"}, "b": {"min": 1, "max": 9}}, "a.max", "must be a number"),
        ({"a": {"min": 1, "max": "b", "prior": 10}, "b": {"min": 1, "max": 9}}, "a.prior", "from 1 to 9"),
    ],
)
def test_a_limit_that_cannot_be_is_a_fault_with_its_remedy(parameters: dict[str, Any], path: str, part: str) -> None:
    with pytest.raises(SpecFaults) as caught:
        parse_spec({"method": "random", "parameters": parameters})
    (fault,) = caught.value.faults
    assert fault.path == f"parameters.{path}"
    assert part in f"{fault.message} {fault.hint}"


def test_a_limit_that_no_configuration_can_keep_is_said() -> None:
    parameters = {"a": {"min": 1, "max": "b"}, "b": {"min": 1, "max": 2}}
    with pytest.raises(SpecFaults, match="a <= b"):
        parse_spec({"method": "random", "parameters": parameters, "constraints": ["a > 1", "b < 2"]})


def test_a_spec_keeps_its_names_and_the_schema_takes_them() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    source = {"method": "random", "parameters": {**LEVELS, **BATCHES}}
    spec = parse_spec(source)
    assert parse_spec(spec.to_dict()) == spec
    assert spec.to_dict()["parameters"]["micro"]["max"] == "batch_size"
    jsonschema.Draft202012Validator(json_schema()).validate(source)


def test_an_edit_may_bind_a_parameter_to_another(bench: Any) -> None:
    free = {
        "method": "grid",
        "parameters": {"a": {"values": [1, 2]}, "b": {"min": 1, "max": 2}},
        "metric": {"name": "loss"},
        "seed": 1,
    }
    b = bench(free)
    trial = b.take()
    b.finish(trial, 0.5)
    bound = {**free, "parameters": {"a": {"values": [1, 2]}, "b": {"min": 1, "max": "a"}}}
    edited = b.workspace.edit(b.sweep, parse_spec(bound))
    assert edited.changes == {"parameters.b.max": (2, "a")}
    assert edited.kept == 1
    configs = [trial.config]
    for _ in range(2):
        trial = b.take()
        configs.append(trial.config)
        b.finish(trial, 0.5)
    assert sorted((c["a"], c["b"]) for c in configs) == [(1, 1), (2, 1), (2, 2)]
