"""What grid, random, qmc, cmaes, gp and the genetic methods promise beyond the contract of searchers."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from swath.sweeps.search import History, Observation, Searcher, make_history, make_searcher, rng_for
from swath.sweeps.search.base import Goal
from swath.sweeps.search.unseen import Unseen, draw_unseen, walk_unseen
from swath.sweeps.space import Config, SearchSpace
from swath.sweeps.spec import SweepSpec
from swath.sweeps.spec.model import Metric
from swath.sweeps.testing.searchers import copied
from swath.tracking.errors import SwathError, UsageError

WITH_TORCH = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="method gp learns with torch, which is not installed"
)
UNIT: dict[str, Any] = {name: {"min": 0.0, "max": 1.0} for name in "xyz"}
#: Two good things that cannot be had together, unless z is small.
TWO: tuple[Goal, Goal] = ("minimize", "maximize")


def made(method: str, space: SearchSpace, seed: int = 1, **options: Any) -> Searcher:
    return make_searcher(SweepSpec(method, {}, search=options), space, seed)


def result(number: int, config: Config, *values: float, violation: float = 0.0) -> Observation:
    one = values[0]
    several = values if len(values) > 1 else ()
    return Observation(number, config, "finished", one, one, one, several, violation)


def run(
    searcher: Searcher, space: SearchSpace, history: History, trials: int, value: Callable[[Config], Any], seed: int = 1
) -> list[Config]:
    configs = []
    for number in range(1, trials + 1):
        suggestion = searcher.suggest(history, number, rng_for(seed, number))
        assert suggestion is not None
        found = value(suggestion.config)
        observation = found if isinstance(found, tuple) else (found,)
        history.put(result(number, suggestion.config, *observation), "")
        configs.append(suggestion.config)
    return configs


def test_a_grid_numbers_the_points_that_the_constraints_allow() -> None:
    parameters = {"a": {"values": [1, 2, 3]}, "b": {"min": 1, "max": 4}}
    space = SearchSpace.from_parameters(parameters, ["a * b == 4 or a * b == 6"])
    asked = [made("grid", space).suggest(History(), number, rng_for(1, 1)) for number in (4, 1, 3, 2, 5)]
    assert [item and item.config for item in asked] == [
        {"a": 3, "b": 2}, {"a": 1, "b": 4}, {"a": 2, "b": 3}, {"a": 2, "b": 2}, None,
    ]  # fmt: skip
    assert asked[1] is not None
    assert asked[1].reason == "grid: point 4 of 12, number 1 of those allowed"


def test_a_grid_of_a_billion_points_is_not_walked() -> None:
    space = SearchSpace.from_parameters({f"p{digit}": {"min": 0, "max": 9} for digit in range(9)})
    grid = made("grid", space)
    last, over = (grid.suggest(History(), number, rng_for(1, 1)) for number in (10**9, 10**9 + 1))
    assert last is not None
    assert set(last.config.values()) == {9}
    assert over is None


def test_a_continuous_space_without_an_allowed_point_is_an_error_and_not_a_loop() -> None:
    space = SearchSpace.from_parameters(UNIT, ["x + y > 2.5"])
    for method in ("random", "qmc"):
        with pytest.raises(SwathError, match=r"constraints"):
            made(method, space).suggest(History(), 1, rng_for(1, 1))


def test_a_rare_allowed_point_of_a_countable_space_is_found_by_walking() -> None:
    parameters = {name: {"min": 0, "max": 99} for name in "ab"}
    space = SearchSpace.from_parameters(parameters, ["a + b == 0 or a + b == 198"])
    seen: set[str] = set()
    unseen = Unseen(space)
    for _ in range(2):
        config = unseen.random(seen, rng_for(1, 1))
        assert config is not None
        assert walk_unseen(space, seen, rng_for(1, 1)) is not None
        seen.add(space.point_hash(config))
    assert unseen.random(seen, rng_for(1, 1)) is None
    assert draw_unseen(space, seen, lambda: {"a": 0, "b": 0}, rng_for(1, 1)) is None


def test_qmc_fills_the_space_more_evenly_than_random_draws() -> None:
    from scipy.stats.qmc import discrepancy

    space = SearchSpace.from_parameters(UNIT)
    spread = {}
    for method in ("qmc", "random"):
        configs = run(made(method, space), space, History(), 128, len)
        spread[method] = discrepancy(np.array([space.to_unit(config) for config in configs]))
    assert spread["qmc"] < spread["random"] / 10


def test_qmc_gives_each_number_its_point_in_any_order_and_each_seed_its_own_sequence() -> None:
    space = SearchSpace.from_parameters(UNIT)
    numbers = [1, 3000, 2, 1024, 1025, 5]
    one, other = made("qmc", space, 7), made("qmc", space, 8)
    for number in numbers:
        first = one.suggest(History(), number, rng_for(1, 1))
        assert first == made("qmc", space, 7).suggest(History(), number, rng_for(2, 2))
        assert first != other.suggest(History(), number, rng_for(1, 1))


def test_qmc_without_scrambling_is_the_plain_sequence() -> None:
    space = SearchSpace.from_parameters({"x": {"min": 0.0, "max": 1.0}})
    configs = run(made("qmc", space, 3, scramble=False), space, History(), 4, len)
    assert [config["x"] for config in configs] == [0.0, 0.5, 0.75, 0.25]


def test_qmc_and_random_search_cover_lists_and_branches_by_their_share() -> None:
    parameters = {"kind": {"values": ["a", "b"]}, "x": {"min": 0.0, "max": 1.0, "when": {"kind": "a"}}}
    space = SearchSpace.from_parameters(parameters)
    configs = run(made("qmc", space), space, History(), 64, len)
    assert sum(config["kind"] == "a" for config in configs) == 32
    halves = [config["x"] < 0.5 for config in configs if config["kind"] == "a"]
    assert sum(halves) == 16


def bowl(config: Config) -> float:
    return float((config["x"] - 0.3) ** 2 + (config["y"] - 0.6) ** 2 + (config["z"] + config["x"] - 0.9) ** 2)


@pytest.mark.parametrize(
    ("method", "trials", "goal"),
    [("cmaes", 120, 1e-3), ("nsga2", 120, 2e-2), pytest.param("gp", 16, 5e-2, marks=WITH_TORCH)],
)
def test_a_method_finds_the_bottom_of_a_bowl(method: str, trials: int, goal: float) -> None:
    space = SearchSpace.from_parameters(UNIT)
    history = History()
    run(made(method, space), space, history, trials, bowl)
    assert min(trial.value or 0.0 for trial in history.observations.values()) < goal


@pytest.mark.parametrize("method", ["cmaes", "nsga2", "nsga3", "tpe"])
def test_reports_that_come_late_and_change_lead_to_the_same_suggestion_as_a_fresh_look(method: str) -> None:
    space = SearchSpace.from_parameters(UNIT)
    history, searcher = History(), made(method, space)
    for number in range(1, 60):
        suggestion = searcher.suggest(history, number, rng_for(1, number))
        assert suggestion is not None
        history.put(Observation(number, suggestion.config, "running"), "")
        late = number - (9 if number % 3 else 2)
        if late > 0 and number % 4:
            history.put(result(late, history.observations[late].config, bowl(history.observations[late].config)), "")
        if number == 50:
            history.put(Observation(5, history.observations[5].config, "failed"), "")
    told = made(method, space).suggest(copied(history), 60, rng_for(1, 60))
    assert told == searcher.suggest(history, 60, rng_for(1, 60))


def test_cmaes_keeps_looking_at_neighbours_on_axes_of_whole_numbers() -> None:
    """With margin no value of a discrete axis dies out, so that the search does not stick to its first guess."""
    parameters = {"n": {"min": 0, "max": 20}, "m": {"min": 0, "max": 20}, "x": {"min": 0.0, "max": 1.0}}
    space = SearchSpace.from_parameters(parameters)
    configs = run(
        made("cmaes", space), space, History(), 150, lambda c: abs(c["n"] - 17) + abs(c["m"] - 3) + (c["x"] - 0.5) ** 2
    )
    assert {(config["n"], config["m"]) for config in configs[-50:]} >= {(17, 3)}


def test_cmaes_says_that_it_has_one_goal() -> None:
    space = SearchSpace.from_parameters(UNIT)
    with pytest.raises(UsageError, match="one metric"):
        made("cmaes", space).suggest(History(goals=TWO), 1, rng_for(1, 1))


def test_gp_without_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))
    with pytest.raises(UsageError, match="PyTorch") as caught:
        made("gp", SearchSpace.from_parameters(UNIT)).suggest(History(), 1, rng_for(1, 1))
    assert caught.value.hint == 'pip install "swath[torch]"'


def trade(config: Config) -> tuple[float, float]:
    return config["x"] + config["z"], math.sqrt(config["x"]) - config["z"] - (config["y"] - 0.5) ** 2


def volume(history: History) -> float:
    """How much of the square below (1, 0) the trials dominate."""
    points = sorted({(trial.values[0] or 0.0, trial.values[1] or 0.0) for trial in history.observations.values()})
    area, best = 0.0, 0.0
    for at, (cost, gain) in enumerate(points):
        best = max(best, gain)
        after = points[at + 1][0] if at + 1 < len(points) else 1.0
        area += max(0.0, min(after, 1.0) - min(cost, 1.0)) * best
    return area


@pytest.mark.parametrize("method", ["tpe", "nsga2", "nsga3"])
def test_a_method_with_several_goals_finds_a_better_front_than_random_draws(method: str) -> None:
    space = SearchSpace.from_parameters(UNIT)
    areas = {}
    for name in (method, "random"):
        history = History(goals=TWO)
        run(made(name, space), space, history, 100, trade)
        areas[name] = volume(history)
    assert areas[method] > areas["random"] + 0.05


@pytest.mark.parametrize("method", ["tpe", "nsga2"])
def test_a_limit_keeps_the_search_where_it_holds(method: str) -> None:
    """The objective pulls to x = 1, and the limit is overstepped from 0.5 on."""
    space = SearchSpace.from_parameters({"x": {"min": 0.0, "max": 1.0}})
    history, searcher = History(), made(method, space)
    chosen = []
    for number in range(1, 101):
        suggestion = searcher.suggest(history, number, rng_for(1, number))
        assert suggestion is not None
        x = suggestion.config["x"]
        chosen.append(x)
        history.put(result(number, suggestion.config, -x, violation=max(0.0, x - 0.5)), "")
    late = chosen[-40:]
    assert sum(x <= 0.6 for x in late) > 30
    assert sum(0.35 < x <= 0.5 for x in late) > 8


@WITH_TORCH
def test_gp_takes_the_best_point_that_the_constraints_allow() -> None:
    """The bottom is at x = y = 0.8, outside; the nearest allowed points lie on the border."""
    space = SearchSpace.from_parameters({name: {"min": 0.0, "max": 1.0} for name in "xy"}, ["x + y <= 1"])
    configs = run(
        made("gp", space, startup=6), space, History(), 14, lambda c: (c["x"] - 0.8) ** 2 + (c["y"] - 0.8) ** 2
    )
    assert all(space.contains(config) for config in configs)
    assert min((c["x"] - 0.8) ** 2 + (c["y"] - 0.8) ** 2 for c in configs) < 0.2


def test_a_history_of_several_metrics_has_their_goals() -> None:
    metrics = (Metric("loss"), Metric("acc", goal="maximize"))
    assert make_history(SweepSpec("nsga2", {}, metric=metrics[0], metrics=metrics)).goals == TWO
    assert make_history(SweepSpec("tpe", {}, metric=metrics[1])).goals == ()


@pytest.mark.parametrize("method", ["grid", "random", "qmc"])
def test_methods_that_do_not_learn_say_so(method: str) -> None:
    assert not made(method, SearchSpace.from_parameters({"a": {"values": [1, 2]}})).uses_history


@pytest.mark.parametrize("method", ["bayes", "tpe", "gp", "cmaes", "nsga2", "nsga3"])
def test_methods_that_learn_say_so(method: str) -> None:
    assert made(method, SearchSpace.from_parameters({"a": {"values": [1, 2]}})).uses_history


@pytest.mark.parametrize("method", ["tpe", pytest.param("gp", marks=WITH_TORCH), "cmaes", "nsga2", "nsga3"])
def test_trials_of_other_sweeps_are_learned_from_like_own_ones(method: str) -> None:
    """They come with numbers below 1, and may lack parameters that others have."""
    kinds = {"kind": {"values": ["a", "b"]}, "x": {"min": 0.0, "max": 1.0}}
    space = SearchSpace.from_parameters({**kinds, "y": {"min": 0.0, "max": 1.0, "when": {"kind": "a"}}})
    history = History()
    for number in range(-11, 1):
        config: Config = {"kind": "a", "x": -number / 12, "y": 0.5} if number % 2 else {"kind": "b", "x": -number / 12}
        history.put(result(number, config, config["x"]), "")
    suggestion = made(method, space).suggest(history, 1, rng_for(1, 1))
    assert suggestion is not None
    assert space.contains(suggestion.config)
    assert suggestion.reason == f"{method}: learned from 12 finished and 0 running trials"
