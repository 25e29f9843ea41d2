"""Runs that real programs have recorded are read back through `Api` exactly, and changed while others look on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from swath.sweeps.workspace import Workspace
from swath.tracking import Api
from swath.tracking.errors import NotAllowed, NotFound

DEADLINE_S = 60


def start(home: Path, code: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "WANDB_"))}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=home,
        env={**kept, "SWATH_DIR": str(home / ".swath")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(home: Path, code: str) -> str:
    child = start(home, code)
    out, err = child.communicate(timeout=DEADLINE_S)
    assert child.returncode == 0, err
    return out


def api_of(home: Path) -> Api:
    return Api(root=home / ".swath")


def logged(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("_step", "_timestamp", "_runtime")}


def test_a_run_is_read_back_as_it_was_recorded(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        import swath.tracking as wandb
        with wandb.init(project="vision", entity="team", name="first", id="r1", group="g", job_type="train",
                        tags=["a", "b"], notes="why", config={"lr": 0.1, "opt": {"name": "adam"}}) as run:
            print("hello from the program")
            for step in range(2500):
                run.log({"loss": 1 / (step + 1), "val": {"acc": step / 2500}, "word": f"w{step}"})
            run.log({"late": 1}, step=7)
            run.log({"inf": float("inf")}, step=5000)
            run.summary["best"] = {"acc": 0.75}
            open("model.bin", "wb").write(bytes(range(256)))
            run.save("model.bin", policy="now")
            run.alert("Low accuracy", "it is low", level="WARN")
        """,
    )
    with api_of(tmp_path) as api:
        found = api.run("team/vision/r1")
        assert (found.name, found.state, found.group, found.job_type) == ("first", "finished", "g", "train")
        assert (found.tags, found.notes) == (["a", "b"], "why")
        assert found.config == {"lr": 0.1, "opt": {"name": "adam"}}
        assert found.summary.loss == 1 / 2500
        assert found.summary.best.acc == 0.75
        rows = list(found.scan_history())
        wanted = [{"loss": 1 / (s + 1), "val": {"acc": s / 2500}, "word": f"w{s}"} for s in range(2500)]
        assert [logged(row) for row in rows if row["_step"] != 7 and row["_step"] < 5000] == wanted[:7] + wanted[8:]
        assert [logged(row) for row in rows if row["_step"] == 7] == [wanted[7], {"late": 1}]
        assert [row["loss"] for row in found.scan_history(keys=["loss"])] == [each["loss"] for each in wanted]
        assert found.lastHistoryStep == 5000
        frame = found.history(samples=300)
        assert len(frame) == 300
        assert (frame["_step"].iloc[0], frame["_step"].iloc[-1]) == (0, 5000)
        whole = found.history(samples=10_000, pandas=False)
        assert len(whole) == 2501
        assert logged(whole[7]) == {"loss": 1 / 8, "val.acc": 7 / 2500, "word": "w7", "late": 1}
        assert found.file("model.bin").read() == bytes(range(256))
        found.file("model.bin").download(tmp_path / "down").close()
        assert (tmp_path / "down" / "model.bin").read_bytes() == bytes(range(256))
        assert [(alert.title, alert.level) for alert in found.alerts()] == [("Low accuracy", "WARN")]
        assert "hello from the program" in found.output()


