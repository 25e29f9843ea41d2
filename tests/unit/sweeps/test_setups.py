"""Sweeps with repeats rank configurations, by what their runs come to together, and not single runs."""

from __future__ import annotations

from typing import Any

import pytest

from swath.agents.protocol import Over
from swath.sweeps.explaining import explain
from swath.sweeps.figures import KINDS, Evidence
from swath.sweeps.figures.model import Line, Points
from swath.sweeps.fronts import front_of
from swath.sweeps.result import Result
from swath.sweeps.setups import SetupView, setups_of, standing_for

SPEC: dict[str, Any] = {
    "name": "lab",
    "method": "grid",
    "parameters": {"x": {"values": [0, 1, 2]}},
    "metric": {"name": "loss"},
    "repeats": {"count": 3, "early": False},
}
#: By x: one lucky run among bad ones, good ones, middling ones.
LOSSES = {0: [0.0, 9.0, 9.0], 1: [1.0, 2.0, 3.0], 2: [4.0, 4.0, 4.0]}
TWO = {key: value for key, value in SPEC.items() if key != "metric"} | {"metrics": [{"name": "loss"}, {"name": "ms"}]}


@pytest.fixture
def lab(bench: Any) -> Any:
    b = bench(SPEC)
    while not isinstance(offer := b.offer(), Over):
        b.finish(offer, LOSSES[offer.config["x"]][offer.config["seed"]])
    return b


def setups(b: Any) -> list[SetupView]:
    spec = b.workspace.spec(b.sweep)
    return setups_of(b.workspace.trials(b.sweep), spec.metrics or (spec.metric,), spec.repeats)


def test_configurations_are_ranked_by_what_their_runs_come_to(lab: Any) -> None:
    found = setups(lab)
    assert [(each.config, each.values, each.words) for each in found] == [
        ({"x": 1}, (2.0,), "mean of 3 runs"),
        ({"x": 2}, (4.0,), "mean of 3 runs"),
        ({"x": 0}, (6.0,), "mean of 3 runs"),
    ]
    assert found[0].singles == ((1.0,), (2.0,), (3.0,))
    assert [run.repeat for run in found[0].runs] == [0, 1, 2]


def test_a_configuration_without_all_of_its_runs_stands_behind_those_that_have_them(bench: Any) -> None:
    b = bench(SPEC)
    while not isinstance(offer := b.offer(), Over):
        x, seed = offer.config["x"], offer.config["seed"]
        if x == 0 and seed:
            b.finish(offer, ending="failed")
        else:
            b.finish(offer, LOSSES[x][seed])
    found = setups(b)
    assert [(each.config["x"], each.counted, each.complete) for each in found] == [
        (1, 3, True),
        (2, 3, True),
        (0, 1, False),
    ]
    assert (found[-1].values, found[-1].words) == ((0.0,), "mean of 1 of 3 runs")


def test_the_best_of_a_sweep_is_told_with_the_results_of_its_runs(lab: Any) -> None:
    best = lab.workspace.show(lab.sweep).best
    assert (best.config["x"], best.value, best.aggregate, best.values) == (1, 2.0, "mean", (1.0, 2.0, 3.0))
    spec = lab.workspace.spec(lab.sweep)
    result = Result(lab.workspace.show(lab.sweep), lab.workspace.trials(lab.sweep), spec.metrics, spec.repeats)
    assert (result.best.value, result.best.values) == (2.0, (1.0, 2.0, 3.0))
    assert [each.config["x"] for each in result.setups] == [1, 2, 0]
    assert "mean of 3 runs" in result._repr_html_()


def test_an_explanation_compares_configurations_and_shows_the_repeats(lab: Any) -> None:
    lucky = next(trial for trial in lab.workspace.trials(lab.sweep) if trial.value == 0.0)
    told = explain(lab.workspace, lab.sweep, lucky.number)
    (place,) = told.places
    assert (place.value, place.rank, place.n) == (6.0, 3, 3)
    assert place.best is not None
    assert place.best.value == 2.0
    assert told.different == {"x": (0, 1)}
    assert told.repeats is not None
    assert [run.value for run in told.repeats.runs] == [0.0, 9.0, 9.0]
    assert (told.repeats.counted, told.repeats.of, told.repeats.values) == (3, 3, {"loss": 6.0})


def test_a_front_is_one_of_configurations(bench: Any) -> None:
    b = bench(TWO)
    while not isinstance(offer := b.offer(), Over):
        loss = LOSSES[offer.config["x"]][offer.config["seed"]]
        b.finish(offer, {"loss": loss, "ms": 5.0 - offer.config["x"]})
    spec, trials = b.workspace.spec(b.sweep), b.workspace.trials(b.sweep)
    front = front_of(standing_for(trials, spec.metrics, spec.repeats), spec.metrics)
    assert [(each.trial.config["x"], each.trial.objectives) for each in front.ranked if each.front == 1] == [
        (1, (2.0, 4.0)), (2, (4.0, 3.0)),
    ]  # fmt: skip
    assert [
        each.config["x"] for each in Result(b.workspace.show(b.sweep), trials, spec.metrics, spec.repeats).front
    ] == [1, 2]


def test_figures_show_configurations_and_the_history_single_runs_beside_them(lab: Any) -> None:
    given = Evidence(lab.workspace.show(lab.sweep), lab.workspace.spec(lab.sweep), lab.workspace.trials(lab.sweep))
    history = KINDS["history"](given)
    assert history is not None
    marks = {mark.name: mark for mark in history.panels[0].marks if isinstance(mark, Points | Line)}
    assert len(marks["single run"].x) == 9
    assert sorted(marks["mean of the runs of a configuration"].y) == [2.0, 4.0, 6.0]
    assert marks["best so far"].y[-1] == 2.0
    slices = KINDS["slice"](given)
    assert slices is not None
    assert sum(len(mark.x) for mark in slices.panels[0].marks if isinstance(mark, Points)) == 3
