"""Replays of recorded trials: what is counted, that nothing is drawn, and that rules act as they do in a sweep."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.sweeps.recorded import Recorded, read_recorded
from swath.sweeps.simulate import simulate
from swath.sweeps.spec.model import HyperbandSettings
from swath.sweeps.spec.stoppers import (
    AnyOf,
    AshaSettings,
    BohbSettings,
    CurveSettings,
    Guard,
    Guarded,
    MedianSettings,
    PbtSettings,
    PlateauSettings,
    StopperSettings,
    ThresholdSettings,
)
from swath.sweeps.stopping.hyperband import Hyperband
from swath.sweeps.stopping.make import rule_for
from swath.tracking.errors import NotFound, UsageError

RULES: list[StopperSettings] = [
    HyperbandSettings(min_iter=1),
    AshaSettings(max_iter=30),
    AshaSettings(max_iter=30, mode="promote"),
    BohbSettings(max_iter=30),
    Guarded(MedianSettings(), Guard(min_peers=5)),
    CurveSettings(max_iter=30),
    AnyOf((AshaSettings(max_iter=30, mode="promote"), PlateauSettings(patience=8))),
]


def some_trials(count: int, length: int = 30) -> list[Recorded]:
    dice = np.random.default_rng(1)
    reports = np.arange(1, length + 1)
    found = []
    for number in range(1, count + 1):
        curve = dice.uniform(0, 1) + reports ** -dice.uniform(0.2, 1.5) + dice.normal(0, 0.01, length)
        found.append(Recorded(number, curve.tolist(), (reports * dice.uniform(0.5, 2)).tolist()))
    return found


def test_without_a_rule_every_trial_runs_to_its_end() -> None:
    trials = some_trials(10)
    replay = simulate(trials, "minimize", None, slots=3)
    assert (replay.report_share, replay.time_share, replay.regret) == (1.0, 1.0, 0.0)
    assert replay.count("finished") == 10
    alone = simulate(trials, "minimize", None)
    assert alone.makespan == pytest.approx(sum(trial.seconds[-1] for trial in trials))
    assert max(trial.seconds[-1] for trial in trials) <= replay.makespan < alone.makespan


@pytest.mark.parametrize("settings", RULES)
def test_a_replay_is_the_same_byte_for_byte_and_spends_less(settings: StopperSettings) -> None:
    trials = some_trials(60)
    told = [json.dumps(simulate(trials, "minimize", rule_for(settings, "loss"), 4).to_dict()) for _ in range(2)]
    assert told[0] == told[1]
    replay = simulate(trials, "minimize", rule_for(settings, "loss"), 4)
    assert replay.report_share < 0.8
    assert replay.best is not None
    assert replay.full_best is not None
    assert replay.best >= replay.full_best
    assert len(replay.outcomes) == 60
    assert all(each.reports <= each.of_reports for each in replay.outcomes)
    assert all(each.reason for each in replay.outcomes)


@given(st.integers(1, 9), st.integers(1, 40), st.sampled_from(RULES))
def test_no_more_trials_run_at_once_than_there_are_slots(slots: int, count: int, settings: StopperSettings) -> None:
    trials = some_trials(count)
    replay = simulate(trials, "minimize", rule_for(settings, "loss"), slots)
    assert len(replay.outcomes) == count
    assert sum(each.seconds for each in replay.outcomes) <= replay.makespan * slots + 1e-6


@given(st.integers(1, 40))
def test_under_promotion_one_trial_at_least_runs_to_its_end(count: int) -> None:
    replay = simulate(some_trials(count), "minimize", rule_for(AshaSettings(max_iter=30, mode="promote"), "loss"), 2)
    assert replay.count("finished") >= 1
    assert replay.count("stopped") == 0


def test_what_a_rung_counts_adds_up() -> None:
    replay = simulate(some_trials(90), "minimize", rule_for(AshaSettings(max_iter=30, mode="promote"), "loss"), 4)
    assert [rung.at for rung in replay.rungs] == [1, 3, 9, 27]
    for rung in replay.rungs:
        assert rung.promoted <= rung.paused <= rung.reached
        still = sum(each.state == "paused" and each.band == rung.at for each in replay.outcomes)
        assert rung.paused - rung.promoted == still
    assert replay.promotions == sum(rung.promoted for rung in replay.rungs)


def test_with_one_slot_hyperband_stops_whom_its_engine_stops() -> None:
    trials, rule = some_trials(40), Hyperband(HyperbandSettings(min_iter=2, eta=2))
    replay = simulate(trials, "minimize", rule)
    histories: dict[str, list[float]] = {}
    for trial, outcome in zip(trials, replay.outcomes, strict=True):
        name = str(trial.number)
        for count in range(1, outcome.reports + 1):
            histories[name] = list(trial.values[:count])
            stopped = rule.stop_all("minimize", histories, [name])
            assert bool(stopped) == (outcome.state == "stopped" and count == outcome.reports)


def test_values_that_are_no_numbers_take_their_time_and_are_no_reports() -> None:
    trials = [Recorded(1, [1.0, math.nan, 0.5, math.inf, 0.7], [1.0, 2.0, 3.0, 4.0, 5.0])]
    plain = simulate(trials, "minimize", rule_for(ThresholdSettings(above=0.6, after=3), "loss"))
    assert (plain.outcomes[0].state, plain.outcomes[0].reports, plain.best) == ("stopped", 5, 0.5)
    watching = rule_for(Guarded(AshaSettings(), Guard(non_finite="stop")), "loss")
    strict = simulate(trials, "minimize", watching)
    assert (strict.outcomes[0].reports, strict.outcomes[0].rule, strict.makespan) == (2, "non_finite", 2.0)
    nothing = simulate([Recorded(1, [math.nan], [1.0]), Recorded(2, [], [])], "minimize", watching)
    assert (nothing.best, nothing.regret, nothing.count("finished")) == (None, None, 1)


def test_what_cannot_be_replayed_is_said() -> None:
    with pytest.raises(UsageError, match="pbt"):
        simulate(some_trials(40), "minimize", rule_for(PbtSettings(interval=5), "loss"), 40)
    with pytest.raises(UsageError, match="slot"):
        simulate(some_trials(1), "minimize", None, 0)


# Recorded trials.


def test_csv_and_json_lines_say_the_same(tmp_path: Path) -> None:
    csv = "trial,step,value,seconds,lr,kind\na,1,0.5,2,0.1,x\na,0,0.9,1,0.1,x\nb,0,nan,1.5,0.2,y\n"
    (tmp_path / "one.csv").write_text(csv)
    rows = [
        {"trial": "a", "step": 1, "value": 0.5, "seconds": 2, "config": {"lr": 0.1, "kind": "x"}},
        {"trial": "a", "step": 0, "value": 0.9, "seconds": 1},
        {"trial": "b", "value": None, "seconds": 1.5, "lr": 0.2, "kind": "y"},
    ]
    (tmp_path / "two.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    whole = [{"trial": "a", "values": [0.9, 0.5], "seconds": [1, 2], "lr": 0.1, "kind": "x"},
             {"trial": "b", "values": [None], "seconds": [1.5], "config": {"lr": 0.2, "kind": "y"}}]  # fmt: skip
    (tmp_path / "three.jsonl").write_text("\n".join(json.dumps(row) for row in whole))
    told = [
        [repr(trial) for trial in read_recorded(tmp_path / name)] for name in ("one.csv", "two.jsonl", "three.jsonl")
    ]
    assert told[0] == told[1] == told[2]
    first = read_recorded(tmp_path / "one.csv")[0]
    assert (first.number, first.values, first.seconds, first.name) == (1, [0.9, 0.5], [1.0, 2.0], "a")
    assert first.config == {"lr": 0.1, "kind": "x"}


def test_a_folder_is_all_of_its_files_and_time_may_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("value\n3\n2\n1\n")
    (tmp_path / "b.jsonl").write_text('{"values": [1, 2]}\n\n')
    (tmp_path / "notes.txt").write_text("no trial")
    trials = read_recorded(tmp_path)
    assert [(trial.name, list(trial.values), list(trial.seconds)) for trial in trials] == [
        ("a", [3.0, 2.0, 1.0], [1.0, 2.0, 3.0]), ("b", [1.0, 2.0], [1.0, 2.0])
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.csv", "trial,accuracy\n1,2\n", "a.csv:2: there is no `value`"),
        ("a.jsonl", "{\n", "a.jsonl:1: not a line of JSON"),
        ("a.jsonl", "[]\n", "a.jsonl:1: not an object"),
        ("a.csv", "trial,value\n", "no recorded trials"),
    ],
)
def test_a_file_that_is_none_of_these_is_refused_with_its_line(
    tmp_path: Path, name: str, text: str, fault: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=fault):
        read_recorded(tmp_path / name)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_recorded(tmp_path / "none.csv")