def test_runs_of_many_programs_are_found_by_what_they_recorded(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        import swath.tracking as wandb
        for number in range(12):
            with wandb.init(project="p", id=f"r{number}", config={"lr": number / 10, "net": {"depth": number % 3}},
                            tags=["even"] if number % 2 == 0 else [], name=f"run-{number}") as run:
                run.log({"loss": (number - 5) ** 2})
        try:
            with wandb.init(project="p", id="bad"):
                raise RuntimeError("no")
        except RuntimeError:
            pass
        """,
    )
    api = api_of(tmp_path)

    def found(filters: dict[str, Any], order: str = "+created_at") -> list[str]:
        return [each.id for each in api.runs("p", filters=filters, order=order, per_page=2)]

    assert found({}) == [*(f"r{number}" for number in range(12)), "bad"]
    assert found({"config.lr": {"$lt": 0.25}}) == ["r0", "r1", "r2"]
    assert found({"tags": {"$in": ["even"]}, "config.net.depth": 0}) == ["r0", "r6"]
    assert found({"summary_metrics.loss": {"$lte": 1}}, "-config.lr") == ["r6", "r5", "r4"]
    assert found({"state": "failed"}) == ["bad"]
    assert found({"display_name": {"$regex": "^run-1"}}) == ["r1", "r10", "r11"]
    assert found({"$or": [{"config.lr": {"$gt": 1}}, {"id": "r3"}], "state": {"$ne": "failed"}}) == ["r3", "r11"]
    assert api.run("bad").error.endswith("RuntimeError: no\n")


def test_a_run_is_followed_while_it_goes_on_and_after_it_was_killed(tmp_path: Path) -> None:
    child = start(
        tmp_path,
        """
        import sys, swath.tracking as wandb
        run = wandb.init(id="r1", config={"lr": 1})
        for line in sys.stdin:
            run.log({"n": int(line)})
            print("logged", flush=True)
        """,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    api = api_of(tmp_path)
    for number in range(3):
        child.stdin.write(f"{number}\n")
        child.stdin.flush()
        assert child.stdout.readline() == "logged\n"
        found = api.run("r1")
        assert (found.state, found.summary["n"], found.lastHistoryStep) == ("running", number, number)
    with pytest.raises(NotAllowed):
        found.delete()
    found.config["note"] = "seen"
    found.tags = ["watched"]
    found.update()
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=DEADLINE_S)
    (lost,) = api.runs(filters={"state": "crashed", "config.note": "seen"})
    assert (lost.state, lost.tags, lost.config, lost.summary["n"]) == (
        "lost",
        ["watched"],
        {"lr": 1, "note": "seen"},
        2,
    )
    lost.delete()
    assert len(api.runs()) == 0
    with pytest.raises(NotFound):
        api.run("r1")


def test_a_run_that_went_back_is_read_without_what_it_left(tmp_path: Path) -> None:
    run(tmp_path, "import swath.tracking as t\nwith t.init(id='r1') as r:\n    for n in range(6): r.log({'n': n})")
    run(tmp_path, "import swath.tracking as t\nwith t.init(resume_from='r1?_step=2') as r: r.log({'n': 30})")
    found = api_of(tmp_path).run("r1")
    assert [(row["_step"], row["n"]) for row in found.scan_history()] == [(0, 0), (1, 1), (2, 2), (3, 30)]
    assert found.summary["n"] == 30


def test_programs_that_change_one_run_at_once_lose_nothing(tmp_path: Path) -> None:
    run(tmp_path, "import swath.tracking as t\nwith t.init(id='r1', config={'a': 1}) as r: r.log({'n': 1})")
    code = """
        import sys
        from swath.tracking import Api
        for number in range(10):
            run = Api().run("r1")
            run.config[f"{sys.stdin.readline().strip()}-{number}"] = number
            run.update()
    """
    children = [start(tmp_path, code) for _ in range(3)]
    for name, child in zip("xyz", children, strict=True):
        _, err = child.communicate(f"{name}\n" * 10, timeout=DEADLINE_S)
        assert child.returncode == 0, err
    assert api_of(tmp_path).run("r1").config == {"a": 1} | {f"{name}-{n}": n for name in "xyz" for n in range(10)}
    for path in (tmp_path / ".swath").glob("swath.db*"):
        path.unlink()
    assert len(api_of(tmp_path).run("r1").config) == 31


def test_trials_of_a_sweep_are_found_like_other_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from swath import sweeps

    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("SWATH_", "WANDB_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "train.py").write_text(
        "import swath.tracking as t\nwith t.init() as run:\n    run.log({'loss': run.config.lr * 2})\n"
    )
    spec = {"method": "grid", "metric": {"name": "loss"}, "program": "train.py"}
    (tmp_path / "sweep.yaml").write_text(json.dumps(spec | {"parameters": {"lr": {"values": [1, 2, 3]}}}))
    sweep_id = sweeps.run("sweep.yaml", quiet=True).id
    api = api_of(tmp_path)
    found = api.runs(filters={"sweep": sweep_id, "config.lr": {"$gte": 2}}, order="-summary_metrics.loss")
    assert [(each.config["lr"], each.summary["loss"], each.state) for each in found] == [
        (3, 6, "finished"),
        (2, 4, "finished"),
    ]
    assert [logged(row) for row in found[0].scan_history()] == [{"loss": 6}]
    with pytest.raises(NotAllowed, match="trial"):
        found[0].delete()
    found[0].notes = "the worst"
    found[0].update()
    with Workspace(tmp_path / ".swath") as workspace:
        assert {each.id: each.notes for each in workspace.runs()}[found[0].id] == "the worst"
        assert len(workspace.trials(sweep_id)) == 3
