"""The verbs: help, exit codes, what goes to stdout and what to stderr; nothing here starts an agent."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from swath import sweeps, tracking
from swath.sweeps.cli import app

VERBS = (
    "run", "create", "agent", "launch", "list", "show", "watch", "best", "export", "runs", "explain", "importance",
    "plot", "pause", "resume", "stop",
    "cancel", "retry", "server", "login", "sync", "validate", "schema", "doctor", "version",
)  # fmt: skip
GOOD = """
method: grid
metric: {name: loss}
program: train.py
parameters:
  lr: {values: [0.1, 0.2, 0.3]}
  fixed: {value: 1}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SWATH_DIR", "SWATH_URL", "SWATH_TOKEN", "SWATH_DEBUG", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "train.py").write_text("")
    return tmp_path


def sweep(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), prog_name="sweep")


def train(config: Any) -> None:
    with tracking.init() as run:
        run.log({"loss": config.lr, "deep": {"er": 1}})


@pytest.fixture
def ended(here: Path) -> str:
    """A sweep of three trials that ran in this process; the second has the best value."""
    spec = {
        "method": "grid",
        "metric": {"name": "loss"},
        "parameters": {"lr": {"values": [0.2, 0.1, 0.3]}},
        "name": "three",
    }
    return sweeps.run(spec, train, executor="inline", quiet=True).id


def test_help_lists_every_verb_by_panel() -> None:
    text = sweep("--help").stdout
    assert [verb for verb in VERBS if f"  {verb} " not in text] == []
    assert text.index("Run a sweep:") < text.index("Look at sweeps:") < text.index("Steer a sweep:")
    assert "..." not in text.split("Run a sweep:")[1].replace("[ARGS]...", "")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_an_example(verb: str) -> None:
    result = sweep(verb, "--help")
    assert result.exit_code == 0
    assert f"sweep {verb}" in result.stdout.split("Example", 1)[1]


def test_help_imports_neither_rich_nor_the_engine() -> None:
    import subprocess

    code = (
        "import sys\nfrom swath.sweeps.cli import main\nsys.argv = ['sweep', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'rich', 'ray', 'optuna', 'sqlalchemy', 'numpy', 'pandas', 'fastapi', 'starlette', 'pydantic',"
        " 'msgspec', 'httpx', 'psutil'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "HEAVY []" in printed


def test_an_unknown_verb_is_bad_usage_with_the_nearest_one(here: Path) -> None:
    result = sweep("lits")
    assert result.exit_code == 2
    assert "Did you mean 'list'" in result.stderr


def test_a_misspelt_file_is_answered_with_the_nearest_one(here: Path) -> None:
    for verb in ("run", "create", "validate"):
        result = sweep(verb, "goood.yaml")
        assert result.exit_code == 2
        assert result.stdout == ""
        assert "goood.yaml: there is no such file" in result.stderr
        assert "good.yaml" in result.stderr


def test_a_syntax_error_has_line_and_column(here: Path) -> None:
    (here / "bad.yaml").write_text("method: grid\nparameters:\n  a: [1,\n b: 2")
    for verb in ("run", "create", "validate"):
        result = sweep(verb, "bad.yaml")
        assert result.exit_code == 2
        assert "bad.yaml:4:6: YAML syntax error" in result.stderr


def test_all_faults_are_told_at_once_with_their_lines(here: Path) -> None:
    (here / "bad.yaml").write_text(
        "method: grd\nprogram: train.py\nmetrc: {name: a}\nparameters:\n  a: {valeus: [1]}\n"
    )
    result = sweep("validate", "bad.yaml")
    assert result.exit_code == 2
    for line in ("bad.yaml:1:", "bad.yaml:3:", "bad.yaml:5:"):
        assert line in result.stderr
    assert "did you mean 'metric'?" in result.stderr
    told = json.loads(sweep("validate", "bad.yaml", "--json").stdout)
    assert told["valid"] is False
    assert {fault["line"] for fault in told["faults"]} >= {1, 3, 5}


def test_a_program_that_is_not_there_is_bad_usage(here: Path) -> None:
    (here / "train.py").unlink()
    for verb in ("run", "create", "validate"):
        result = sweep(verb, "good.yaml")
        assert result.exit_code == 2
        assert "train.py" in result.stderr


def test_a_good_file_is_summed_up(here: Path) -> None:
    text = sweep("validate", "good.yaml").stdout
    for piece in ("grid, 1 of 2 parameters", "minimize loss", "3 configurations", "python train.py --fixed=1 --lr=0.1"):
        assert piece in text
    told = json.loads(sweep("validate", "good.yaml", "--json").stdout)
    assert (told["valid"], told["trials"], told["example"]) == (True, 3, {"fixed": 1, "lr": 0.1})


def test_create_prints_the_id_alone_on_stdout(here: Path) -> None:
    result = sweep("create", "good.yaml")
    assert result.exit_code == 0
    assert result.stdout.strip() == sweeps.Workspace.open().resolve("last")
    told = json.loads(sweep("create", "good.yaml", "--json").stdout)
    assert list(told) == ["sweep"]


def test_run_wants_a_spec_or_a_sweep_to_resume_and_not_both(here: Path) -> None:
    assert sweep("run").exit_code == 2
    assert sweep("run", "good.yaml", "--resume", "last").exit_code == 2
    assert sweep("run", "--resume", "nothing").exit_code == 2
    assert sweep("run", "good.yaml", "--on", "moon").exit_code == 2
    assert sweep("run", "good.yaml", "--executor", "magic").exit_code == 2
    assert sweep("run", "good.yaml", "--agents", "0").exit_code == 2


def test_an_empty_store_is_no_error(here: Path) -> None:
    assert "no sweeps" in sweep("list").stdout
    assert json.loads(sweep("list", "--json").stdout) == []
    assert "no runs" in sweep("runs").stdout
    assert json.loads(sweep("runs", "--json").stdout) == []


@pytest.mark.parametrize(
    "verb", ["show", "watch", "best", "export", "pause", "resume", "stop", "cancel", "retry", "agent"]
)
def test_a_sweep_that_is_not_there_is_bad_usage_and_no_traceback(here: Path, verb: str) -> None:
    result = sweep(verb, "nope")
    assert result.exit_code == 2
    assert "'nope'" in result.stderr
    assert "Traceback" not in result.stderr


def test_list_show_and_best_tell_of_a_sweep_that_ended(ended: str) -> None:
    listed = json.loads(sweep("list", "--json").stdout)
    assert [entry["sweep"] for entry in listed] == [ended]
    shown = json.loads(sweep("show", "three", "--json").stdout)
    assert shown["trials"]["finished"] == 3
    assert shown["best"] == {"run": f"{ended}-2", "metric": "loss", "value": 0.1, "config": {"lr": 0.1}}
    assert [run["config"]["lr"] for run in shown["runs"]] == [0.1, 0.2, 0.3]
    assert json.loads(sweep("best", ended[:4], "--json").stdout) == shown["best"]
    assert "loss = 0.1" in sweep("best", "last").stdout
    assert "finished" in sweep("show", "last").stdout
    assert ended in sweep("list").stdout


def test_show_cuts_long_lists_and_says_so(ended: str) -> None:
    assert "and 1 more trial" in sweep("show", "last", "--limit", "2").stdout
    assert "more trial" not in sweep("show", "last", "--limit", "0").stdout


def test_export_writes_every_trial_in_each_format(ended: str, here: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(sweep("export", "last").stdout)))
    assert [row["config.lr"] for row in rows] == ["0.2", "0.1", "0.3"]
    assert [row["summary.loss"] for row in rows] == ["0.2", "0.1", "0.3"]
    as_json = json.loads(sweep("export", "last", "--format", "json").stdout)
    lines = [json.loads(line) for line in sweep("export", "last", "-f", "jsonl").stdout.splitlines()]
    assert as_json == lines
    assert as_json[1]["config"] == {"lr": 0.1}
    assert as_json[1]["state"] == "finished"
    result = sweep("export", "last", "-o", "out.csv")
    assert result.stdout == ""
    assert (here / "out.csv").read_text().startswith("run,number,")
    assert sweep("export", "last", "-o", "no/such/folder.csv").exit_code == 2


