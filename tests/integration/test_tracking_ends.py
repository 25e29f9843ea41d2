"""However a program ends, the state of its run says what happened; and several processes may write one run."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from swath.tracking.api import Api

ENDS = {
    "the end of the program": ("pass", "finished"),
    "finish with a code": ("run.finish(exit_code=3)", "failed"),
    "an exception": ("raise ValueError('no')", "failed"),
    "sys.exit": ("import sys; sys.exit(4)", "failed"),
    "SIGTERM": ("import os; os.kill(os.getpid(), 15)", "killed"),
    "SIGTERM after a warning": ("import os; run.mark_preempting(); os.kill(os.getpid(), 15)", "preempted"),
    "SIGKILL": ("import os; os.kill(os.getpid(), 9)", "lost"),
    "os._exit": ("import os; os._exit(0)", "lost"),
    "a warning and then a good end": ("run.mark_preempting()", "finished"),
}


def execute(folder: Path, code: str, *arguments: str) -> subprocess.Popen[bytes]:
    (folder / "train.py").write_text("import swath.tracking as wandb\n" + textwrap.dedent(code))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "WANDB_"))}
    return subprocess.Popen([sys.executable, "train.py", *arguments], cwd=folder, env=kept, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("how", ENDS)
def test_the_state_says_how_a_run_ended(tmp_path: Path, how: str) -> None:
    code, state = ENDS[how]
    execute(tmp_path, f"run = wandb.init(id='r1')\nrun.log({{'loss': 1.0}})\n{code}\n").wait(60)
    with Api(root=tmp_path / ".swath") as api:
        run = api.run("r1")
        assert run.state == state
        assert [row["loss"] for row in run.scan_history()] == [1.0]


def test_the_ranks_of_a_training_write_one_run_and_no_row_is_lost(tmp_path: Path) -> None:
    code = """
        import sys
        rank = sys.argv[1]
        run = wandb.init(id="ddp", mode="shared", config={"world": 4})
        for step in range(50):
            run.log({f"rank{rank}/loss": step}, step=step)
        run.finish()
    """
    ranks = [execute(tmp_path, code, str(rank)) for rank in range(4)]
    assert [rank.wait(60) for rank in ranks] == [0, 0, 0, 0]
    with Api(root=tmp_path / ".swath") as api:
        (run,) = api.runs()
        assert (run.state, run.config) == ("finished", {"world": 4})
        rows = run.history(pandas=False)
        assert [row["_step"] for row in rows] == list(range(50))
        assert all(row[f"rank{rank}/loss"] == row["_step"] for row in rows for rank in range(4))


def test_a_run_resumed_after_a_kill_has_every_row_once(tmp_path: Path) -> None:
    code = """
        import os, sys
        run = wandb.init(id="r1", resume="allow")
        start = run.step // 10 * 10  # the last checkpoint
        for step in range(start, 60):
            run.log({"loss": step, "attempt": int(sys.argv[1])}, step=step)
            if step == int(sys.argv[2]):
                os.kill(os.getpid(), 9)
    """
    for attempt, last in enumerate((17, 34, 38, 99)):
        execute(tmp_path, code, str(attempt), str(last)).wait(60)
    with Api(root=tmp_path / ".swath") as api:
        run = api.run("r1")
        rows = list(run.scan_history())
        assert [row["loss"] for row in rows] == list(range(60))
        assert [row["attempt"] for row in rows] == [0] * 10 + [1] * 20 + [3] * 30
        assert (run.state, run.summary["loss"], run.lastHistoryStep) == ("finished", 59, 59)
