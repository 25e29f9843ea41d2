"""A run that ends before the code was looked at: nobody waits for git, and what is known in a moment is recorded."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from swath.tracking.runlog.history import read_records
from swath.tracking.runlog.records import Facts, Finish, Row

DEADLINE_S = 60


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One with a commit and a change since."""
    place = tmp_path / "repository"
    place.mkdir()
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false")
    (place / "train.py").write_text("")
    for command in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-q", "-m", "one")):
        subprocess.run(["git", *who, *command], cwd=place, check=True)
    (place / "train.py").write_text("changed\n")
    return place


@pytest.fixture
def hanging(tmp_path: Path) -> Path:
    """A folder with a git that notes that it was asked, and then says nothing until it is ended; nor do its helpers."""
    place = tmp_path / "bin"
    place.mkdir()
    (place / "git").write_text(f"#!/bin/sh\necho $$ >> {tmp_path}/asked\nsleep 600\n")
    (place / "git").chmod(0o755)
    return place


def execute(folder: Path, code: str, path: Path | None = None) -> None:
    (folder / "train.py").write_text(textwrap.dedent(code))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "WANDB_"))}
    kept["SWATH_DIR"] = str(folder.parent / "store")
    if path is not None:
        kept["PATH"] = f"{path}:{kept['PATH']}"
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=folder, env=kept, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert (done.returncode, done.stderr) == (0, "")


def facts_of(folder: Path, run_id: str) -> list[dict[str, Any]]:
    """The facts of a run that is whole: its last record is its good end."""
    records = read_records(folder.parent / "store" / "runs" / run_id)
    assert isinstance(records[-1], Finish)
    assert records[-1].exit_code == 0
    return [record.values for record in records if isinstance(record, Facts)]


def test_an_empty_run_starts_no_git_and_tells_commit_and_branch(repository: Path, hanging: Path) -> None:
    execute(repository, "import swath.tracking as t\nt.init(id='r1').finish()\n", hanging)
    (facts,) = facts_of(repository, "r1")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True)
    assert facts["git"] == {
        "root": str(repository), "commit": head.stdout.strip(), "branch": "main", "program": "train.py"
    }  # fmt: skip
    assert not (repository.parent / "asked").exists()


def test_finish_does_not_wait_for_a_git_that_hangs(repository: Path, hanging: Path) -> None:
    """The run ends while git is being asked: it is still asked when `finish()` is over."""
    execute(
        repository,
        """
        import os, threading
        from pathlib import Path
        import swath.tracking as t
        run = t.init(id="r1")
        run.log({"a": 1})
        asked = Path("../asked")
        while not asked.is_file() or not asked.read_text().endswith("\\n"):
            threading.Event().wait(0.01)
        git = int(asked.read_text())
        run.finish()
        os.kill(git, 0)
        assert asked.read_text() == f"{git}\\n"
        os.killpg(git, 9)
        """,
        hanging,
    )
    (facts,) = facts_of(repository, "r1")
    assert facts["git"]["branch"] == "main"
    assert [record.values for record in read_records(repository.parent / "store/runs/r1") if isinstance(record, Row)]


def test_a_longer_run_tells_what_was_not_committed_and_so_does_a_short_one_after_it(repository: Path) -> None:
    execute(
        repository,
        """
        import threading
        import swath.tracking as t
        from swath.tracking.background import BACKGROUND
        run = t.init(id="r1")
        while not BACKGROUND._known_code or not all(each.known for each in BACKGROUND._followed.values()):
            threading.Event().wait(0.01)
        run.finish()
        t.init(id="r2").finish()
        """,
    )
    (first,), (second,) = facts_of(repository, "r1"), facts_of(repository, "r2")
    assert first["git"]["dirty"]
    assert second["git"] == first["git"]
    assert "packages" in first
    assert "packages" not in second
