"""Functions in forked children: each trial is on its own, and the fork server neither leaks nor repeats anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import cloudpickle
import psutil
import pytest

from swath.agents import Task, TaskError
from swath.agents.environment import inherited
from swath.agents.executors.birth import Birth
from swath.agents.executors.process import ProcessExecutor
from swath.agents.executors.server import WarmServer
from swath.agents.executors.warm import Order
from swath.agents.testing import MemorySource
from swath.agents.testing.worlds import InThread, agent_of, job_of, pids_in, source_of, wait_for
from swath.tracking.clock import SYSTEM_CLOCK


def module(folder: Path, text: str, name: str = "trains") -> Task:
    (folder / f"{name}.py").write_text("import os, signal, sys, time\nimport swath.tracking as tracking\n" + text)
    return Task(function=f"{name}:train", cwd=str(folder))


def values(source: MemorySource) -> list[object]:
    return [source.rows(trial.number)[0].values["v"] for trial in source.trials]


def test_trials_that_seed_nothing_do_not_draw_the_same_numpy_numbers(tmp_path: Path) -> None:
    task = module(tmp_path, "import numpy\ndef train():\n    return {'v': numpy.random.random()}\n")
    source = source_of(task, trials=3)
    agent_of(source, ProcessExecutor(), tmp_path).run()
    assert len(set(values(source))) == 3


def test_a_seed_set_by_the_module_holds_for_each_trial(tmp_path: Path) -> None:
    text = "import numpy\nnumpy.random.seed(1)\ndef train():\n    return {'v': numpy.random.random()}\n"
    source = source_of(module(tmp_path, text), trials=3)
    agent_of(source, ProcessExecutor(), tmp_path).run()
    assert len(set(values(source))) == 1


def test_the_module_is_imported_once_for_all_trials(tmp_path: Path) -> None:
    text = f"print('x', file=open({str(tmp_path / 'imports')!r}, 'a'))\ndef train(): pass\n"
    source = source_of(module(tmp_path, text), trials=4)
    report = agent_of(source, ProcessExecutor(), tmp_path).run()
    assert report.trials == {"finished": 4}
    assert (tmp_path / "imports").read_text() == "x\n"


def test_a_change_one_trial_makes_is_not_seen_by_the_next(tmp_path: Path) -> None:
    text = "seen = []\ndef train(config):\n    seen.append(config.x)\n    return {'v': len(seen)}\n"
    source = source_of(module(tmp_path, text), trials=3)
    agent_of(source, ProcessExecutor(), tmp_path).run()
    assert values(source) == [1, 1, 1]


def test_a_crash_of_one_trial_touches_no_other(tmp_path: Path) -> None:
    text = "def train(config):\n    if config.x == 2: os.abort()\n    return {'v': config.x}\n"
    source = MemorySource(job_of(module(tmp_path, text)), [{"x": x} for x in (1, 2, 3)], most_attempts=1)
    report = agent_of(source, ProcessExecutor(), tmp_path).run()
    assert report.trials == {"finished": 2, "crashed": 1}
    assert source.trials[1].outcomes[0][1].signal == signal.SIGABRT


def test_when_the_fork_server_dies_its_trial_is_run_again_with_a_new_one(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    text = f"def train(config):\n    print(os.getpid(), file=open({str(pids)!r}, 'a'), flush=True)\n"
    text += f"    while not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.01)\n"
    source = source_of(module(tmp_path, text))
    running = InThread(agent_of(source, ProcessExecutor(), tmp_path))
    (child,) = pids_in(pids, 1)
    os.kill(psutil.Process(child).ppid(), signal.SIGKILL)
    pids_in(pids, 2)
    (tmp_path / "go").touch()
    assert running.join().trials == {"crashed": 1, "finished": 1}
    assert source.trials[0].attempt == 2


def test_a_fork_server_that_is_just_dying_is_waited_for_and_started_again(tmp_path: Path) -> None:
    """Its end of the pipe closes a little before the system says that it has ended."""
    task = module(tmp_path, "def train(config):\n    pass\n")
    server = WarmServer(Order(task, tuple(sys.path)), SYSTEM_CLOCK)
    try:
        assert server.fault() == ""
        for _ in range(5):
            child, streams = server.fork(Birth(inherited(), str(tmp_path)))
            os.kill(psutil.Process(child.pid).ppid(), signal.SIGKILL)
            assert server.fault() == ""
            child.close()
            for fd in streams.values():
                os.close(fd)
    finally:
        server.close()


def test_a_function_made_on_the_spot_is_run_in_children_too(tmp_path: Path) -> None:
    factor = 3

    def train(config: dict[str, int]) -> dict[str, int]:
        return {"v": factor * config["x"]}

    source = source_of(Task(pickled=cloudpickle.dumps(train), cwd=str(tmp_path)), trials=2)
    agent_of(source, ProcessExecutor(), tmp_path).run()
    assert values(source) == [3, 6]


def test_a_function_that_cannot_be_imported_is_said_before_the_first_trial(tmp_path: Path) -> None:
    source = source_of(module(tmp_path, "import no_such_package\ndef train(): pass\n", "trains_badly"))
    with pytest.raises(TaskError, match="no_such_package"):
        agent_of(source, ProcessExecutor(), tmp_path).run()
    assert source.trials[0].attempt == 0


def test_output_of_the_function_is_in_the_log_and_what_imports_print_is_not_on_stdout(tmp_path: Path) -> None:
    module(tmp_path, "print('imported')\ndef train(config):\n    print('running', config.x)\n")
    script = tmp_path / "script.py"
    script.write_text(
        "print('main', flush=True)\n"
        "from pathlib import Path\n"
        "from swath.agents import Task\n"
        "from swath.agents.executors.process import ProcessExecutor\n"
        "from swath.agents.testing.worlds import agent_of, source_of\n"
        f"source = source_of(Task(function='trains:train', cwd={str(tmp_path)!r}), trials=2)\n"
        f"agent_of(source, ProcessExecutor(), Path({str(tmp_path)!r})).run()\n"
        "print(source.output(2), end='')\n"
    )
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout == "main\nrunning 2\n"
    assert ran.stderr.count("imported") == 1


def test_a_silent_trial_keeps_its_lease(tmp_path: Path) -> None:
    text = f"def train():\n    while not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.01)\n"
    source = source_of(module(tmp_path, text), lease_s=1.5)
    running = InThread(agent_of(source, ProcessExecutor(), tmp_path))
    wait_for(lambda: source.trials[0].holder, "the lease")
    first = source.trials[0].expires
    wait_for(lambda: source.trials[0].expires > first + 1.5, "renewals")
    (tmp_path / "go").touch()
    assert running.join().trials == {"finished": 1}
    assert source.trials[0].attempt == 1
