"""Real programs that get no memory, are killed by the kernel, or hang: what the sweep makes of them and tells of it."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.folders import DEADLINE_S, Folder

FIRST = "import os, time\nfirst = os.environ['SWATH_ATTEMPT'] == '1'\n"
NO_MEMORY = """
import resource
if first:
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    bytearray(64 << 30)
run.log({'loss': 1.0})
"""
HANGS = """
run.log({'loss': 2.0})
print('halfway', flush=True)
if first:
    time.sleep(600)
run.log({'loss': 1.0})
"""
EATS = """
if first:
    eaten = []
    while True:
        eaten.append(bytearray(1 << 20))
run.log({'loss': 1.0})
"""


def with_retry(folder: Folder, code: str, retry: str) -> None:
    folder.program(FIRST + code, points=1)
    spec = folder.path / "sweep.yaml"
    spec.write_text(f"{spec.read_text()}retry: {retry}\n")


def attempts(folder: Folder) -> list[dict[str, Any]]:
    told: dict[str, Any] = json.loads(folder.sweep("explain", "last#1", "--json").stdout)
    found: list[dict[str, Any]] = told["attempts"]
    return found


@pytest.mark.parametrize("executor", ["process", "cold"])
def test_a_memory_error_is_told_as_such_and_retried_where_oom_is_named(folder: Folder, executor: str) -> None:
    with_retry(folder, NO_MEMORY, "{max: 1, on: [oom]}")
    done = folder.run("--json", "--executor", executor)
    assert done.returncode == 0, done.stderr
    first, second = attempts(folder)
    assert (first["cause"], second["cause"]) == ("oom", "finished")
    assert first["reason"] == "the trial ran out of memory (exit code 1); retry 1 of 1"
    assert "ran out of memory" in folder.sweep("explain", "last#1").stdout


def test_a_memory_error_is_a_failure_where_oom_is_not_named_and_show_says_why(folder: Folder) -> None:
    with_retry(folder, NO_MEMORY, "{max: 1}")
    assert folder.run().returncode == 1
    assert "out of memory" in folder.sweep("show", "last").stdout


def test_a_program_that_neither_reports_nor_prints_is_ended_and_run_again(folder: Folder) -> None:
    folder.env["SWATH_SYSTEM_S"] = "0.2"
    with_retry(folder, HANGS, "{max: 1, on: [hung], hang_after: 8s, backoff: 0.1s}")
    done = folder.run("--json")
    assert done.returncode == 0, done.stderr
    first, second = attempts(folder)
    assert (first["cause"], second["cause"]) == ("hung", "finished")
    assert "no report and no output for 8 s: the program hangs; retry 1 of 1, in 0.1 s" in first["reason"]
    assert first["error"].endswith("halfway")


@pytest.fixture
def memory_group() -> Iterator[Path]:
    """A group of processes with little memory, where this machine lets us make one."""
    second = Path("/sys/fs/cgroup/memory.max").exists() or Path("/sys/fs/cgroup/cgroup.controllers").exists()
    group = Path("/sys/fs/cgroup", "" if second else "memory", f"swath-test-{uuid.uuid4().hex}")
    limits = ("memory.max", "memory.swap.max") if second else ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
    most = str(600 << 20)
    try:
        group.mkdir()
        (group / limits[0]).write_text(most)
        if (group / limits[1]).exists():
            (group / limits[1]).write_text("0" if second else most)
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        pytest.skip(f"no group of processes with a limit can be made here: {error}")
    yield group
    group.rmdir()


def test_a_trial_that_the_kernel_kills_for_memory_is_told_as_out_of_memory(folder: Folder, memory_group: Path) -> None:
    with_retry(folder, EATS, "{max: 1, on: [oom]}")
    words = [sys.executable, "-m", "swath.sweeps", "run", "sweep.yaml", "--json"]
    enter = ["sh", "-c", 'echo $$ > "$0"; exec "$@"', str(memory_group / "cgroup.procs"), *words]
    done = subprocess.run(enter, cwd=folder.path, env=folder.env, timeout=DEADLINE_S, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = attempts(folder)
    assert (first["cause"], second["cause"]) == ("oom", "finished")
    assert first["reason"] == "the trial ran out of memory (the kernel killed it); retry 1 of 1"
