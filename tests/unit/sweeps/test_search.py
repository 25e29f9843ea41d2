"""What each method promises beyond the contract of searchers."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings

from swath.sweeps.search import History, Observation, Searcher, make_searcher, rng_for
from swath.sweeps.search.random import Random
from swath.sweeps.search.unseen import walk_unseen
from swath.sweeps.space import Config, SearchSpace
from swath.sweeps.spec import SweepSpec
from swath.sweeps.testing.searchers import copied
from swath.sweeps.testing.strategies import Parameter, spaces

EVERYTHING: dict[str, Any] = {
    "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1},
    "x": {"min": -1.0, "max": 1.0},
    "width": {"min": 16, "max": 512},
    "drop": {"distribution": "q_uniform", "min": 0, "max": 0.5, "q": 0.1},
    "noise": {"distribution": "q_log_normal", "q": 0.5},
    "tilt": {"distribution": "normal", "mu": 2, "sigma": 3},
    "share": {"distribution": "beta", "a": 2, "b": 5},
    "batch": {"values": [128, 16, 64, 32]},
    "weights": {"values": [0, 1, 2], "probabilities": [0.2, 0.3, 0.5]},
    "net": {"parameters": {"kind": {"values": ["mlp", "cnn", None]}, "bias": {"values": [True, False]}}},
    "shape": {"values": [[8], [8, 8], {"a": 1}]},
    "fixed": {"value": "same"},
}


STARTUP = 10


def tpe(space: SearchSpace) -> Searcher:
    return make_searcher(SweepSpec("tpe", {}), space)


def cost(config: Config) -> float:
    return float((math.log10(config["lr"]) + 3) ** 2 + config["x"] ** 2 + abs(config["batch"] - 64) / 64)


def run(
    searcher: Searcher, space: SearchSpace, history: History, trials: range, value: Any = cost
) -> list[Config | None]:
    configs: list[Config | None] = []
    for number in trials:
        suggestion = searcher.suggest(history, number, rng_for(1, number))
        configs.append(suggestion.config if suggestion else None)
        if suggestion is None:
            break
        result = value(suggestion.config)
        put(history, space, Observation(number, suggestion.config, "finished", result, result, result))
    return configs


def put(history: History, space: SearchSpace, observation: Observation) -> None:
    history.put(observation, space.point_hash(observation.config))


@settings(max_examples=25)
@given(spaces())
def test_tpe_searches_every_kind_of_parameter(parameters: Parameter) -> None:
    space = SearchSpace.from_parameters(parameters)
    history = History()
    for config in run(tpe(space), space, history, range(1, STARTUP + 4), lambda config: len(str(config)) / 7):
        assert config is None or space.contains(config)


def test_tpe_keeps_the_types_of_all_values_and_finds_a_better_one_than_its_start() -> None:
    space = SearchSpace.from_parameters(EVERYTHING)
    configs = [config for config in run(tpe(space), space, History(), range(1, 61)) if config]
    assert all(space.contains(config) for config in configs)
    assert {type(config["width"]) for config in configs} == {int}
    assert {type(config["net"]["bias"]) for config in configs} == {bool}
    costs = [cost(config) for config in configs]
    assert min(costs[STARTUP:]) < min(costs[:STARTUP])


def test_tpe_beats_random_on_the_same_budget_in_ordered_lists() -> None:
    rates = [10 ** -(k / 2) for k in range(12)]
    grid = {"lr": {"values": rates}, **{name: {"values": [1, 2, 4, 8, 16, 32]} for name in ("a", "b", "c")}}
    space = SearchSpace.from_parameters(grid)

    def bowl(config: Config) -> float:
        return abs(math.log10(config["lr"]) + 2.5) + sum(abs(math.log2(config[name]) - 3) for name in "abc")

    def best(searcher: Searcher) -> float:
        return min(bowl(config) for config in run(searcher, space, History(), range(1, 61), bowl) if config)

    assert best(tpe(space)) < best(Random(space))


def test_tpe_keeps_a_name_with_a_dot_apart_from_a_nested_one() -> None:
    space = SearchSpace.from_parameters(
        {"a.b": {"min": 0.0, "max": 1.0}, "a": {"parameters": {"b": {"min": 100.0, "max": 200.0}}}}
    )
    configs = run(tpe(space), space, History(), range(1, STARTUP + 6), lambda config: float(config["a.b"]))
    assert all(config is not None and space.contains(config) for config in configs)


def test_tpe_maximises_when_asked() -> None:
    space = SearchSpace.from_parameters({"x": {"min": 0.0, "max": 1.0}})
    history = History(goal="maximize")
    configs = run(tpe(space), space, history, range(1, 41), lambda config: config["x"])
    assert max(config["x"] for config in configs if config) > 0.97
    assert sorted(config["x"] for config in configs[-20:] if config)[10] > 0.75


def test_a_new_searcher_suggests_the_same_after_any_order_of_reports() -> None:
    space = SearchSpace.from_parameters(EVERYTHING)
    history, searcher = History(), tpe(space)
    pending: list[Observation] = []
    for number in range(1, 31):
        suggestion = searcher.suggest(history, number, rng_for(1, number))
        assert suggestion is not None
        put(history, space, Observation(number, suggestion.config, "running"))
        result = cost(suggestion.config)
        pending.append(Observation(number, suggestion.config, "finished", result, result, result))
        if len(pending) == 4:
            put(history, space, pending.pop(2 if number % 3 else 0))
    expected = searcher.suggest(history, 31, rng_for(1, 31))
    assert expected is not None
    assert tpe(space).suggest(copied(history), 31, rng_for(1, 31)) == expected


def test_another_seed_gives_another_suggestion() -> None:
    space = SearchSpace.from_parameters(EVERYTHING)
    history, searcher = History(), tpe(space)
    run(searcher, space, history, range(1, 16))
    told = [searcher.suggest(history, 16, rng_for(seed, 16)) for seed in (1, 2)]
    assert told[0] != told[1]


def test_results_that_are_no_numbers_count_as_the_worst() -> None:
    space = SearchSpace.from_parameters({"x": {"min": 0.0, "max": 1.0}})

    def broken_below_half(config: Config) -> float:
        return float("nan") if config["x"] < 0.5 else -config["x"]

    history = History()
    configs = [c["x"] for c in run(tpe(space), space, history, range(1, 61), broken_below_half) if c]
    assert sum(x >= 0.5 for x in configs[-20:]) >= 15


@pytest.mark.parametrize(("impute", "good"), [("worst", False), ("latest", False), ("best", True)])
def test_a_failed_trial_counts_as_the_metric_says(impute: Any, good: bool) -> None:
    """Trials below one half fail after a good best value and a bad last one: only `best` keeps the search there."""
    space = SearchSpace.from_parameters({"x": {"min": 0.0, "max": 1.0}})
    history, searcher = History(impute=impute), tpe(space)
    chosen = []
    for number in range(1, 61):
        suggestion = searcher.suggest(history, number, rng_for(1, number))
        assert suggestion is not None
        config = suggestion.config
        chosen.append(config["x"])
        if config["x"] < 0.5:
            put(history, space, Observation(number, config, "failed", None, latest=9.0, best=-9.0))
        else:
            put(history, space, Observation(number, config, "finished", -config["x"]))
    assert (sum(x < 0.5 for x in chosen[-20:]) >= 15) == good


def test_a_running_trial_counts_as_running_unless_the_metric_says_otherwise() -> None:
    space = SearchSpace.from_parameters({"x": {"min": 0.0, "max": 1.0}})
    reasons = []
    for impute in (None, "latest"):
        history = History(impute_while_running=impute)
        run(tpe(space), space, history, range(1, 13), lambda config: config["x"])
        put(history, space, Observation(13, {"x": 0.2}, "running", None, 0.1, 0.1))
        suggestion = tpe(space).suggest(history, 14, rng_for(1, 14))
        assert suggestion is not None
        reasons.append(suggestion.reason)
    assert reasons == [
        "tpe: learned from 12 finished and 1 running trials",
        "tpe: learned from 13 finished and 0 running trials",
    ]


def test_a_failed_trial_that_runs_again_counts_as_its_new_result() -> None:
    space = SearchSpace.from_parameters({"x": {"min": 0.0, "max": 1.0}})
    history, searcher = History(), tpe(space)
    run(searcher, space, history, range(1, 13), lambda config: config["x"])
    for state, value in [("failed", None), ("running", None), ("finished", -5.0)]:
        put(history, space, Observation(13, {"x": 0.7}, state, value))
        kept = searcher.suggest(history, 14, rng_for(1, 14))
        assert kept == tpe(space).suggest(copied(history), 14, rng_for(1, 14))


def test_trials_from_another_space_are_left_out() -> None:
    space = SearchSpace.from_parameters({"x": {"min": 0.0, "max": 1.0}})
    history = History()
    for number in range(1, 20):
        put(history, space, Observation(number, {"x": 5.0}, "finished", 1.0))
    suggestion = tpe(space).suggest(history, 20, rng_for(1, 20))
    assert suggestion is not None
    assert "random draw" in suggestion.reason


def test_random_draws_follow_the_weights() -> None:
    space = SearchSpace.from_parameters(
        {"w": {"values": ["a", "b"], "probabilities": [0.9, 0.1]}, "x": {"min": 0.0, "max": 1.0}}
    )
    configs = run(Random(space), space, History(), range(1, 401), len)
    counts = Counter(config["w"] for config in configs if config)
    assert 330 < counts["a"] < 390


@pytest.mark.parametrize("method", ["random", "qmc", "tpe", "nsga2"])
def test_a_rare_point_is_still_handed_out(method: str) -> None:
    parameters = {"w": {"values": [1, 2, 3], "probabilities": [0.999998, 1e-6, 1e-6]}}
    space = SearchSpace.from_parameters(parameters)
    searcher = make_searcher(SweepSpec(method, parameters), space)
    configs = run(searcher, space, History(), range(1, 9), lambda config: float(config["w"]))
    assert sorted(config["w"] for config in configs[:-1] if config) == [1, 2, 3]
    assert configs[-1] is None


def test_quantised_bells_are_not_repeated_either() -> None:
    space = SearchSpace.from_parameters({"n": {"distribution": "q_normal", "mu": 0, "sigma": 1, "q": 2}})
    configs = run(Random(space), space, History(), range(1, 50), len)
    assert configs[-1] is None
    values = [config["n"] for config in configs if config]
    assert len(values) == len(set(values)) == space.size


def test_a_billion_points_are_no_burden() -> None:
    space = SearchSpace.from_parameters({f"p{digit}": {"min": 0, "max": 9} for digit in range(9)})
    configs = run(Random(space), space, History(), range(1, 51), len)
    assert len({space.point_hash(config) for config in configs if config}) == 50
    assert walk_unseen(space, {space.point_hash(space.point(5))}, rng_for(1, 1)) is not None


def test_the_door_to_optuna_opens_with_the_first_model_only() -> None:
    program = (
        "import sys; from swath.sweeps.search import *; from swath.sweeps.spec import parse_spec;"
        "from swath.sweeps.space import SearchSpace;"
        "spec = parse_spec('{method: bayes, metric: {name: m}, parameters: {a: {min: 0.0, max: 1.0}}}');"
        "numpy = 'numpy' in sys.modules; searcher = make_searcher(spec, SearchSpace.from_parameters(spec.parameters));"
        "searcher.suggest(make_history(spec), 1, rng_for(0, 1)); print(numpy, 'optuna' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
