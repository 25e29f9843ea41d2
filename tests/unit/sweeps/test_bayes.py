"""What `bayes` promises beyond the contract of searchers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given as each
from hypothesis import settings

from swath.sweeps.search import History, Observation, Searcher, Suggestion, rng_for
from swath.sweeps.search.bayes import STARTUP, Bayes
from swath.sweeps.search.random import Random
from swath.sweeps.space import Config, SearchSpace
from swath.sweeps.testing.searchers import copied
from swath.sweeps.testing.strategies import Parameter, spaces

LINE: dict[str, Any] = {"x": {"min": 0.0, "max": 1.0}}
EVERYTHING: dict[str, Any] = {
    "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1},
    "width": {"min": 16, "max": 50_000},
    "drop": {"distribution": "q_uniform", "min": 0, "max": 0.5, "q": 0.1},
    "tilt": {"distribution": "normal", "mu": 2, "sigma": 3},
    "batch": {"values": [128, 16, 64, 32]},
    "weights": {"values": [0, 1, 2], "probabilities": [0.2, 0.3, 0.5]},
    "net": {"parameters": {"kind": {"values": ["mlp", "cnn", None]}, "bias": {"values": [True, False]}}},
    "fixed": {"value": "same"},
}
NESTED: dict[str, Any] = {
    "model": {"values": ["svm", "forest", "mlp"]},
    "c": {"distribution": "log_uniform_values", "min": 1e-3, "max": 1e3, "when": {"model": "svm"}},
    "trees": {"min": 10, "max": 500, "when": {"model": "forest"}},
    "depth": {"values": [2, 4, 8, 16], "when": {"model": "forest"}},
    "rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0, "when": {"model": "mlp"}},
}


def cost(config: Config) -> float:
    return float(
        (math.log10(config["lr"]) + 3) ** 2 + abs(config["batch"] - 64) / 64 + (config["net"]["kind"] != "cnn")
    )


def nested_cost(config: Config) -> float:
    if config["model"] == "svm":
        return 1 + abs(math.log10(config["c"]))
    if config["model"] == "forest":
        return 0.8 + float(abs(config["depth"] - 8)) / 8
    return abs(math.log10(config["rate"]) + 2.5)


def put(history: History, space: SearchSpace, observation: Observation) -> None:
    history.put(observation, space.point_hash(observation.config))


def run(
    searcher: Searcher, space: SearchSpace, history: History, trials: range, value: Callable[[Config], float] = cost
) -> list[Suggestion]:
    given = []
    for number in trials:
        suggestion = searcher.suggest(history, number, rng_for(1, number))
        if suggestion is None:
            break
        given.append(suggestion)
        result = value(suggestion.config)
        put(history, space, Observation(number, suggestion.config, "finished", result, result, result))
    return given


def test_it_says_what_it_does_and_what_it_expects_in_the_unit_of_the_metric() -> None:
    space = SearchSpace.from_parameters(LINE)
    history = History(goal="maximize")
    given = run(Bayes(space), space, history, range(1, 15), lambda config: 100 - 20 * (config["x"] - 0.4) ** 2)
    assert [item.reason for item in given[:2]] == [
        f"bayes: startup point 1 of {STARTUP}, spread over the space",
        f"bayes: startup point 2 of {STARTUP}, spread over the space",
    ]
    assert given[-1].reason.startswith("bayes: Gaussian process of 13 results: expects 100 (")
    assert given[-1].reason.endswith("than the best so far, 100")


@settings(max_examples=25)
@each(spaces())
def test_it_searches_every_kind_of_parameter(parameters: Parameter) -> None:
    space = SearchSpace.from_parameters(parameters)
    given = run(Bayes(space), space, History(), range(1, STARTUP + 4), lambda config: len(str(config)) / 7)
    assert all(space.contains(item.config) for item in given)
    assert len(given) == min(STARTUP + 3, space.size or STARTUP + 3)


def test_startup_points_take_every_branch_and_avoid_the_ends() -> None:
    space = SearchSpace.from_parameters(NESTED)
    given = run(Bayes(space), space, History(), range(1, STARTUP + 1), nested_cost)
    assert min(Counter(item.config["model"] for item in given).values()) >= 2
    line = SearchSpace.from_parameters(LINE)
    places = [item.config["x"] for item in run(Bayes(line), line, History(), range(1, STARTUP + 1), lambda c: c["x"])]
    assert 0.1 <= min(places) < max(places) <= 0.9
    assert max(places) - min(places) > 0.6


@pytest.mark.parametrize(("parameters", "value"), [(EVERYTHING, cost), (NESTED, nested_cost)])
def test_it_finds_better_ones_than_random_draws(parameters: Any, value: Callable[[Config], float]) -> None:
    space = SearchSpace.from_parameters(parameters)
    best = [
        min(value(item.config) for item in run(searcher, space, History(), range(1, 33), value))
        for searcher in (Bayes(space), Random(space))
    ]
    assert best[0] < 0.5 * best[1]


def test_a_new_searcher_suggests_the_same_after_any_order_of_reports() -> None:
    space = SearchSpace.from_parameters(EVERYTHING)
    history, searcher = History(), Bayes(space)
    pending: list[Observation] = []
    for number in range(1, 25):
        suggestion = searcher.suggest(history, number, rng_for(1, number))
        assert suggestion is not None
        put(history, space, Observation(number, suggestion.config, "running"))
        result = cost(suggestion.config)
        pending.append(Observation(number, suggestion.config, "finished", result, result, result))
        if len(pending) == 4:
            put(history, space, pending.pop(2 if number % 3 else 0))
    expected = searcher.suggest(history, 25, rng_for(1, 25))
    assert expected is not None
    assert "in flight" in expected.reason
    assert Bayes(space).suggest(copied(history), 25, rng_for(1, 25)) == expected


def test_with_many_in_flight_the_model_is_asked_as_soon_as_two_have_a_result() -> None:
    space = SearchSpace.from_parameters(LINE)
    history, searcher = History(), Bayes(space)
    reasons = []
    for number in range(1, STARTUP + 3):
        suggestion = searcher.suggest(history, number, rng_for(1, number))
        assert suggestion is not None
        reasons.append(suggestion.reason)
        put(history, space, Observation(number, suggestion.config, "running"))
        if number >= STARTUP:
            done = history.observations[number - STARTUP + 1]
            put(history, space, Observation(done.number, done.config, "finished", done.config["x"]))
    assert reasons[STARTUP].startswith("bayes: a further startup point")
    assert reasons[STARTUP + 1].startswith("bayes: Gaussian process of 2 results and 7 in flight")


def test_trials_in_flight_keep_others_away() -> None:
    """Five asked for at once, with the bottom in one place: no two of them are the same try."""
    space = SearchSpace.from_parameters({name: {"min": 0.0, "max": 1.0} for name in "xy"})
    history, searcher = History(), Bayes(space)
    run(searcher, space, history, range(1, 21), lambda c: (c["x"] - 0.3) ** 2 + (c["y"] - 0.6) ** 2)
    places = []
    for number in range(21, 26):
        suggestion = searcher.suggest(history, number, rng_for(1, number))
        assert suggestion is not None
        put(history, space, Observation(number, suggestion.config, "running"))
        places.append((suggestion.config["x"], suggestion.config["y"]))
    apart = [math.dist(one, other) for place, one in enumerate(places) for other in places[:place]]
    assert min(apart) > 1e-5


def test_results_that_are_no_numbers_count_as_the_worst() -> None:
    space = SearchSpace.from_parameters(LINE)
    given = run(Bayes(space), space, History(), range(1, 41), lambda c: math.nan if c["x"] < 0.5 else -c["x"])
    assert sum(item.config["x"] >= 0.5 for item in given[-20:]) >= 15


@pytest.mark.parametrize("value", [0.0, 1e300, math.nan])
def test_results_that_are_all_the_same_are_no_trouble(value: float) -> None:
    space = SearchSpace.from_parameters(EVERYTHING)
    assert len(run(Bayes(space), space, History(), range(1, 16), lambda _: value)) == 15


def test_many_trials_are_learned_from_by_the_best_the_newest_and_some() -> None:
    space = SearchSpace.from_parameters({name: {"min": 0.0, "max": 1.0} for name in "xyz"})

    def bowl(config: Config) -> float:
        return float(sum((config[name] - 0.7) ** 2 for name in "xyz"))

    history, searcher = History(), Bayes(space)
    run(Random(space), space, history, range(1, 601), bowl)
    before = min(bowl(trial.config) for trial in history.observations.values())
    given = run(searcher, space, history, range(601, 611), bowl)
    assert min(bowl(item.config) for item in given) < 0.2 * before
    assert searcher.suggest(history, 611, rng_for(1, 611)) == Bayes(space).suggest(
        copied(history), 611, rng_for(1, 611)
    )


def test_constraints_hold_and_the_border_is_found() -> None:
    """The bottom, at x = y = 0.8, is forbidden; the nearest allowed points lie on a line."""
    space = SearchSpace.from_parameters({name: {"min": 0.0, "max": 1.0} for name in "xy"}, ["x + y <= 1"])
    given = run(Bayes(space), space, History(), range(1, 25), lambda c: (c["x"] - 0.8) ** 2 + (c["y"] - 0.8) ** 2)
    assert all(space.contains(item.config) for item in given)
    assert min((item.config["x"] - 0.8) ** 2 + (item.config["y"] - 0.8) ** 2 for item in given) < 0.185


def test_several_goals_are_left_to_tpe() -> None:
    space = SearchSpace.from_parameters(LINE)
    history, searcher = History(goals=("minimize", "maximize")), Bayes(space)
    for number in range(1, 20):
        suggestion = searcher.suggest(history, number, rng_for(1, number))
        assert suggestion is not None
        x = suggestion.config["x"]
        put(history, space, Observation(number, suggestion.config, "finished", x, x, x, (x, 1 - x)))
        assert ("learned from" in suggestion.reason) == (number > 2 * STARTUP)


def test_a_limit_that_is_overstepped_is_left_to_tpe_in_any_order() -> None:
    space = SearchSpace.from_parameters(LINE)
    history, searcher = History(), Bayes(space)
    run(searcher, space, history, range(1, 20), lambda c: c["x"])
    for violation in (0.5, 0.0):
        put(history, space, Observation(20, {"x": 0.2}, "finished", 0.2, 0.2, 0.2, (), violation))
        kept = searcher.suggest(history, 21, rng_for(1, 21))
        assert kept == Bayes(space).suggest(copied(history), 21, rng_for(1, 21))
        assert kept is not None
        assert ("learned from" in kept.reason) == (violation > 0)
