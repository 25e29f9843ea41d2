"""The live picture fits the terminal and says what matters."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from swath.sweeps.cli import live
from swath.sweeps.states import SweepState


def drawn(snapshot: live.Snapshot, width: int, height: int = 24, ascii_only: bool = False) -> list[str]:
    out = Console(file=io.StringIO(), width=width, height=height, highlight=False, color_system=None)
    out.print(live.picture(snapshot, live.Screen(width, height, ascii_only)))
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


def busy(views: Any, running: int = 2, **fields: Any) -> live.Snapshot:
    view = views.sweep(
        trials={"finished": 9, "stopped": 3, "failed": 1, "running": running}, best=views.best(), **fields
    )
    config = {"lr": 0.0123, "optimizer": "a rather long name of an optimizer", "model": {"width": 512, "depth": 12}}
    trials = [live.RunningTrial(14 + i, config, [0.1, 0.5, 0.75], 3.2 + i) for i in range(running)]
    return live.Snapshot(view, trials, ["lr", "optimizer", "model.width"], 61.0, 20.0, 2)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal(views: Any, width: int) -> None:
    assert max(map(len, drawn(busy(views), width))) <= width


@pytest.mark.parametrize("running", [1, 10, 200])
def test_the_picture_is_not_higher_than_the_terminal(views: Any, running: int) -> None:
    assert len(drawn(busy(views, running), 80, 24)) < 24


def test_it_shows_counts_time_left_the_best_and_each_running_trial(views: Any) -> None:
    text = "\n".join(drawn(busy(views), 120))
    for piece in (
        "13/24",
        "about 20s left",
        "9 finished",
        "3 stopped",
        "2 running",
        "val/acc 0.9000",
        "0.7500",
        "▁",
        "2 agents",
    ):
        assert piece in text


@pytest.mark.parametrize(("running", "agents"), [(1, 1), (2, 4), (4, 60), (60, 60), (200, 1)])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 12), (60, 24), (120, 40)])
def test_the_agents_stand_below_the_trials_and_fit(
    views: Any, running: int, agents: int, width: int, height: int
) -> None:
    crew = [views.agent(number) for number in range(agents)]
    lines = drawn(replace(busy(views, running), crew=crew, now=112.0), width, height)
    assert len(lines) < max(height, 11)
    assert max(map(len, lines)) <= width
    if height >= 24:
        assert any("trial 1 for 12s" in line and "75%" in line for line in lines)


def test_trials_that_do_not_fit_are_counted(views: Any) -> None:
    assert any("more" in line for line in drawn(busy(views, 200), 80, 24))


def test_a_narrow_terminal_goes_without_curves(views: Any) -> None:
    assert "▁" not in "\n".join(drawn(busy(views), 50))


def test_a_terminal_without_unicode_gets_none(views: Any) -> None:
    text = "\n".join(drawn(busy(views), 120, ascii_only=True))
    assert not set(text) & set("━─▁▂▃▄▅▆▇█")


def test_without_an_end_there_is_no_bar(views: Any) -> None:
    text = "\n".join(drawn(busy(views, total=None), 80))
    assert "━" not in text
    assert "13 trials done" in text


def test_a_space_too_large_to_exhaust_counts_as_without_an_end(views: Any) -> None:
    assert live.progress_counts(views.sweep(total=2**63 - 1))[1] is None


def test_before_the_first_trial_it_says_so(views: Any) -> None:
    text = "\n".join(drawn(live.Snapshot(views.sweep(state=SweepState.PENDING)), 80))
    assert "agents are starting" in text
    assert "no trials yet" in text
    assert "no val/acc yet" in text


def test_names_with_brackets_are_shown_as_they_are(views: Any) -> None:
    snapshot = live.Snapshot(
        views.sweep(name="[red]x[/red]", metric="acc[0]"), [live.RunningTrial(1, {"k": "[b]"}, [1.0], 1.0)], ["k"]
    )
    text = "\n".join(drawn(snapshot, 100))
    assert "[red]x[/red]" in text
    assert "acc[0]" in text
    assert "k=[b]" in text
