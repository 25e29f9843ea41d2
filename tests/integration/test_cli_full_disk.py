"""A disk that is full ends a sweep with a clear message and without a loss; with room again it goes on."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.folders import Folder

from swath.sweeps.crew import _log_of
from swath.sweeps.workspace import Workspace

#: Takes all the room there is, to the last byte, unless it is told not to; then it logs all the same.
FILLS = """
import os
run.log({'loss': 1.0})
if not os.path.exists('freed'):
    with open('ballast', 'ab', buffering=0) as file:
        for size in (65536, 1):
            try:
                while True:
                    file.write(b'x' * size)
            except OSError:
                pass
for _ in range(2000):
    run.log({'loss': 0.5})
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for 8 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a small disk can be mounted by root only: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize("agents", [1, 2])
def test_a_program_that_fills_the_disk_ends_the_run_with_a_message_and_it_goes_on_with_room(
    small_disk: Path, agents: int
) -> None:
    folder = Folder(small_disk)
    folder.program(FILLS, points=3)
    filled = folder.run("--json", "--agents", str(agents))
    folder.end()
    assert filled.returncode == 1
    assert "Traceback" not in filled.stderr
    assert "error: " in filled.stderr
    assert "full" in filled.stderr or "No space left" in filled.stderr
    (small_disk / "ballast").unlink()
    (small_disk / "freed").touch()
    resumed = folder.sweep("run", "--resume", "last", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["trials"]["finished"] == 3


def test_what_agents_print_is_not_kept_on_a_full_disk_and_nothing_fails(small_disk: Path) -> None:
    folder = Folder(small_disk)
    folder.program("")
    sweep_id = folder.sweep("create", "sweep.yaml").stdout.strip()
    with Workspace(small_disk / ".swath") as workspace:
        on_line = _log_of(workspace, sweep_id)
        with (small_disk / "ballast").open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize)
        on_line("agent-1", "a line " * 10_000)
