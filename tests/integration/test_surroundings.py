"""Programs of several kinds in processes of their own: what they tell of themselves, their load, forks and ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from swath.tracking.surroundings.masking import MASK

DEADLINE_S = 120
TELL = """
import json, sys
from pathlib import Path
from swath.tracking.surroundings import quick_facts, slow_facts, source
found = {**quick_facts(), **slow_facts(Path.cwd())}
print(json.dumps({"found": found, "source": str(source(sys.argv[0]) or "")}))
"""
LOAD = """
import json, subprocess, sys, threading
from swath.tracking.surroundings import Sampler
arrived = threading.Semaphore(0)
def emit(values):
    samples.append(values)
    arrived.release()
samples = []
sampler = Sampler(emit, interval_s=1.0)
def burn():
    while len(samples) < 3:
        sum(range(10000))
"""


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, *command], cwd=cwd, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def told(*command: str, cwd: Path) -> tuple[dict[str, Any], str]:
    said = json.loads(run(*command, cwd=cwd))
    return said["found"], said["source"]


def test_a_script_tells_of_itself(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TELL)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    found, source = told("train.py", "--lr=0.1", "--api-key", "abc", cwd=tmp_path)
    assert source == found["program"] == str(tmp_path / "train.py")
    assert found["args"] == ["--lr=0.1", "--api-key", MASK]
    assert found["git"]["program"] == "train.py"
    assert "module" not in found


def test_a_script_that_changes_its_folder_is_still_found(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import os; os.chdir('/')\n" + TELL)
    found, source = told("train.py", cwd=tmp_path)
    assert source == found["program"] == str(tmp_path / "train.py")
    assert found["cwd"] == "/"


def test_a_module_tells_its_name_and_file(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__main__.py").write_text(TELL)
    (tmp_path / "package" / "train.py").write_text(TELL)
    found, source = told("-m", "package.train", cwd=tmp_path)
    assert found["module"] == "package.train"
    assert source == str(tmp_path / "package" / "train.py")
    found, source = told("-m", "package", cwd=tmp_path)
    assert found["module"] == "package"
    assert source == str(tmp_path / "package" / "__main__.py")


def test_a_command_has_no_file(tmp_path: Path) -> None:
    found, source = told("-c", TELL, cwd=tmp_path)
    assert source == ""
    assert found["program"] == "-c"


def test_the_tracker_and_the_quick_facts_do_not_import_psutil(tmp_path: Path) -> None:
    run(
        "-c",
        "import sys, swath.tracking.surroundings as s; s.quick_facts(); sampler = s.Sampler(print); sampler.start(); "
        "sampler.stop(); assert not {'psutil', 'pynvml', 'subprocess', 'importlib.metadata'} & set(sys.modules)",
        cwd=tmp_path,
    )


def test_a_program_that_ends_at_once_is_not_held_up_and_says_nothing(tmp_path: Path) -> None:
    program = "from swath.tracking.surroundings import Sampler; Sampler(print, interval_s=0.01).start()"
    run("-c", program, cwd=tmp_path)


def test_the_work_of_the_process_is_seen(tmp_path: Path) -> None:
    program = LOAD + "sampler.start(); burn(); sampler.stop(); print(json.dumps(samples))"
    samples = json.loads(run("-c", program, cwd=tmp_path))
    assert max(values.get("cpu.process", 0) for values in samples) > 10
    assert max(values.get("cpu", 0) for values in samples) > 1


def test_the_work_of_children_is_seen_alive_and_ended(tmp_path: Path) -> None:
    """Two lasting children's and that of many that are over before anybody looked at them."""
    lasting = """
command = [sys.executable, "-c", "import sys\\nwhile True: sum(range(10000))"]
children = [subprocess.Popen(command) for _ in range(2)]
sampler.start()
for _ in range(3):
    assert arrived.acquire(timeout=60)
for child in children:
    child.kill()
    child.wait()
sampler.stop()
print(json.dumps(samples))
"""
    short = """
command = [sys.executable, "-c", "for _ in range(100): sum(range(10000))"]
sampler.start()
while len(samples) < 3:
    subprocess.run(command)
sampler.stop()
print(json.dumps(samples))
"""
    for program in (lasting, short):
        samples = json.loads(run("-c", LOAD + program, cwd=tmp_path))
        assert max(values.get("cpu.process", 0) for values in samples) > 10


def test_a_forked_child_goes_on_without_the_thread_and_may_start_its_own(tmp_path: Path) -> None:
    program = (
        LOAD
        + """
import os
sampler.start()
assert arrived.acquire(timeout=60)
pid = os.fork()
if pid == 0:
    sampler.stop()
    sampler.after_fork()
    assert threading.active_count() == 1
    while arrived.acquire(blocking=False):
        pass
    sampler.start()
    os._exit(0 if arrived.acquire(timeout=60) else 1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert arrived.acquire(timeout=60)
sampler.stop()
"""
    )
    run("-W", "ignore::DeprecationWarning", "-c", program, cwd=tmp_path)


def test_a_child_forked_while_a_thread_imports_can_import_the_same(tmp_path: Path) -> None:
    """The import takes until it is told to go on; the fork waits for it, and the child is not stuck behind it."""
    (tmp_path / "slow.py").write_text("import gate\ngate.importing.set()\ngate.sleep(0.3)\nDONE = True\n")
    (tmp_path / "gate.py").write_text("import threading\nfrom time import sleep\nimporting = threading.Event()\n")
    program = """
import os, signal, sys, threading
import gate
from swath.tracking.imports import unforked
def load():
    with unforked():
        import slow
thread = threading.Thread(target=load)
thread.start()
assert gate.importing.wait(60)
pid = os.fork()
if pid == 0:
    signal.alarm(60)
    with unforked():
        import slow
    os._exit(0 if slow.DONE else 1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
thread.join()
"""
    run("-W", "ignore::DeprecationWarning", "-c", program, cwd=tmp_path)
