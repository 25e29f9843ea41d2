"""`sweep run` with real agents and programs: what it prints, how it exits, and that nothing is lost on the way."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest
from tests.integration.folders import DEADLINE_S, SLOW, TRACKED, Folder, running

from swath.sweeps import Workspace


def test_json_is_one_object_on_stdout_and_nothing_else(folder: Folder) -> None:
    folder.program("print('noise'); run.log({'loss': float(sys.argv[1].split('=')[1])})")
    result = folder.run("--json", "--agents", "2")
    told = json.loads(result.stdout)
    assert result.returncode == 0
    assert result.stdout.count("\n") == 1
    assert list(told) == ["sweep", "state", "trials", "best", "duration_s"]
    assert told["state"] == "finished"
    assert told["trials"] == {
        "queued": 0,
        "running": 0,
        "paused": 0,
        "finished": 3,
        "stopped": 0,
        "failed": 0,
        "killed": 0,
    }
    assert told["best"] == {"run": f"{told['sweep']}-1", "metric": "loss", "value": 1.0, "config": {"x": 1}}
    assert "trial 1 started  x=1" in result.stderr
    assert folder.shown()["best"] == told["best"]


def test_off_a_terminal_it_prints_one_line_an_event_and_ends_with_the_best(folder: Folder) -> None:
    folder.program("run.log({'loss': float(sys.argv[1].split('=')[1])})")
    result = folder.run()
    assert result.returncode == 0
    for number in (1, 2, 3):
        assert f"trial {number} started  x={number}" in result.stdout
        assert f"trial {number} finished  loss {number}.000" in result.stdout
    assert "python train.py --x=1" in result.stdout
    assert "sweep show " in result.stdout
    assert "\x1b" not in result.stdout + result.stderr


def test_quiet_prints_the_result_only(folder: Folder) -> None:
    folder.program("run.log({'loss': 1})")
    result = folder.run("--quiet")
    assert "started" not in result.stdout
    assert "loss = 1.0" in result.stdout


def test_a_metric_that_nobody_logs_is_named_with_those_that_were_logged(folder: Folder) -> None:
    folder.program("run.log({'losses': 1, 'acc': 2})")
    result = folder.run("--json")
    assert result.returncode == 1
    assert json.loads(result.stdout)["best"] is None
    assert "no trial logged the metric loss; metrics that were logged: acc, losses" in result.stderr
    assert "did you mean losses?" in result.stderr


@pytest.mark.parametrize("value", ["float('nan')", "'high'", "float('inf')"])
def test_a_metric_that_is_never_a_finite_number_is_told_apart(folder: Folder, value: str) -> None:
    folder.program(f"run.log({{'loss': {value}}})", points=1)
    result = folder.run("--json")
    assert result.returncode == 1
    assert json.loads(result.stdout)["best"] is None
    assert "no trial logged loss as a finite number" in result.stderr


def test_a_program_that_prints_and_logs_nothing_is_no_crash(folder: Folder) -> None:
    folder.program("", points=1)
    result = folder.run()
    assert result.returncode == 1
    assert "metrics that were logged: none at all" in result.stderr


def test_when_all_trials_fail_the_last_error_is_shown(folder: Folder) -> None:
    folder.program("raise ValueError('the data is missing')", points=2)
    result = folder.run()
    assert result.returncode == 1
    assert "all 2 trials failed" in result.stderr
    assert "ValueError: the data is missing" in result.stderr


def test_a_broken_program_ends_the_run_before_it_burns_the_budget(folder: Folder) -> None:
    folder.program("raise ValueError('the data is missing')", points=20)
    result = folder.run("--json")
    told = json.loads(result.stdout)
    assert result.returncode == 1
    assert told["trials"]["failed"] == 3
    assert "the program is broken" in result.stderr
    assert "ValueError: the data is missing" in result.stderr
    assert f"sweep retry {told['sweep']} && sweep run --resume {told['sweep']}" in result.stderr


def test_a_mended_program_goes_on_where_the_broken_one_ended(folder: Folder) -> None:
    folder.program("raise ValueError('not yet')", points=5)
    sweep_id = json.loads(folder.run("--json").stdout)["sweep"]
    (folder.path / "train.py").write_text(TRACKED + "run.log({'loss': 1})")
    assert "3 trials queued again" in folder.sweep("retry", sweep_id).stdout
    result = folder.sweep("run", "--resume", sweep_id, "--json")
    assert result.returncode == 0
    assert json.loads(result.stdout)["trials"]["finished"] == 5


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("nomodule:train", "No module named 'nomodule'"),
        ("train:trian", "no function 'trian'"),
        ("train:train", "oh no"),
    ],
)
def test_a_function_that_cannot_be_imported_is_told_with_the_reason(folder: Folder, function: str, said: str) -> None:
    (folder.path / "train.py").write_text("raise OSError('oh no')" if said == "oh no" else "def train(config): pass")
    folder.spec(f"function: {function}")
    result = folder.run()
    assert result.returncode == 1
    assert said in result.stderr
    assert folder.shown()["trials"]["failed"] == 0


@pytest.mark.parametrize("executor", ["process", "inline"])
def test_a_function_runs_by_either_executor(folder: Folder, executor: str) -> None:
    (folder.path / "mod.py").write_text(
        "from swath import tracking\n\n"
        "def train(config):\n    with tracking.init() as run:\n        run.log({'loss': config.x})\n"
    )
    folder.spec("function: mod:train")
    told = json.loads(folder.run("--json", "--executor", executor).stdout)
    assert told["best"]["value"] == 1.0
    assert told["trials"]["finished"] == 3


def test_one_ctrl_c_lets_running_trials_finish_and_the_sweep_goes_on_later(folder: Folder) -> None:
    folder.program(SLOW, points=4)
    process = folder.start("run", "sweep.yaml", "--json", "--agents", "2")
    folder.wait_for(running(2))
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert any("running trials finish" in line for line in process.stderr)
    (folder.path / "go").write_text("1")
    out, _ = process.communicate(timeout=DEADLINE_S)
    told = json.loads(out)
    assert process.returncode == 130
    assert told["trials"] == {
        "queued": 0,
        "running": 0,
        "paused": 0,
        "finished": 2,
        "stopped": 0,
        "failed": 0,
        "killed": 0,
    }
    again = json.loads(folder.sweep("run", "--resume", told["sweep"], "--json").stdout)
    assert again["state"] == "finished"
    assert again["trials"]["finished"] == 4


def test_two_ctrl_cs_stop_running_trials_which_go_back_to_the_queue(folder: Folder) -> None:
    folder.program(SLOW, points=3)
    process = folder.start("run", "sweep.yaml", "--agents", "2")
    folder.wait_for(running(2))
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert any("running trials finish" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert "go on with: sweep run --resume" in err
    counts = folder.shown()["trials"]
    assert counts["queued"] == 2
    assert counts["failed"] == 0
    (folder.path / "go").write_text("1")
    assert json.loads(folder.sweep("run", "--resume", "last", "--json").stdout)["trials"]["finished"] == 3


def test_a_killed_run_is_reopened_and_loses_nothing(folder: Folder) -> None:
    folder.program(SLOW, points=4)
    process = folder.start("run", "sweep.yaml", "--agents", "2")
    folder.wait_for(running(2))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(DEADLINE_S)
    (folder.path / "go").write_text("1")
    told = json.loads(folder.sweep("run", "--resume", "demo", "--agents", "2", "--json").stdout)
    assert told["state"] == "finished"
    assert told["trials"]["finished"] == 4
    assert folder.shown()["total"] == 4


def test_an_agent_runs_as_many_trials_as_asked_and_another_does_the_rest(folder: Folder) -> None:
    folder.program("print('hello'); run.log({'loss': 1})", points=4)
    sweep_id = folder.sweep("create", "sweep.yaml").stdout.strip()
    first = folder.sweep("agent", sweep_id, "--count", "1", "--name", "ann")
    assert first.returncode == 0
    assert "hello" in first.stdout
    assert folder.shown()["trials"]["finished"] == 1
    second = folder.sweep("agent", sweep_id, "--name", "ann")
    assert second.returncode == 0
    shown = folder.shown()
    assert (shown["state"], shown["trials"]["finished"]) == ("finished", 4)
    assert len({run["agent"] for run in shown["runs"]}) == 2


def test_an_agent_takes_trials_from_the_server_that_swath_url_names(folder: Folder, servers: Any) -> None:
    folder.program("run.log({'loss': 1})", points=2)
    sweep_id = folder.sweep("create", "sweep.yaml").stdout.strip()
    with Workspace(folder.path / ".swath") as workspace:
        server = servers.serve(workspace.source(sweep_id, remote=True))
        folder.env |= {"SWATH_URL": server.url, "SWATH_TOKEN": servers.TOKEN}
        result = folder.sweep("agent", sweep_id, "--quiet")
        assert (result.returncode, result.stdout) == (0, ""), result.stderr
        assert workspace.show(sweep_id).trials["finished"] == 2
        folder.env["SWATH_TOKEN"] = "wrong"
        refused = folder.sweep("agent", sweep_id)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


def test_an_agent_of_a_broken_program_exits_with_3(folder: Folder) -> None:
    folder.program("raise ValueError('no')", points=9)
    sweep_id = folder.sweep("create", "sweep.yaml").stdout.strip()
    result = folder.sweep("agent", sweep_id)
    assert result.returncode == 3
    assert "the program is broken" in result.stderr


def test_cancelling_elsewhere_ends_the_run_as_a_failure(folder: Folder) -> None:
    folder.program(SLOW, points=3)
    process = folder.start("run", "sweep.yaml")
    folder.wait_for(running(1))
    assert folder.sweep("cancel", "last").returncode == 0
    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert "was cancelled" in err
    assert folder.shown()["trials"]["killed"] == 1


def test_stopping_elsewhere_ends_the_run_after_its_running_trials(folder: Folder) -> None:
    folder.program(SLOW, points=3)
    process = folder.start("run", "sweep.yaml")
    folder.wait_for(running(1))
    assert folder.sweep("stop", "last").returncode == 0
    (folder.path / "go").write_text("1")
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    shown = folder.shown()
    assert (shown["state"], shown["trials"]["finished"]) == ("finished", 1)


@pytest.mark.ray
@pytest.mark.slow
def test_on_ray_it_ends_with_the_same_result(folder: Folder) -> None:
    folder.program("run.log({'loss': float(sys.argv[1].split('=')[1])})")
    folder.spec("program: train.py\nresources: {cpu: 0.25, custom: {seat: 1}}")
    result = folder.run("--on", "ray", "--agents", "auto", "--resource", "seat=2", "--json")
    told = json.loads(result.stdout)
    assert result.returncode == 0, result.stderr
    assert told["trials"]["finished"] == 3
    assert told["best"]["value"] == 1.0
    assert len(json.loads(folder.sweep("agents", "last", "--json").stdout)) == 2, "one a seat"
    assert "no agent is at work" not in folder.sweep("agents", "last").stdout, "the sweep is over"
