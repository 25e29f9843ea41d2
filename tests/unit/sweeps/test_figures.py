"""Figures: what is in them, and that HTML and PNG hold it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from swath.sweeps.figures import KINDS, Evidence, Figure
from swath.sweeps.figures.html import page, plotly_dict
from swath.sweeps.figures.model import Bars, Line, Points, Surface
from swath.sweeps.figures.png import png
from swath.sweeps.spec import parse_spec
from swath.sweeps.states import SweepState, TrialState
from swath.sweeps.views import EventView, MarkView, SweepView, TrialView

SPEC: dict[str, Any] = {
    "name": "lab",
    "method": "random",
    "metric": {"name": "<loss>"},
    "program": "train.py",
    "early_terminate": {"type": "asha", "min_iter": 1, "max_iter": 9},
    "parameters": {
        "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1.0},
        "drop": {"min": 0.0, "max": 1.0},
        "depth": {"min": 1, "max": 8},
        "opt": {"choice": {"sgd": {"parameters": {"momentum": {"min": 0.0, "max": 1.0}}}, "adam": {}}},
    },
}
TWO = {key: value for key, value in SPEC.items() if key not in ("metric", "early_terminate")} | {
    "metrics": [{"name": "acc", "goal": "maximize"}, {"name": "ms", "limit": 5.0}]
}


def trial(number: int, value: float | None, state: TrialState = TrialState.FINISHED, **fields: Any) -> TrialView:
    share = (number * 0.618) % 1.0
    opt = {"choice": "sgd", "momentum": share} if number % 2 else {"choice": "adam"}
    given: dict[str, Any] = {
        "config": {"lr": 10 ** (-5 * share), "drop": (number * 0.37) % 1.0, "depth": 1 + number % 8, "opt": opt},
        "objectives": (), "reports": 1,
    }  # fmt: skip
    return TrialView(
        run_id=f"s-{number}", number=number, name=f"lab-{number}", state=state, value=value, latest=value, best=value,
        attempt=1, reason="", suggested="", agent="", summary={}, created=0.0, started=0.0, ended=1.0, exit_code=0,
        error="", **given | fields,
    )  # fmt: skip


def evidence(trials: list[TrialView], spec: dict[str, Any] = SPEC, **fields: Any) -> Evidence:
    view = SweepView(
        id="s", name="lab", state=SweepState.FINISHED, method="random", project="", metric="<loss>", goal="minimize",
        target=None, trials={}, total=None, best=None, created=0.0, started=0.0, ended=1.0, reason="", metrics_seen=[],
        origin="",
    )  # fmt: skip
    return Evidence(view, parse_spec(spec), trials, **fields)


def made(kind: str, given: Evidence) -> Figure:
    figure = KINDS[kind](given)
    assert figure is not None
    return figure


@pytest.fixture
def many() -> Evidence:
    trials = [trial(number, 1.0 + (number * 0.7) % 1.0) for number in range(1, 31)]
    trials[3] = trial(4, 3.0, TrialState.STOPPED)
    trials[4] = trial(5, None, TrialState.FAILED)
    marks = [MarkView(number, 1, 2.0, 2.0, 2.0) for number in range(1, 31) if number != 5]
    marks += [MarkView(number, 3, 2.0, 2.0, 2.0) for number in range(1, 31) if number not in (4, 5)]
    decided = EventView(1, 0.0, "trial.decided", "s-4", {"band": 1, "action": "stop"})
    return evidence(trials, marks=marks, events=[decided])


def test_the_history_holds_each_trial_and_the_best_so_far(many: Evidence) -> None:
    figure = made("history", many)
    (panel,) = figure.panels
    points = {mark.name: mark for mark in panel.marks if isinstance(mark, Points)}
    assert {name: len(mark.x) for name, mark in points.items()} == {"stopped early": 1, "finished": 28}
    (line,) = (mark for mark in panel.marks if isinstance(mark, Line))
    assert list(line.y) == sorted(line.y, reverse=True)
    assert line.y[-1] == min(many.values().values())
    assert figure.note == "1 of 30 trials have no value"


def test_axes_are_logarithmic_where_the_distribution_is_and_whole_where_numbers_are(many: Evidence) -> None:
    axes = {panel.x.title: panel.x for panel in made("slice", many).panels}
    assert [name for name, axis in axes.items() if axis.log] == ["lr"]
    assert [name for name, axis in axes.items() if axis.whole] == ["depth"]
    assert set(axes["opt"].categories) == {"sgd", "adam"}


def test_a_metric_of_several_orders_of_magnitude_is_on_a_logarithmic_axis() -> None:
    assert evidence([trial(1, 0.001), trial(2, 10.0)]).metric_axis().log
    assert not evidence([trial(1, -0.001), trial(2, 10.0)]).metric_axis().log
    assert not evidence([trial(1, 0.5), trial(2, 10.0)]).metric_axis().log


def test_a_slice_of_a_conditional_parameter_holds_the_trials_that_have_it(many: Evidence) -> None:
    (panel,) = (panel for panel in made("slice", many).panels if panel.x.title == "opt.sgd.momentum")
    assert sum(len(mark.x) for mark in panel.marks if isinstance(mark, Points)) == 14


def test_threads_pass_by_where_a_parameter_is_not_there(many: Evidence) -> None:
    threads = made("parallel", many).threads
    assert threads is not None
    at = [column.title for column in threads.columns].index("opt.sgd.momentum")
    assert sum(row[at] is None for row in threads.rows) == 15
    assert all(value is None or 0.0 <= value <= 1.0 for row in threads.rows for value in row)
    assert threads.columns[-1].title == "<loss>"
    assert list(threads.shades) == sorted(threads.shades, reverse=True)


def test_trials_at_a_rung_are_those_that_came_there_by_what_became_of_them(many: Evidence) -> None:
    (panel,) = made("rungs", many).panels
    assert panel.x.categories == ("1", "3")
    assert {mark.name: mark.lengths for mark in panel.marks if isinstance(mark, Bars)} == {
        "went on": (28.0, 28.0), "stopped": (1.0, 0.0),
    }  # fmt: skip


def test_a_trial_that_was_promoted_after_its_pause_went_on(many: Evidence) -> None:
    paused = EventView(1, 0.0, "trial.decided", "s-7", {"band": 1, "action": "pause"})
    promoted = EventView(2, 0.0, "trial.promoted", "s-7", {})
    trials = [replaced if (replaced := each).number != 7 else trial(7, 2.0, TrialState.PAUSED) for each in many.trials]
    waits = made("rungs", replace(many, trials=trials, events=[paused]))
    goes_on = made("rungs", replace(many, trials=trials, events=[paused, promoted]))
    assert "waits, or waited to the end" in {mark.name for mark in waits.panels[0].marks if isinstance(mark, Bars)}
    assert [mark.name for mark in goes_on.panels[0].marks if isinstance(mark, Bars)] == ["went on"]


def test_a_contour_is_of_the_parameters_asked_for_and_knows_nothing_far_from_trials(many: Evidence) -> None:
    figure = made("contour", replace(many, wanted=("drop", "lr")))
    (panel,) = figure.panels
    assert (panel.x.title, panel.y.title, panel.y.log) == ("drop", "lr", True)
    (surface,) = (mark for mark in panel.marks if isinstance(mark, Surface))
    known = [value for row in surface.rows for value in row if value is not None]
    values = many.values().values()
    assert min(values) <= min(known) <= max(known) <= max(values)


def test_the_front_sets_apart_what_is_on_it_behind_it_and_beyond_a_limit() -> None:
    results = [(0.9, 4.0), (0.8, 2.0), (0.7, 3.0), (0.95, 9.0)]
    trials = [trial(number, None, objectives=found) for number, found in enumerate(results, 1)]
    (panel,) = made("front", evidence(trials, TWO)).panels
    points = {mark.role: mark for mark in panel.marks if isinstance(mark, Points)}
    assert {role: mark.x for role, mark in points.items()} == {
        "over": (0.95,), "dominated": (0.7,), "front": (0.9, 0.8),
    }  # fmt: skip
    assert [mark.y for mark in panel.marks if isinstance(mark, Line) and mark.role == "limit"] == [(5.0, 5.0)]


@pytest.mark.parametrize("count", [0, 1, 2, 5])
@pytest.mark.parametrize("spec", [SPEC, TWO], ids=["one", "two"])
def test_few_trials_make_figures_or_none_and_never_an_error(count: int, spec: dict[str, Any]) -> None:
    trials = [trial(number, 0.5 * number, objectives=(0.1 * number, 2.0)) for number in range(1, count + 1)]
    for make in KINDS.values():
        figure = make(evidence(trials, spec))
        if figure is not None:
            assert png(figure).startswith(b"\x89PNG")
            assert plotly_dict(figure)["data"]


def test_plotly_knows_every_word_of_every_figure(many: Evidence) -> None:
    plotly = pytest.importorskip("plotly.graph_objects")
    two = evidence([trial(number, None, objectives=(number / 30, number / 4)) for number in range(1, 31)], TWO)
    for given in (many, two):
        for make in KINDS.values():
            figure = make(given)
            if figure is not None:
                plotly.Figure(plotly_dict(figure))  # an unknown key, or a value that it does not take, is an error


def test_a_page_holds_all_figures_needs_no_network_and_escapes_names(many: Evidence) -> None:
    pytest.importorskip("plotly")
    text = page([made("history", many), made("parallel", many)], "lab <1>")
    assert text.count("Plotly.newPlot(") == 2
    assert not re.search(r"<script[^>]+src=|<link[^>]+href=", text)
    assert "lab &lt;1&gt;" in text
    assert '<h2 id="parallel">' in text


def test_every_figure_becomes_a_picture(many: Evidence) -> None:
    pytest.importorskip("matplotlib")
    found = [figure for make in KINDS.values() if (figure := make(many)) is not None]
    assert {figure.kind for figure in found} == set(KINDS) - {"front"}
    for figure in found:
        assert png(figure).startswith(b"\x89PNG"), figure.kind
