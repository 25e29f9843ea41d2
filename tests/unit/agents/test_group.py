"""An orphan is killed only when it is certainly the attempt's own process group."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from swath.agents.executors.group import Mark, mark_path, reap_orphan, remove_mark, write_mark


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def rewritten(path: Path, **changes: object) -> None:
    mark = msgspec.json.decode(path.read_bytes(), type=Mark)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(mark, **changes)))


def test_a_living_group_is_killed_and_its_file_removed(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    write_mark(tmp_path, 3, sleeper.pid)
    assert reap_orphan(tmp_path, 3)
    assert sleeper.wait(timeout=60) == -9
    assert not mark_path(tmp_path, 3).exists()


@pytest.mark.parametrize("changes", [{"host": "elsewhere"}, {"boot": "another"}, {"create_time": 1.0}])
def test_a_process_of_another_host_boot_or_time_is_left_alone(
    tmp_path: Path, sleeper: subprocess.Popen[bytes], changes: dict[str, object]
) -> None:
    write_mark(tmp_path, 1, sleeper.pid)
    rewritten(mark_path(tmp_path, 1), **changes)
    assert not reap_orphan(tmp_path, 1)
    assert sleeper.poll() is None


def test_children_whose_leader_has_died_are_killed(tmp_path: Path) -> None:
    text = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); input()"
    leader = subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, start_new_session=True)
    write_mark(tmp_path, 1, leader.pid)
    leader.communicate(b"\n", timeout=60)
    assert reap_orphan(tmp_path, 1)


def test_a_damaged_or_missing_file_kills_nobody(tmp_path: Path) -> None:
    assert not reap_orphan(tmp_path, 1)
    mark_path(tmp_path, 1).write_bytes(b"{")
    assert not reap_orphan(tmp_path, 1)
    remove_mark(tmp_path, 1)
    remove_mark(tmp_path, 1)
