"""The laws of `prior`: where a search begins, how much it believes, and how much a wrong one costs."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from hypothesis import given as each
from hypothesis import settings
from hypothesis import strategies as st

from swath.sweeps.search import History, Observation, Searcher, Suggestion, make_searcher, rng_for
from swath.sweeps.search.axes import Axes
from swath.sweeps.search.priors import RAISED, SPREADS, Bell, Places, Priors
from swath.sweeps.search.weighing import BETA, LEAST, PriorLayout
from swath.sweeps.space import Belief, Config, SearchSpace
from swath.sweeps.spec import SweepSpec, json_schema, parse_spec
from swath.sweeps.spec.faults import SpecFaults
from swath.sweeps.spec.keys import METHODS, PRIORS
from swath.sweeps.spec.model import WarmStart
from swath.sweeps.testing.strategies import spaces

jsonschema = pytest.importorskip("jsonschema")

LEARNING = ["bayes", "tpe", "cmaes", "nsga2", "nsga3"]
BOWL: dict[str, Any] = {
    "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1.0},
    "width": {"min": 16, "max": 512},
    "drop": {"distribution": "q_uniform", "min": 0, "max": 0.9, "q": 0.1},
    "batch": {"values": [128, 16, 64, 32]},
    "optimizer": {"values": ["sgd", "adam", "lion"]},
}
GOOD: dict[str, Any] = {"lr": 0.002, "width": 170, "drop": 0.3, "batch": 64, "optimizer": "adam"}
BAD: dict[str, Any] = {"lr": 0.9, "width": 510, "drop": 0.9, "batch": 16, "optimizer": "lion"}
CHOICE: dict[str, Any] = {
    "model": {
        "prior": {"value": "mlp", "confidence": "high"},
        "choice": {
            "forest": {"parameters": {"trees": {"min": 10, "max": 500}}},
            "mlp": {"parameters": {"width": {"min": 16, "max": 512, "prior": 64}}},
            "linear": None,
        },
    }
}


def with_priors(values: dict[str, Any], confidence: str = "medium") -> dict[str, Any]:
    return {name: {**BOWL[name], "prior": {"value": value, "confidence": confidence}} for name, value in values.items()}


def bowl(config: Config) -> float:
    """Its bottom, 0, is at 0.001, 200, 0.3, 64 and adam."""
    return float(
        (math.log10(config["lr"]) + 3) ** 2 / 4
        + ((config["width"] - 200) / 200) ** 2
        + (config["drop"] - 0.3) ** 2 * 4
        + abs(math.log2(config["batch"]) - 6) / 3
        + 0.3 * (config["optimizer"] != "adam")
    )


def made(method: str, parameters: dict[str, Any], seed: int = 1) -> tuple[Searcher, SearchSpace]:
    space = SearchSpace.from_parameters(parameters)
    options = {"startup": 5} if method == "tpe" else {}
    return make_searcher(SweepSpec(method, parameters, search=options), space, seed), space


def run(searcher: Searcher, space: SearchSpace, trials: int, seed: int = 1) -> list[Suggestion]:
    history, given = History(), list[Suggestion]()
    for number in range(1, trials + 1):
        suggestion = searcher.suggest(history, number, rng_for(seed, number))
        assert suggestion is not None
        assert space.contains(suggestion.config)
        given.append(suggestion)
        known = {"lr", "width", "drop"} <= suggestion.config.keys()
        value = bowl(suggestion.config) if known else float(len(str(suggestion.config)))
        observation = Observation(number, suggestion.config, "finished", value, value, value)
        history.put(observation, space.point_hash(suggestion.config))
    return given


def only_prior(parameter: dict[str, Any]) -> Bell | Places:
    return Priors(SearchSpace.from_parameters({"x": parameter})).by_axis[0]


@pytest.mark.parametrize("confidence", list(SPREADS))
def test_a_real_parameter_has_a_normal_distribution_around_the_value_on_its_own_scale(confidence: str) -> None:
    """Two thirds of the draws are within one spread: on a log scale of four decades, within 0.4 decades for high."""
    prior = only_prior({**BOWL["lr"], "min": 1e-6, "max": 1e-2, "prior": {"value": 1e-4, "confidence": confidence}})
    assert isinstance(prior, Bell)
    assert prior.centre == pytest.approx(0.5)
    draws = [prior.at((number + 0.5) / 1000) for number in range(1000)]
    assert draws == sorted(draws)
    assert 0.0 <= draws[0] <= draws[-1] <= 1.0
    spread = SPREADS[confidence]
    near = sum(abs(draw - 0.5) <= spread for draw in draws) / 1000
    assert near == pytest.approx(0.6827 / prior.share, abs=0.002)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("u", [0.0, 1e-300, 0.5, 1 - 2**-53, 1.0])
def test_quantiles_at_the_ends_stay_on_the_axis(value: float, u: float) -> None:
    prior = only_prior({"min": 0.0, "max": 1.0, "prior": {"value": value, "confidence": "high"}})
    assert 0.0 <= prior.at(u) <= 1.0


@pytest.mark.parametrize("confidence", list(RAISED))
def test_a_name_has_its_raised_probability_and_the_others_share_the_rest(confidence: str) -> None:
    prior = only_prior(
        {"values": ["sgd", "adam", "lion", "lamb"], "prior": {"value": "adam", "confidence": confidence}}
    )
    assert isinstance(prior, Places)
    raised = RAISED[confidence]
    assert prior.shares == pytest.approx([(1 - raised) / 4 + raised * (place == 1) for place in range(4)])
    weighted = only_prior({
        "values": ["a", "b", "c"], "probabilities": [0.2, 0.3, 0.5], "prior": {"value": "a", "confidence": confidence},
    })  # fmt: skip
    assert isinstance(weighted, Places)
    assert weighted.shares == pytest.approx([0.2 * (1 - raised) + raised, 0.3 * (1 - raised), 0.5 * (1 - raised)])


def test_a_list_of_numbers_is_expected_in_its_order_and_every_value_stays_possible() -> None:
    prior = only_prior({"values": [128, 16, 64, 32], "prior": {"value": 32, "confidence": "high"}})
    assert isinstance(prior, Places)
    low, middle, high, highest = prior.shares  # 16, 32, 64, 128
    assert low == pytest.approx(high)
    assert middle > high > highest > 0.0
    assert low / middle == pytest.approx(math.exp(-2))  # half a step is the least spread


@pytest.mark.parametrize("method", LEARNING)
def test_a_search_that_learns_begins_with_the_values_that_are_named(method: str) -> None:
    searcher, space = made(method, with_priors(GOOD))
    given = run(searcher, space, 3)
    assert given[0] == Suggestion(GOOD, f"{method}: the values that the priors name")
    assert given[1].config != GOOD
    assert "the values that" not in given[1].reason + given[2].reason


def test_what_has_no_prior_is_at_its_middle_and_constraints_hold() -> None:
    parameters = {"x": {"min": 0.0, "max": 1.0, "prior": 0.75}, "y": {"min": 0.0, "max": 1.0}}
    assert Priors(SearchSpace.from_parameters(parameters)).mode == {"x": 0.75, "y": 0.5}
    bound = SearchSpace.from_parameters(parameters, ["x + y <= 1"])
    mode = Priors(bound).mode
    assert mode is not None
    assert mode["x"] == 0.75
    assert bound.allows(mode)
    assert Priors(SearchSpace.from_parameters(parameters, ["x < 0.5"])).mode is None


def test_a_mode_that_constraints_forbid_is_left_out() -> None:
    parameters = {"x": {"min": 0.0, "max": 1.0, "prior": 0.75}}
    space = SearchSpace.from_parameters(parameters, ["x < 0.5"])
    searcher = make_searcher(SweepSpec("bayes", parameters), space, 1)
    assert all("values that" not in item.reason for item in run(searcher, space, 12))


def test_the_mode_of_a_choice_is_in_the_branch_that_is_named_and_holds_the_priors_inside() -> None:
    space = SearchSpace.from_parameters(CHOICE)
    assert Priors(space).mode == {"model": {"choice": "mlp", "width": 64}}
    unnamed = {"model": {"choice": CHOICE["model"]["choice"]}}
    assert Priors(SearchSpace.from_parameters(unnamed)).mode == {"model": {"choice": "mlp", "width": 64}}
    for method in ("bayes", "random", "qmc", "tpe"):
        searcher, space = made(method, CHOICE)
        assert {item.config["model"]["choice"] for item in run(searcher, space, 20)} == {"mlp", "forest", "linear"}


def test_given_points_come_before_the_mode_which_is_not_run_twice() -> None:
    parameters, space = with_priors(GOOD), SearchSpace.from_parameters(with_priors(GOOD))
    point = {**GOOD, "width": 99}
    for points, mode_at in (((point,), 2), ((GOOD,), None)):
        searcher = make_searcher(SweepSpec("bayes", parameters, warm_start=WarmStart(points=points)), space, 1)
        history = History()
        history.put(Observation(1, points[0], "running"), space.point_hash(points[0]))
        second = searcher.suggest(history, 2, rng_for(1, 2))
        assert second is not None
        assert (second.config == GOOD) == (mode_at == 2)


def test_half_of_the_start_of_bayes_comes_from_the_priors_and_then_they_count_less_and_less() -> None:
    searcher, space = made("bayes", with_priors(GOOD))
    reasons = [item.reason for item in run(searcher, space, 24)]
    assert [("priors" in reason) for reason in reasons[:8]] == [True, False] * 4
    assert reasons[2] == "bayes: startup point 3 of 8, drawn from the priors"
    assert reasons[8].endswith(f"; the priors count with power {BETA / 8:.2g}")
    assert reasons[22].endswith(f"; the priors count with power {BETA / 22:.2g}")
    assert "priors" not in reasons[23], "a bold try"


def test_without_priors_nothing_is_said_of_them() -> None:
    for method in ("bayes", "random", "qmc", "tpe"):
        searcher, space = made(method, BOWL)
        assert not any("prior" in item.reason for item in run(searcher, space, 12))


@pytest.mark.parametrize("method", ["random", "qmc"])
def test_half_of_the_draws_come_from_the_priors_and_the_rest_from_everywhere(method: str) -> None:
    searcher, space = made(method, with_priors({**BAD, "lr": 0.002}, "high"))
    given = run(searcher, space, 128)
    drawn = [item.config for item in given if "from the priors" in item.reason]
    assert len(drawn) == 64
    near = sum(abs(math.log10(config["lr"] / 0.002)) <= 1.0 for config in drawn)
    assert near >= 58, "within two spreads, which are half a decade"
    others = [item.config["lr"] for item in given if "from the priors" not in item.reason]
    assert min(others) < 1e-4
    assert max(others) > 0.1
    assert {config["optimizer"] for config in drawn} == {"sgd", "adam", "lion"}


def test_a_space_is_handed_out_to_its_last_point_whatever_is_expected() -> None:
    parameters = {"a": {"values": [1, 2, 3], "prior": 2}, "b": {"values": ["x", "y"], "prior": "x"}}
    for method in ("bayes", "random", "qmc", "tpe", "cmaes", "nsga2"):
        searcher, space = made(method, parameters)
        history = History()
        points = []
        for number in range(1, 8):
            suggestion = searcher.suggest(history, number, rng_for(1, number))
            if suggestion is None:
                break
            points.append(space.point_hash(suggestion.config))
            history.put(Observation(number, suggestion.config, "finished", 1.0, 1.0, 1.0), points[-1])
        assert len(set(points)) == len(points) == 6, method


def test_constraints_that_leave_nothing_near_a_prior_are_kept_by_draws_from_elsewhere() -> None:
    parameters = {"x": {"min": 0.0, "max": 1.0, "prior": {"value": 1.0, "confidence": "high"}}}
    space = SearchSpace.from_parameters(parameters, ["x < 0.2"])
    for method in ("random", "qmc", "bayes"):
        searcher = make_searcher(SweepSpec(method, parameters), space, 3)
        assert len(run(searcher, space, 12)) == 12


def test_points_are_as_likely_as_the_priors_say_but_never_hopeless() -> None:
    space = SearchSpace.from_parameters(with_priors({"lr": 0.002, "optimizer": "adam"}, "high"))
    layout = PriorLayout(space, Priors(space))
    configs = [{"lr": lr, "optimizer": name} for lr, name in ((0.002, "adam"), (0.002, "sgd"), (1e-5, "adam"))]
    at, name, far = layout.log_density(_points(layout, configs)).tolist()
    assert at > name > far > LEAST
    assert at - name == pytest.approx(math.log((0.25 / 3 + 0.75) / (0.25 / 3)))


def _points(layout: PriorLayout, configs: list[Config]) -> Any:
    import numpy as np

    return np.array([layout.point_of(config) for config in configs])


def test_an_axis_that_is_not_there_makes_no_point_more_or_less_likely() -> None:
    space = SearchSpace.from_parameters(CHOICE)
    layout = PriorLayout(space, Priors(space))
    linear, forest = {"model": {"choice": "linear"}}, {"model": {"choice": "forest", "trees": 20}}
    densities = layout.log_density(_points(layout, [linear, forest]))
    assert densities[0] == densities[1]


def _regret(parameters: dict[str, Any], trials: int) -> float:
    """The mean over seeds of the logarithm of the best result."""
    found = []
    for seed in range(3):
        searcher, space = made("bayes", parameters, seed)
        best = min(bowl(item.config) for item in run(searcher, space, trials, seed))
        found.append(math.log10(best + 1e-6))
    return mean(found)


def test_a_good_prior_finds_the_bottom_sooner_than_none() -> None:
    assert _regret(with_priors(GOOD), 6) < _regret(BOWL, 6) - 0.5
    assert _regret(with_priors(GOOD), 12) < _regret(BOWL, 12)


@pytest.mark.parametrize("confidence", ["medium", "high"])
def test_a_badly_wrong_prior_does_not_keep_the_search_from_the_bottom(confidence: str) -> None:
    assert _regret(with_priors(BAD, confidence), 32) < -2.0


@pytest.mark.parametrize(
    ("parameter", "key", "part"),
    [
        ({"min": 0.0, "max": 1.0, "prior": 2}, "prior", "a number from 0 to 1"),
        ({"min": 1, "max": 9, "prior": 2.5}, "prior", "a whole number from 1 to 9"),
        ({"min": 0.0, "max": 1.0, "prior": "high"}, "prior", "a number"),
        ({"min": 0.0, "max": 1.0, "prior": None}, "prior", "must be a value, not nothing"),
        ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.1, "prior": 0.33}, "prior", "0.3"),
        ({"values": ["sgd", "adam"], "prior": "adm"}, "prior", "did you mean 'adam'?"),
        ({"values": ["sgd", "adam"], "prior": "zzz"}, "prior", "name one of sgd, adam"),
        ({"values": ["sgd"], "prior": {"value": "sgd", "confidence": "hihg"}}, "prior.confidence", "'high'"),
        ({"values": ["sgd"], "prior": {"confidence": "high"}}, "prior", "does not say where"),
        ({"values": ["sgd"], "prior": {"value": "sgd", "sure": 1}}, "prior.sure", "unknown key"),
        ({"value": 3, "prior": 3}, "prior", "a constant is not searched"),
        ({"parameters": {"b": {"values": [1, 2]}}, "prior": 3}, "prior", "the parameters inside"),
        ({"choice": {"mlp": {}, "forest": {}}, "prior": "mpl"}, "prior", "did you mean 'mlp'?"),
    ],
)
def test_a_prior_that_cannot_be_is_a_fault_with_its_remedy(parameter: dict[str, Any], key: str, part: str) -> None:
    with pytest.raises(SpecFaults) as caught:
        parse_spec({"method": "random", "parameters": {"a": parameter}})
    faults = [fault for fault in caught.value.faults if fault.path == f"parameters.a.{key}"]
    assert len(faults) == 1
    assert part in f"{faults[0].message} {faults[0].hint}"


def test_a_value_of_any_kind_may_be_expected() -> None:
    values = [None, True, [1, 2], {"depth": 2}]
    for value in values:
        prior = {"value": value} if isinstance(value, dict) else value
        spec = parse_spec({"method": "random", "parameters": {"a": {"values": values, "prior": prior}}})
        assert Priors(SearchSpace.from_parameters(spec.parameters)).mode == {"a": value}
        assert parse_spec(spec.to_dict()) == spec


def test_whole_values_are_floats_where_the_parameter_is_real() -> None:
    mode = Priors(SearchSpace.from_parameters({"x": {"min": 0.0, "max": 2.0, "prior": 1}})).mode
    assert mode is not None
    assert isinstance(mode["x"], float)


def test_a_grid_says_that_it_does_not_heed_priors_and_every_method_has_a_sentence() -> None:
    parameters = {"a": {"values": [1, 2], "prior": 2}}
    assert any(
        "grid runs all of its points" in text
        for text in parse_spec({"method": "grid", "parameters": parameters}).notices
    )
    assert not parse_spec({"method": "random", "parameters": parameters}).notices
    assert PRIORS.keys() == set(METHODS)


@settings(max_examples=25)
@each(spaces(), st.sampled_from(["random", "qmc", "bayes"]), st.data())
def test_every_kind_of_parameter_may_have_a_prior(parameters: dict[str, Any], method: str, data: st.DataObject) -> None:
    plain = SearchSpace.from_parameters(parameters)
    places = [data.draw(st.floats(0.0, 1.0)) for _ in plain.leaves]
    confidence: Any = data.draw(st.sampled_from(list(SPREADS)))
    leaves = [
        replace(leaf, belief=Belief(leaf.distribution.ppf(u), confidence))
        for leaf, u in zip(plain.leaves, places, strict=True)
    ]
    space = replace(plain, leaves=tuple(leaves))
    searcher, trials = make_searcher(SweepSpec(method, {}), space, 1), min(11, space.size or 11)
    given = run(searcher, space, trials)
    if method == "bayes" and space.searched:
        assert space.point_hash(given[0].config) == space.point_hash(Priors(space).mode or {})


def test_the_schema_takes_what_the_reader_takes() -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    for parameters in (with_priors(GOOD, "high"), CHOICE, {"a": {"values": [1], "prior": 1}}):
        validator.validate({"method": "random", "parameters": parameters})
    for prior in ({"value": 1, "confidence": "sure"}, {"confidence": "low"}):
        assert not validator.is_valid({"method": "random", "parameters": {"a": {"values": [1], "prior": prior}}})
    assert not validator.is_valid({"method": "random", "parameters": {"a": {"value": 1, "prior": 1}}})


def test_the_reference_gives_the_figures() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reference" / "spec.md").read_text()
    rows = re.findall(r"^\| `(low|medium|high)`.*? \| ([0-9.]+) \| ([0-9.]+) \|$", text, re.MULTILINE)
    assert {name: (float(spread), float(raised)) for name, spread, raised in rows} == {
        name: (SPREADS[name], RAISED[name]) for name in SPREADS
    }
    assert f"prior^({BETA:g} / n)" in text
    assert f"more than {math.exp(-LEAST):.0f} times less likely" in text


def test_large_ranges_and_distributions_without_limits_may_have_priors() -> None:
    parameters = {
        "n": {"min": 0, "max": 10**9, "prior": 10**6},
        "m": {"distribution": "normal", "mu": 0, "sigma": 1, "prior": 0.5},
        "k": {"distribution": "q_log_normal", "q": 2, "prior": 4},
        "w": {"values": [1, 2, 3], "probabilities": [0.5, 0.25, 0.25], "prior": 2},
    }
    for method in ("random", "qmc", "bayes"):
        searcher, space = made(method, parameters)
        assert len(run(searcher, space, 10)) == 10
    assert len(Axes(space).by_name) == len(Priors(space).by_axis) == 4
