"""Replays in several metrics: they decide as a live sweep does, and tell what is left of the Pareto front."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swath.agents.protocol import Assignment, Over
from swath.sweeps import hypervolumes
from swath.sweeps.recorded import Recorded, of_joint_sweep, read_recorded
from swath.sweeps.simulate import Simulation, simulate
from swath.sweeps.spec import Metric, parse_spec
from swath.sweeps.stopping.make import make_stopper
from swath.tracking.errors import NotFound, UsageError

TWO = (Metric("acc", "maximize"), Metric("ms", limit=9.5))
SPEC: dict[str, Any] = {
    "method": "random",
    "parameters": {"x": {"min": 0.0, "max": 1.0}},
    "metrics": [metric.to_dict() for metric in TWO],
    "seed": 1,
    "run_cap": 24,
}
STOP = {"type": "asha", "min_iter": 1, "max_iter": 9, "eta": 3}
RULES: list[dict[str, Any]] = [
    STOP,
    {"type": "hyperband", "min_iter": 2},
    {"type": "median", "min_peers": 3},
    {"any": [{**STOP, "metric": "ms"}, {"type": "plateau", "patience": 3}]},
    {"any": [STOP, {"type": "threshold", "metric": "ms", "above": 9.0, "non_finite": "stop"}]},
    {"type": "curve", "max_iter": 9, "metric": "acc"},
]


def rows_of(trial: int, epochs: int = 9) -> list[dict[str, Any]]:
    """What trial number `trial` logs: each metric in a row of its own, the second one late, and once no number."""
    dice = np.random.default_rng(trial)
    quality, width = dice.uniform(0, 1, 2)
    rows: list[dict[str, Any]] = []
    for epoch in range(1, epochs + 1):
        rows.append({"acc": float(quality * width * epoch / 9 + dice.normal(0, 0.02))})
        if epoch != 3:
            rows.append({"ms": math.nan if epoch == 5 and trial % 6 == 0 else float(10 * width + dice.normal(0, 0.2))})
    return rows


def simulated(trials: list[Recorded], rule: dict[str, Any] | None, slots: int = 1) -> Simulation:
    stopper = make_stopper(parse_spec(SPEC | {"early_terminate": rule})) if rule else None
    return simulate(trials, "maximize", stopper, slots, metrics=TWO)


def run_live(b: Any) -> None:
    """One agent runs the sweep and minds every verdict at once."""
    while not isinstance(offer := b.offer(), Over):
        assert isinstance(offer, Assignment)
        verdict = "continue"
        for row in rows_of(offer.number):
            verdict = b.report(offer, row).action
            b.clock.advance(1.0)
            if verdict != "continue":
                break
        b.finish(offer, ending="stopped" if verdict != "continue" else "finished")


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_replay_decides_as_the_live_sweep_did(bench: Any, tmp_path: Path, rule: dict[str, Any]) -> None:
    b = bench(SPEC | {"early_terminate": rule})
    run_live(b)
    live = {trial.number: trial for trial in b.workspace.trials(b.sweep)}
    # The trials as they would have gone on: a replay need not be told where they ended.
    (tmp_path / "whole.jsonl").write_text(
        "\n".join(json.dumps({"trial": number, "step": 0, **row}) for number in live for row in rows_of(number))
    )
    for trials in (read_recorded(tmp_path / "whole.jsonl", TWO), of_joint_sweep(b.workspace, b.sweep, TWO)):
        replay = simulated(trials, rule)
        ends = {each.number: (each.state, each.reason if each.state == "stopped" else "") for each in replay.outcomes}
        assert ends == {
            number: (str(trial.state), trial.reason if trial.state == "stopped" else "")
            for number, trial in live.items()
        }
        values = {each.number: each.values for each in replay.outcomes}
        assert values == {
            number: None if None in trial.objectives else trial.objectives for number, trial in live.items()
        }
        assert "stopped" in {state for state, _ in ends.values()}


def test_a_replay_under_promotion_lets_the_whole_front_come_to_its_end() -> None:
    trials = some_trials(40)
    replay = simulated(trials, {**STOP, "mode": "promote"}, slots=3)
    assert replay.count("stopped") == 0
    assert replay.promotions == sum(rung.promoted for rung in replay.rungs) > 0
    assert replay.front is not None
    assert replay.front.share == 1.0


def some_trials(count: int, epochs: int = 9) -> list[Recorded]:
    dice = np.random.default_rng(3)
    found = []
    for number in range(1, count + 1):
        quality, width = dice.uniform(0, 1, 2).tolist()
        reports = [(quality * width * epoch / epochs, 10 * width) for epoch in range(1, epochs + 1)]
        counts = range(1, epochs + 1)
        found.append(
            Recorded(number, (), [float(n) for n in counts], vectors=reports, counts=counts, unusable=[0] * epochs,
                     results=reports)
        )  # fmt: skip
    return found


def test_without_a_rule_the_whole_front_is_kept_and_a_replay_is_repeatable() -> None:
    trials = some_trials(60)
    full = simulated(trials, None, 4)
    assert full.front is not None
    assert (full.report_share, full.front.share, full.front.hypervolume) == (1.0, 1.0, 1.0)
    told = [json.dumps(simulated(trials, STOP, 4).to_dict()) for _ in range(2)]
    assert told[0] == told[1]
    data = json.loads(told[0])
    assert data["report_share"] < 0.7
    assert 0.9 < data["hypervolume_share"] <= 1.0
    assert set(data["full_front_run"]) <= set(data["full_front"])
    assert (data["best"], data["full_best"], data["regret"]) == (None, None, None)
    assert data["outcomes"][0]["values"].keys() == {"acc", "ms"}
    over = {each["number"] for each in data["outcomes"] if each["values"]["ms"] > 9.5}
    assert over
    assert not over & set(data["front"] + data["full_front"])


def test_where_no_trial_keeps_the_limits_there_is_no_front() -> None:
    far = tuple(Metric(metric.name, metric.goal, limit=-1.0 if metric.name == "ms" else None) for metric in TWO)
    front = simulate(some_trials(5), "maximize", None, metrics=far).front
    assert front is not None
    assert (front.full_front, front.share, front.hypervolume, front.reference) == ((), None, None, ())


def test_a_hypervolume_reaches_to_a_tenth_behind_the_worst_values() -> None:
    whole = [(1.0, 10.0), (0.0, 0.0)]
    assert hypervolumes.reference_of(whole, ["maximize", "minimize"]) == (-0.1, 11.0)
    # In units of the extents: two boxes of 1.1 by 0.1, which have 0.1 by 0.1 in common.
    share = hypervolumes.kept(whole[:1], whole, ["maximize", "minimize"])
    assert share == pytest.approx(0.11 / 0.21)
    assert hypervolumes.kept([(-1.0, 0.0)], whole, ["maximize", "minimize"]) == 0.0
    assert hypervolumes.kept([(1.0, 0.0)], whole, ["maximize", "minimize"]) == pytest.approx(1.21 / 0.21)
    many = [(float(x), float(y), float(-x), float(-y), 0.0) for x in range(10) for y in range(10)]
    assert hypervolumes.kept(many, many, ["minimize"] * 5) is None


# Recorded trials.


def test_csv_and_json_lines_say_the_same_of_several_metrics(tmp_path: Path) -> None:
    csv = "trial,step,acc,ms,lr\na,0,0.1,,0.1\na,0,,9,0.1\na,1,0.2,8,0.1\nb,0,nan,7,0.2\nb,1,0.3,,0.2\n"
    (tmp_path / "one.csv").write_text(csv)
    rows: list[dict[str, Any]] = [
        {"trial": "a", "step": 0, "acc": 0.1, "lr": 0.1}, {"trial": "a", "step": 0, "ms": 9},
        {"trial": "b", "step": 0, "acc": "nan", "ms": 7, "config": {"lr": 0.2}},
        {"trial": "a", "step": 1, "acc": 0.2, "ms": 8}, {"trial": "b", "step": 1, "acc": 0.3},
    ]  # fmt: skip
    (tmp_path / "two.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    one, two = (read_recorded(tmp_path / name, TWO) for name in ("one.csv", "two.jsonl"))
    assert [repr(trial) for trial in one] == [repr(trial) for trial in two]
    assert (one[0].vectors, one[0].counts, one[0].seconds) == ([(0.1, 9.0), (0.2, 8.0)], [0, 1, 2], [1.0, 1.0, 2.0])
    assert (one[1].vectors, one[1].unusable, one[1].config) == ([(0.3, 7.0)], [1, 1], {"lr": 0.2})
    (tmp_path / "three.jsonl").write_text('{"trial": "a", "acc": [0.1, 0.2], "ms": [9, 8], "seconds": [2, 5]}')
    (three,) = read_recorded(tmp_path / "three.jsonl", TWO)
    assert (three.vectors, three.seconds) == ([(0.1, 9.0), (0.2, 8.0)], [2.0, 5.0])


def test_a_metric_that_a_file_lacks_is_named_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("trial,acc,ms\n1,2,3\n")
    (tmp_path / "b.csv").write_text("trial,acc,mss\n2,2,3\n")
    with pytest.raises(UsageError, match=r"b\.csv: there is nothing of the metric ms; did you mean mss\?"):
        read_recorded(tmp_path, TWO)
    (tmp_path / "c.jsonl").write_text('{"value": 1}')
    with pytest.raises(UsageError, match=r"c\.jsonl: there is nothing of the metrics acc, ms"):
        read_recorded(tmp_path / "c.jsonl", TWO)


def test_a_sweep_that_never_logged_a_metric_is_refused_with_its_name(bench: Any) -> None:
    b = bench(SPEC)
    b.finish(b.take(), {"acc": 1.0})
    with pytest.raises(NotFound, match="has reported ms"):
        of_joint_sweep(b.workspace, b.sweep, TWO)
