"""A sweep that ran is replayed from its store, and recorded files without one; as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swath import sweeps, tracking
from swath.sweeps.cli import simulating
from swath.sweeps.spec import SpecFaults
from swath.tracking.errors import NotFound, UsageError

SPEC: dict[str, Any] = {
    "method": "grid",
    "metric": {"name": "val/score", "goal": "maximize"},
    "parameters": {"x": {"values": list(range(1, 10))}},
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SWATH_DIR", "SWATH_URL", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(config: Any) -> None:
    with tracking.init() as run:
        for epoch in range(1, 10):
            run.log({"val/score": config.x * epoch / 9, "loss": 1.0})
            run.log({"other": epoch})


def test_a_sweep_is_replayed_under_another_rule(capsys: pytest.CaptureFixture[str]) -> None:
    made = sweeps.run(SPEC, train, executor="inline", quiet=True)
    capsys.readouterr()
    simulating.run("last", "{type: asha, max_iter: 9, mode: promote}", None, 2, True)
    told = json.loads(capsys.readouterr().out)
    assert (told["trials"], told["rule"], told["metric"], told["goal"]) == (9, "asha", "val/score", "maximize")
    assert (told["best"], told["best_trial"], told["full_best"], told["cut_short"]) == (9.0, 9, 9.0, 0)
    assert told["report_share"] < 0.7
    assert [each["of_reports"] for each in told["outcomes"]] == [9] * 9
    assert [rung["at"] for rung in told["rungs"]] == [1, 3]
    simulating.run(made.id, None, None, 1, True)
    plain = json.loads(capsys.readouterr().out)
    assert (plain["rule"], plain["finished"], plain["report_share"]) == ("none", 9, 1.0)


def test_trials_that_were_stopped_are_said_to_be_cut_short(capsys: pytest.CaptureFixture[str]) -> None:
    stopping = {
        **SPEC,
        "early_terminate": {"type": "hyperband", "min_iter": 3},
        "method": "random",
        "run_cap": 12,
        "seed": 1,
    }
    made = sweeps.run(stopping, train, executor="inline", quiet=True)
    capsys.readouterr()
    simulating.run(made.id, None, None, 1, True)
    told = json.loads(capsys.readouterr().out)
    assert told["rule"] == "hyperband"
    assert told["cut_short"] == made.counts["stopped"] > 0


def test_files_are_replayed_and_told_as_text(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["trial,step,value,lr"]
    rows += [f"{trial},{step},{trial + 1 / step},0.{trial}" for trial in range(1, 8) for step in range(1, 10)]
    (here / "curves.csv").write_text("\n".join(rows))
    simulating.run("curves.csv", "{type: asha, max_iter: 9}", None, 1, False)
    told = capsys.readouterr().out
    assert "7 trials under asha, 1 slot: 2 ran to their end, 5 were stopped" in told
    assert "best   value 1.11111 (trial 1); the full search had 1.11111 (trial 1)" in told
    assert told.splitlines()[4].split() == ["rung", "reached", "stopped", "paused", "sent", "on", "later", "last",
                                            "threshold"]  # fmt: skip
    simulating.run("curves.csv", "none", "maximize", 3, False)
    assert "spent  100.0% of the reports" in capsys.readouterr().out


def test_another_method_finds_its_way_among_the_recorded_trials(capsys: pytest.CaptureFixture[str]) -> None:
    parameters = {"x": {"min": 0.0, "max": 1.0}, "kind": {"values": ["a", "b"]}}
    made = sweeps.run({**SPEC, "method": "random", "parameters": parameters, "run_cap": 40, "seed": 3}, train,
                      executor="inline", quiet=True)  # fmt: skip
    capsys.readouterr()
    found = []
    for _ in range(2):
        simulating.run(made.id, "{type: asha, max_iter: 9}", None, 1, True, "bayes", 5)
        found.append(capsys.readouterr().out)
    assert found[0] == found[1]
    told = json.loads(found[0])
    assert told["trials"] == 40
    assert [each["ended"] for each in told["outcomes"]] != sorted(each["ended"] for each in told["outcomes"])
    with pytest.raises(UsageError, match="no method to replay"):
        simulating.run(made.id, None, None, 1, True, "grid")


def test_what_is_wrong_is_said(here: Path) -> None:
    (here / "curves.csv").write_text("value\n1\n2\n")
    with pytest.raises(SpecFaults, match="min_iterr"):
        simulating.run("curves.csv", "{type: asha, min_iterr: 1}", None, 1, False)
    with pytest.raises(NotFound, match="no file, no folder and no sweep"):
        simulating.run("nothing", None, None, 1, False)
    bare = {key: value for key, value in SPEC.items() if key != "metric"}
    made = sweeps.run(bare, train, executor="inline", quiet=True)
    with pytest.raises(UsageError, match="no metric"):
        simulating.run(made.id, None, None, 1, False)
