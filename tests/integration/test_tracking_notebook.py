"""In a notebook each `init()` is a run of its own, and the last one is finished with the kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from swath.tracking.api import Api

CELL = """
import swath.tracking as wandb
run = wandb.init(project="cells")
run.log({"loss": 1.0})
"""


def test_a_cell_that_is_run_twice_makes_two_runs_and_both_end_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jupyter = pytest.importorskip("jupyter_client")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("SWATH_DIR", str(tmp_path / ".swath"))
    manager, client = jupyter.manager.start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        for _ in range(2):
            reply = client.execute_interactive(CELL, timeout=60, store_history=False, output_hook=lambda message: None)
            assert reply["content"]["status"] == "ok", reply
        failed = client.execute_interactive("1 / 0", timeout=60, output_hook=lambda message: None)
        assert failed["content"]["status"] == "error"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=False)
    with Api(root=tmp_path / ".swath") as api:
        runs = list(api.runs("cells"))
        assert [run.state for run in runs] == ["finished", "finished"]
        assert [run.metadata["notebook"] for run in runs] == [True, True]
