"""The family of a process is found whole, and not looked for more often than is cheap."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from swath.tracking.surroundings.descendants import Descendants

PARENT = """
import subprocess, sys
command = [sys.executable, "-c", "print(flush=True); input()"]
child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
input()
child.communicate(b"\\n")
"""


@contextmanager
def family() -> Iterator[tuple[int, int]]:
    """The pids of a child of this process and of a child of it."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        yield child.pid, int(child.stdout.readline())
        child.communicate(b"\n")


def test_children_and_their_children_are_found() -> None:
    with family() as (child, grandchild):
        assert {child, grandchild} <= set(Descendants(os.getpid()).at(0.0))
        assert Descendants(child).at(0.0) == [grandchild]


def test_children_of_other_threads_are_found() -> None:
    with ExitStack() as stack:
        pids: list[int] = []
        held = threading.Event()
        made = threading.Event()

        def start() -> None:
            pids.append(stack.enter_context(family())[0])
            made.set()
            held.wait(60)

        thread = threading.Thread(target=start)
        thread.start()
        assert made.wait(60)
        assert pids[0] in Descendants(os.getpid()).at(0.0)
        held.set()
        thread.join()


def test_where_the_kernel_lists_no_children_all_processes_are_looked_through(tmp_path: Path) -> None:
    with family() as (child, grandchild):
        assert Descendants(child, tmp_path).at(0.0) == [grandchild]


def test_a_process_that_is_gone_has_no_children(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert Descendants(child.pid).at(0.0) == []


def _process(proc: Path, pid: int, threads: int, children: str = "") -> None:
    for thread in range(pid, pid + threads):
        folder = proc / str(pid) / "task" / str(thread)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "children").write_text(children if thread == pid else "")


@pytest.mark.parametrize(("threads", "pause"), [(50, 1.0), (1000, 20.0)])
def test_the_larger_the_family_the_rarer_it_is_looked_for(tmp_path: Path, threads: int, pause: float) -> None:
    _process(tmp_path, 1, threads)
    descendants = Descendants(1, tmp_path)
    assert descendants.at(0.0) == []
    _process(tmp_path, 1, threads, "9000 ")
    assert descendants.at(pause - 0.1) == []
    assert descendants.at(pause + 0.1) == [9000]
