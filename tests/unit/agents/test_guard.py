"""A guard ends process groups when the process that watches over them dies, and leaves others alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from swath.agents.executors.guard import Guard
from swath.agents.testing.worlds import gone, pids_in, wait_for

WATCHING = """
import subprocess, sys
from swath.agents.executors.guard import Guard
guard = Guard()
kept, left = (subprocess.Popen(["sleep", "600"], start_new_session=True) for _ in range(2))
with guard.over([left.pid]):
    pass
with guard.over([kept.pid]):
    print(kept.pid, left.pid, sep="\\n", file=open(sys.argv[1], "w"), flush=True)
    input()
"""


def test_groups_end_with_the_process_that_watches_over_them(tmp_path: Path) -> None:
    watcher = subprocess.Popen([sys.executable, "-c", WATCHING, str(tmp_path / "pids")], stdin=subprocess.PIPE)
    kept, left = pids_in(tmp_path / "pids", 2)
    watcher.kill()
    watcher.communicate()
    wait_for(lambda: gone([kept]), "the group to be ended")
    assert not gone([left])
    os.killpg(left, signal.SIGKILL)


def test_a_guard_that_is_closed_ends_nothing() -> None:
    sleeper = subprocess.Popen(["sleep", "600"], start_new_session=True)
    guard = Guard()
    with guard.over([sleeper.pid]):
        pass
    guard.close()
    assert sleeper.poll() is None
    sleeper.kill()
    sleeper.wait()
