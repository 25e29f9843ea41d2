"""Sweeps from Python: `run`, `create`, `agent` and the result they give."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from swath import sweeps, tracking
from swath.tracking.errors import NotFound, SpecError, SwathError, UsageError

SPEC: dict[str, Any] = {
    "method": "grid",
    "metric": {"name": "score", "goal": "maximize"},
    "parameters": {"x": {"values": [1, 3, 2]}, "model": {"parameters": {"width": {"value": 8}}}},
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SWATH_DIR", "SWATH_URL", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(config: Any) -> None:
    with tracking.init() as run:
        run.log({"score": config.x * config.model.width, "other": {"depth": 1}})


def test_a_result_has_the_best_config_its_metrics_and_all_trials() -> None:
    result = sweeps.run(SPEC, train, executor="inline", quiet=True)
    assert (result.state, result.counts["finished"]) == ("finished", 3)
    assert result.best.config.x == result.best.config["x"] == 3
    assert result.best.config.model.width == 8
    assert (result.best.metric, result.best.value, result.best.number) == ("score", 24.0, 2)
    assert result.best.metrics["score"] == 24
    assert [trial.config["x"] for trial in result.trials] == [1, 3, 2]
    assert "24" in repr(result)
    assert "<table>" in result._repr_html_()


def test_a_function_without_arguments_reads_the_runs_config() -> None:
    def bare() -> None:
        run = tracking.init()
        run.log({"score": run.config.x})

    assert sweeps.run(SPEC, bare, executor="inline", quiet=True).best.config.x == 3


def test_functions_run_in_children_by_default_with_what_they_close_over() -> None:
    import os

    offset, here = 100, os.getpid()

    def closed(config: Any) -> None:
        tracking.init().log({"score": config.x + offset + (1000 if os.getpid() != here else 0)})

    result = sweeps.run(SPEC, closed, agents=2, quiet=True)
    assert result.best.value == 1103.0


def test_a_function_of_a_module_that_agents_cannot_import_goes_along(here: Path) -> None:
    (here / "scripts").mkdir()
    (here / "scripts" / "helper.py").write_text(
        "from swath import tracking\n\ndef scale(x):\n    return 2 * x\n\n"
        "def train(config):\n    tracking.init().log({'score': scale(config.x)})\n"
    )
    (here / "scripts" / "main.py").write_text(
        "import helper\nfrom swath import sweeps\n"
        "metric = {'name': 'score', 'goal': 'maximize'}\n"
        "spec = {'method': 'grid', 'metric': metric, 'parameters': {'x': {'values': [1, 5]}}}\n"
        "print(sweeps.run(spec, helper.train, quiet=True).best.value)\n"
    )
    done = subprocess.run(
        [sys.executable, "scripts/main.py"], cwd=here, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "10.0", done.stderr


def test_a_result_becomes_a_data_frame() -> None:
    frame = sweeps.run(SPEC, train, executor="inline", quiet=True).to_pandas()
    assert list(frame["config.x"]) == [1, 3, 2]
    assert list(frame["config.model.width"]) == [8, 8, 8]
    assert list(frame["summary.score"]) == [8, 24, 16]


def test_without_pandas_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    result = sweeps.run(SPEC, train, executor="inline", quiet=True)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="swath\\[pandas\\]"):
        result.to_pandas()


def test_without_a_best_the_metrics_that_were_logged_are_named() -> None:
    def other(config: Any) -> None:
        tracking.init().log({"scores": 1})

    result = sweeps.run(SPEC, other, executor="inline", quiet=True)
    with pytest.raises(UsageError, match="scores"):
        _ = result.best


def test_create_then_agent_as_wandb_has_it() -> None:
    sweep_id = sweeps.sweep(SPEC, project="demo")
    first = sweeps.agent(sweep_id, train, count=2)
    assert first.counts["finished"] == 2
    second = sweeps.agent(f"me/demo/{sweep_id}", function=train)
    assert (second.state, second.counts["finished"]) == ("finished", 3)
    assert second.view.project == "demo"


def test_an_agent_without_a_function_for_a_sweep_that_names_none_is_told_so() -> None:
    sweep_id = sweeps.create(SPEC)
    with pytest.raises(UsageError, match="nothing to run"):
        sweeps.agent(sweep_id)
    assert sweeps.Workspace.open().show(sweep_id).trials["failed"] == 0


def test_a_function_given_at_creation_is_found_by_any_agent() -> None:
    sweep_id = sweeps.create(SPEC, train)
    assert sweeps.agent(sweep_id).counts["finished"] == 3


@pytest.mark.parametrize("form", ["path", "text", "string"])
def test_a_spec_may_be_a_file_or_text(here: Path, form: str) -> None:
    text = (
        "method: grid\nmetric: {name: score, goal: maximize}\n"
        "parameters:\n  x: {values: [1, 2]}\n  model: {parameters: {width: {value: 2}}}\n"
    )
    (here / "s.yaml").write_text(text)
    spec: Any = {"path": here / "s.yaml", "text": text, "string": "s.yaml"}[form]
    assert sweeps.run(spec, train, executor="inline", quiet=True).best.value == 4.0


def test_wrong_specs_and_functions_are_refused_before_anything_runs() -> None:
    with pytest.raises(SpecError, match="did you mean 'metric'"):
        sweeps.run(SPEC | {"metrc": {"name": "x"}}, train)
    with pytest.raises(SpecError):
        sweeps.run("nothere.yaml", train)
    with pytest.raises(UsageError, match="cannot be called"):
        sweeps.run(SPEC, "train")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="moon"):
        sweeps.run(SPEC, train, on="moon")
    with pytest.raises(NotFound):
        sweeps.agent("nothing", train)


def test_a_broken_function_raises_with_its_traceback() -> None:
    def broken(config: Any) -> None:
        raise ZeroDivisionError("by design")

    with pytest.raises(SwathError, match="by design"):
        sweeps.run(
            SPEC | {"run_cap": 9, "parameters": {"x": {"min": 0, "max": 99}}}, broken, executor="inline", quiet=True
        )


def test_a_store_elsewhere_is_used_when_asked_for(here: Path) -> None:
    sweeps.run(SPEC, train, executor="inline", quiet=True, root=here / "else" / "where")
    assert (here / "else" / "where" / "swath.db").exists()
    assert not (here / ".swath").exists()


def test_one_configuration_can_be_run_again_outside_of_its_sweep() -> None:
    def bare() -> int:
        run = tracking.init()
        run.log({"score": run.config.x})
        return int(run.config.x)

    assert sweeps.call(train, {"x": 2, "model": {"width": 4}}) is None
    assert sweeps.call(bare, {"x": 7}) == 7
    with sweeps.Workspace.open() as workspace:
        told = {run.summary["score"]: run for run in workspace.runs()}
    assert set(told) == {8, 7}
    assert told[7].config == {"x": 7}
    assert {run.state for run in told.values()} == {"finished"}


def test_importing_sweeps_imports_nothing_else() -> None:
    code = "import sys; from swath import sweeps; print(sorted(m for m in sys.modules if m.startswith('swath.')))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "['swath.sweeps']"
    assert set(sweeps.__all__) <= set(dir(sweeps))
    with pytest.raises(AttributeError):
        _ = sweeps.nonsense
