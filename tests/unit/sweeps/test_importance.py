"""What matters: found where it is, not claimed where it is not, and asked of the trials that have the parameter."""

from __future__ import annotations

from typing import Any

import numpy as np

from swath.sweeps.search.importance import LEAST_TRIALS, importances
from swath.sweeps.space import Config, SearchSpace

PARAMETERS: dict[str, Any] = {
    "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1.0},
    "idle": {"min": 0.0, "max": 1.0},
    "act": {"values": ["relu", "tanh", "gelu"]},
}
SPACE = SearchSpace.from_parameters(PARAMETERS)
CHOICE = SearchSpace.from_parameters(
    {
        "opt": {"choice": {"sgd": {"parameters": {"momentum": {"min": 0.0, "max": 1.0}}}, "adam": {}}},
        "idle": {"min": 0.0, "max": 1.0},
    }
)


def drawn(space: SearchSpace, count: int, seed: int = 0) -> list[Config]:
    rng = np.random.default_rng(seed)
    return [space.from_unit(rng.random(len(space.searched)).tolist()) for _ in range(count)]


def loss(config: Config) -> float:
    return float(abs(np.log10(config["lr"]) + 2.0))


def test_what_decides_the_result_comes_first_with_where_the_best_are() -> None:
    found = importances(SPACE, [(config, loss(config)) for config in drawn(SPACE, 60)], "minimize")
    first = found[0]
    assert (first.name, first.certain, first.trials, first.conditional) == ("lr", True, 60, False)
    assert first.share > 0.6
    assert 1e-3 < first.best[0] <= first.best[1] < 1e-1
    assert abs(sum(each.share for each in found) - 1.0) < 1e-9


def test_of_results_that_are_noise_nothing_stands_out_often() -> None:
    certain = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        found = importances(SPACE, [(config, float(rng.random())) for config in drawn(SPACE, 40, seed)], "minimize")
        certain += sum(each.certain for each in found)
    assert certain <= 3  # of 18, where one in twenty is what chance gives


def test_a_goal_to_maximize_asks_for_the_greatest() -> None:
    configs = drawn(SPACE, 60)
    one = importances(SPACE, [(config, loss(config)) for config in configs], "minimize")
    other = importances(SPACE, [(config, -loss(config)) for config in configs], "maximize")
    assert one == other


def test_a_conditional_parameter_is_judged_among_the_trials_that_have_it() -> None:
    configs = drawn(CHOICE, 120)
    having = sum("momentum" in config["opt"] for config in configs)

    def value(config: Config) -> float:
        return float(abs(config["opt"].get("momentum", 0.5) - 0.9))

    found = {each.name: each for each in importances(CHOICE, [(c, value(c)) for c in configs], "minimize")}
    momentum = found["opt.sgd.momentum"]
    assert (momentum.conditional, momentum.trials, momentum.certain) == (True, having, True)
    assert momentum.share > 0.6
    assert not found["opt"].conditional


def test_few_trials_or_equal_results_tell_nothing() -> None:
    configs = drawn(SPACE, LEAST_TRIALS)
    assert importances(SPACE, [(config, loss(config)) for config in configs[:-1]], "minimize") == []
    assert importances(SPACE, [(config, 1.0) for config in configs], "minimize") == []
    assert importances(SPACE, [(config, loss(config)) for config in configs], "minimize") != []
