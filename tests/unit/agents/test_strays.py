"""A child is ended by a stranger only when its agent has certainly died; an agent that lives is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from swath.agents.strays import HOME_PREFIX, Stray, marked, reap


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, for this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def left_behind(temporary: Path, child: subprocess.Popen[bytes], home: Path | None = None, **changes: Any) -> Path:
    """The mark of a child whose agent (this process) was killed: its number is another process's by now."""
    run_dir = (home or temporary) / "run-1"
    with marked((child.pid,), run_dir, home):
        [path] = (temporary / f"swath-{os.getuid()}" / "marks").iterdir()
        text = path.read_bytes()
    stray = msgspec.json.decode(text, type=Stray)
    agent = msgspec.structs.replace(stray.agent, create_time=1.0)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(stray, **({"agent": agent} | changes))))
    return path


def test_the_child_of_a_dead_agent_is_killed_and_its_mark_removed(
    temporary: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    mark = left_behind(temporary, sleeper)
    assert reap() == 1
    assert sleeper.wait(timeout=60) == -9
    assert not mark.exists()
    assert reap() == 0


def test_the_child_of_a_living_agent_is_left_alone(temporary: Path, sleeper: subprocess.Popen[bytes]) -> None:
    with marked((sleeper.pid,), temporary / "run-1", None):
        assert reap() == 0
    assert sleeper.poll() is None


def test_what_another_container_marked_in_a_shared_folder_is_left_alone(
    temporary: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    mark = left_behind(temporary, sleeper, pids="another container")
    assert reap() == 0
    assert sleeper.poll() is None
    assert mark.exists()


def test_a_folder_that_others_may_write_to_is_not_believed(temporary: Path, sleeper: subprocess.Popen[bytes]) -> None:
    left_behind(temporary, sleeper).parent.chmod(0o777)
    assert reap() == 0
    assert sleeper.poll() is None
    with marked((sleeper.pid,), temporary / "run-1", None):
        pass


def test_the_folder_of_a_dead_agent_is_removed_but_for_what_the_program_left(
    temporary: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    home = temporary / f"{HOME_PREFIX}x"
    for name in ("run-1/0001.log", "run-1/0001.pid", "run-1/params.yaml", "run-2/0001.log", "run-2/model.bin"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).touch()
    left_behind(temporary, sleeper, home)
    assert reap() == 1
    assert [path.name for path in home.rglob("*") if path.is_file()] == ["model.bin"]
    assert not (home / "run-1").exists()


def test_a_folder_that_is_no_agents_own_is_not_touched(temporary: Path, sleeper: subprocess.Popen[bytes]) -> None:
    home = temporary / "somebodys"
    (home / "run-1").mkdir(parents=True)
    (home / "run-1" / "0001.log").touch()
    left_behind(temporary, sleeper, home)
    assert reap() == 1
    assert (home / "run-1" / "0001.log").exists()


def test_a_damaged_mark_ends_nothing(temporary: Path, sleeper: subprocess.Popen[bytes]) -> None:
    left_behind(temporary, sleeper).write_bytes(b"{")
    assert reap() == 0
    assert sleeper.poll() is None


def test_where_no_marks_can_be_kept_a_trial_runs_all_the_same(
    temporary: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    (temporary / f"swath-{os.getuid()}").touch()
    with marked((sleeper.pid,), temporary / "run-1", None):
        assert reap() == 0
