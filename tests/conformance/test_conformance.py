"""A file that W&B accepts means the same here: every case of this folder, as its README says."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from swath.sweeps.distributions import make_distribution
from swath.sweeps.space import SearchSpace
from swath.sweeps.spec import HyperbandSettings, SpecFaults, parse_spec
from swath.sweeps.stopping.hyperband import Hyperband

HERE = Path(__file__).parent


def cases(name: str) -> list[Any]:
    found = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return [pytest.param(case, id=f"{name}-{number}") for number, case in enumerate(found)]


@pytest.mark.parametrize("case", cases("ppf"))
def test_a_quantile_gives_the_value_of_the_case(case: dict[str, Any]) -> None:
    distribution = make_distribution(case["parameter"])
    for u, value in zip(case["u"], case["values"], strict=True):
        got = distribution.ppf(u)
        if isinstance(value, float):
            assert got == pytest.approx(value, rel=1e-9, abs=1e-12)
        else:
            assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize("case", cases("grid"))
def test_a_grid_gives_its_points_in_order_and_then_nothing(case: dict[str, Any]) -> None:
    space = SearchSpace.from_parameters(parse_spec(case["config"]).parameters)
    assert [space.grid_point(index) for index in range(space.grid_size)] == case["order"]
    with pytest.raises(IndexError):
        space.grid_point(space.grid_size)


@pytest.mark.parametrize("case", cases("hyperband"))
def test_hyperband_stops_the_runs_of_the_case(case: dict[str, Any]) -> None:
    spec = parse_spec(
        {
            "method": "random",
            "parameters": {"a": {"value": 1}},
            "metric": {"name": "m", "goal": case["goal"]},
            "early_terminate": case["early_terminate"],
        }
    )
    assert isinstance(spec.early_terminate, HyperbandSettings)
    histories = {run["id"]: [math.nan if value is None else value for value in run["history"]] for run in case["runs"]}
    running = [run["id"] for run in case["runs"] if run["state"] == "running"]
    stopped = Hyperband(spec.early_terminate).stop_all(case["goal"], histories, running)
    assert sorted(stopped) == sorted(case["stop"])


@pytest.mark.parametrize("case", cases("verdicts"))
def test_a_spec_is_accepted_or_rejected_as_the_case_says(case: dict[str, Any]) -> None:
    if case["valid"]:
        parse_spec(case["config"])
    else:
        with pytest.raises(SpecFaults):
            parse_spec(case["config"])
