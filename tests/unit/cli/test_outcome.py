"""What becomes of a sweep decides the exit code, and what went wrong is said by name."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from swath.sweeps.cli import outcome
from swath.sweeps.spec import parse_spec
from swath.sweeps.states import SweepState


def nothing() -> None:
    return None


def over(views: Any, **fields: Any) -> Any:
    return views.sweep(state=SweepState.FINISHED, **fields)


def test_a_finished_trial_with_a_value_is_success(views: Any) -> None:
    view = over(views, trials={"finished": 1, "failed": 3}, best=views.best(), metrics_seen=["val/acc"])
    assert outcome.conclude(view, nothing).code == 0


def test_a_sweep_without_a_metric_succeeds_without_a_best(views: Any) -> None:
    assert outcome.conclude(over(views, metric=None, trials={"finished": 1}), nothing).code == 0


def test_a_metric_that_nobody_logged_is_named_with_those_that_were(views: Any) -> None:
    end = outcome.conclude(over(views, trials={"finished": 2}, metrics_seen=["val/accuracy", "loss"]), nothing)
    assert end.code == 1
    assert "val/acc" in end.message
    assert "val/accuracy, loss" in end.message
    assert "did you mean val/accuracy?" in end.hint


def test_a_metric_that_was_never_a_number_is_told_apart(views: Any) -> None:
    end = outcome.conclude(over(views, trials={"finished": 2}, metrics_seen=["val/acc"]), nothing)
    assert end.code == 1
    assert "NaN" in end.message


def test_when_all_failed_the_last_error_is_shown(views: Any) -> None:
    failed = views.trial(3, error="Traceback\nValueError: no such thing")
    end = outcome.conclude(over(views, trials={"failed": 3}), lambda: failed)
    assert end.code == 1
    assert "all 3 trials failed" in end.message
    assert "ValueError: no such thing" in end.message
    assert "sweep retry" in end.hint


def test_a_cancelled_sweep_is_a_failure(views: Any) -> None:
    view = views.sweep(state=SweepState.CANCELLED, trials={"finished": 1}, best=views.best())
    assert outcome.conclude(view, nothing).code == 1


@pytest.mark.parametrize("state", [SweepState.PENDING, SweepState.RUNNING, SweepState.PAUSED, SweepState.FINISHING])
def test_a_sweep_that_its_agents_left_unfinished_is_a_failure_that_can_go_on(views: Any, state: SweepState) -> None:
    view = views.sweep(state=state, trials={"finished": 1, "queued": 2, "failed": 1}, best=views.best())
    end = outcome.conclude(view, nothing)
    assert end.code == 1
    assert "2 trials queued or running" in end.message
    assert end.hint == f"go on with: sweep run --resume {view.id}"


def test_the_json_of_a_run_has_the_promised_keys(views: Any) -> None:
    told = outcome.result_json(views.sweep(trials={"finished": 2}, best=views.best()), 1.23456)
    assert list(told) == ["sweep", "state", "trials", "best", "duration_s"]
    assert told["best"] == {"run": "abcd2345-7", "metric": "val/acc", "value": 0.9, "config": {"lr": 0.01}}
    assert told["trials"]["finished"] == 2
    assert outcome.result_json(views.sweep(), 0)["best"] is None


def test_the_command_to_run_again_runs(tmp_path: Path) -> None:
    (tmp_path / "my train.py").write_text("import sys; print(sys.argv[1:])")
    spec = parse_spec({"method": "grid", "program": "my train.py", "parameters": {"a": {"values": ["x y", 2]}}})
    command = outcome.again(spec, {"a": "x y"})
    assert command is not None
    printed = subprocess.run(
        command.replace("python", sys.executable, 1),
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.strip() == "['--a=x y']"


@pytest.mark.parametrize("value", ["1", "'it is $HOME'", "{'b': [1, 'q\"']}"])
def test_a_function_is_run_again_as_a_trial_would_call_it(tmp_path: Path, value: str) -> None:
    (tmp_path / "mod.py").write_text("def train(config):\n    print(repr(config.a))\n")
    config = {"a": ast.literal_eval(value)}
    spec = parse_spec({"method": "grid", "function": "mod:train", "parameters": {"a": {"values": [1]}}})
    command = outcome.again(spec, config)
    assert command is not None
    command = command.replace("python", sys.executable, 1)
    printed = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ast.literal_eval(printed.stdout) == config["a"]
