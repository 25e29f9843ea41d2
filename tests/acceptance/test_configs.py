"""Each ready sweep under configs/ runs as it is and does what its file says."""

from __future__ import annotations

import json
import os
import shutil
import statistics
from pathlib import Path
from typing import Any

import pytest
from tests.commands import Command

from swath.sweeps.spec import load_spec
from swath.sweeps.workspace import Workspace

CONFIGS = Path(__file__).parents[2] / "configs"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]


def _run(folder: Path, spec: str) -> dict[str, Any]:
    shutil.copytree(CONFIGS, folder / "configs")
    command = Command(("run", f"configs/{spec}", "--json"), folder, os.environ)
    out, err = command.communicate(timeout=270)
    assert command.returncode == 0, err
    return dict(json.loads(out))


@pytest.mark.parametrize("name", sorted(path.name for path in CONFIGS.glob("*.yaml")))
def test_a_ready_sweep_runs_to_its_end(name: str, tmp_path: Path) -> None:
    spec = load_spec(CONFIGS / name)
    result = _run(tmp_path, name)
    assert result["state"] == "finished"
    assert result["best"]["config"]
    assert {state for state, count in result["trials"].items() if count} <= {"finished", "stopped"}
    if spec.run_cap:
        assert sum(result["trials"].values()) == spec.run_cap
    if name == "digits.yaml":
        _found_something_better(tmp_path, result)


def _found_something_better(folder: Path, result: dict[str, Any]) -> None:
    """The best is clearly better than the first trials, which are spread; bad ones were stopped for a stated reason."""
    with Workspace(folder / ".swath") as workspace:
        trials = workspace.trials(result["sweep"])
    first = [trial.value for trial in trials[:8] if trial.value is not None]
    assert result["best"]["value"] > statistics.mean(first) + 0.05
    stopped = [trial for trial in trials if trial.state == "stopped"]
    assert stopped
    assert all("threshold" in trial.reason for trial in stopped)