def test_runs_lists_the_trials_runs(ended: str) -> None:
    told = json.loads(sweep("runs", "--json").stdout)
    assert {run["id"] for run in told} == {f"{ended}-{number}" for number in (1, 2, 3)}
    assert len(json.loads(sweep("runs", "--limit", "1", "--json").stdout)) == 1
    assert f"{ended}-3" in sweep("runs").stdout


def test_watching_a_sweep_that_is_over_tells_its_events_and_ends(ended: str) -> None:
    result = sweep("watch", "last")
    assert result.exit_code == 0
    assert "trial 2 finished  loss 0.1000" in result.stdout
    kinds = [json.loads(line)["kind"] for line in sweep("watch", "last", "--json").stdout.splitlines()]
    assert kinds[0] == "sweep.created"
    assert kinds.count("trial.ended") == 3


def test_best_without_a_value_says_so_and_fails(here: Path) -> None:
    sweep("create", "good.yaml")
    result = sweep("best", "last")
    assert result.exit_code == 1
    assert "no trial" in result.stderr
    result = sweep("best", "last", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) is None


def test_steering_moves_the_sweep_and_refuses_illegal_moves(here: Path) -> None:
    sweep("create", "good.yaml")

    def state() -> str:
        return str(json.loads(sweep("show", "last", "--json").stdout)["state"])

    assert sweep("pause", "last").exit_code == 0
    assert state() == "paused"
    assert sweep("resume", "last").exit_code == 0
    assert state() == "running"
    assert sweep("resume", "last").exit_code == 2
    assert sweep("cancel", "last").exit_code == 0
    assert state() == "cancelled"
    result = sweep("pause", "last")
    assert result.exit_code == 2
    assert "cancelled" in result.stderr
    assert "nothing to do" in sweep("retry", "last").stdout


def test_the_schema_is_json_schema(here: Path) -> None:
    assert json.loads(sweep("schema").stdout)["$schema"].startswith("https://json-schema.org/")
    result = sweep("schema", "-o", "sweep.schema.json")
    assert json.loads((here / "sweep.schema.json").read_text())["type"] == "object"
    assert "yaml-language-server: $schema=sweep.schema.json" in result.stderr


def test_doctor_finds_nothing_wrong_here(here: Path) -> None:
    findings = {finding["name"]: finding for finding in json.loads(sweep("doctor", "--json").stdout)}
    for name in ("swath", "python", "libraries", "store", "writable", "disk", "cores", "memory", "gpus", "ray"):
        assert findings[name]["level"] in ("ok", "warning"), findings[name]
    assert "python" in sweep("doctor").stdout


def test_doctor_fails_when_ray_does_not_answer(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    result = sweep("doctor")
    assert result.exit_code == 1
    assert "does not answer" in result.stdout


def test_the_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version

    assert sweep("version").stdout == f"swath {version('swath')}\n"
    assert json.loads(sweep("version", "--json").stdout)["swath"] == version("swath")


def test_a_traceback_is_shown_only_when_asked_for(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWATH_DEBUG", "1")
    assert "Traceback" in sweep("show", "nope").stderr
