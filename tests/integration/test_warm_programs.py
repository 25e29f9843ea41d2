"""A program whose libraries are loaded beforehand runs as `python program.py` would, trial for trial."""

from __future__ import annotations

import os
import signal
import sys
import sysconfig
from pathlib import Path

import psutil
import pytest

from swath.agents import AgentReport
from swath.agents.executors.choice import executor_for
from swath.agents.executors.command import CommandExecutor
from swath.agents.executors.program import ProgramExecutor, not_python
from swath.agents.protocol import Task
from swath.agents.testing import MemorySource
from swath.agents.testing.worlds import run_program
from swath.tracking.errors import UsageError


def run(folder: Path, text: str, trials: int = 1) -> tuple[MemorySource, AgentReport]:
    return run_program(folder, text, ProgramExecutor(), trials=trials)


def test_libraries_are_there_before_the_program_begins_and_its_own_modules_are_not(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import colorsys\n")
    text = "import sys\nhad = [name for name in ('wave', 'colorsys', 'mine') if name in sys.modules]\n"
    source, _ = run(tmp_path, text + "import wave, mine\nprint(had)\n")
    assert source.output(1) == "['wave', 'colorsys']\n"


def test_own_modules_see_the_arguments_of_each_trial_and_are_taken_as_they_are_then(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text("import sys\nx = sys.argv[1]\n")
    text = "import settings\nprint(settings.x)\nopen('settings.py', 'a').write('x += \"!\"\\n')\n"
    source, _ = run(tmp_path, text, trials=3)
    assert [source.output(number) for number in (1, 2, 3)] == ["--x=1\n", "--x=2!\n", "--x=3!!\n"]


FACTS = """
import multiprocessing, os, pickle, sys, threading, __main__
class Net: pass
def work(x): return x + 1
if __name__ == "__main__":
    print(__name__, __file__, sys.argv, sys.orig_argv[1:], sys.path[0], __spec__, __doc__, __main__.Net is Net)
    print(type(pickle.loads(pickle.dumps(Net()))) is Net, os.getpgid(0) == os.getpid(), os.getcwd())
    print(sys.stdin.read() == "", threading.current_thread() is threading.main_thread(), sys.flags.optimize)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(work, [1, 2]))
    with multiprocessing.get_context("fork").Pool(1) as pool:
        print(pool.map(work, [3]))
"""


def test_a_program_sees_what_python_shows_it(tmp_path: Path) -> None:
    warm, _ = run(tmp_path, FACTS)
    cold, _ = run_program(tmp_path, FACTS, CommandExecutor())
    assert warm.output(1) == cold.output(1)
    assert "[2, 3]" in warm.output(1)


@pytest.mark.parametrize(
    "text",
    [
        "raise ValueError('no data')",
        "def f():\n    1 / 0\nf()",
        "import sys; sys.exit(7)",
        "import sys; sys.exit('not today')",
        "raise KeyboardInterrupt",
        "import sys; sys.excepthook = lambda *_: print('hooked'); raise ValueError",
        "import atexit; atexit.register(print, 'at the end'); print('first')",
        "this is no Python",
        "import nosuchlibrary_at_all",
        "import threading, time; threading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()",
        "import warnings; warnings.warn('careful')",
        "import os; os._exit(9)",
    ],
)
def test_a_program_ends_as_a_cold_one_does(tmp_path: Path, text: str) -> None:
    warm, _ = run(tmp_path, text)
    cold, _ = run_program(tmp_path, text, CommandExecutor())
    assert warm.output(1) == cold.output(1)
    assert warm.trials[0].outcomes[0][1] == cold.trials[0].outcomes[0][1]


def test_trials_draw_other_random_numbers(tmp_path: Path) -> None:
    text = "import random\nimport numpy as np\nprint(random.random(), np.random.rand())"
    source, _ = run(tmp_path, text, trials=2)
    first, second = source.output(1).split(), source.output(2).split()
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_people_see_the_command_line_in_the_list_of_processes(tmp_path: Path) -> None:
    source, _ = run(tmp_path, "import psutil; print(psutil.Process().cmdline()[0])")
    assert source.output(1) == f"{sys.executable} train.py --x=1 --lr=0.1\n"


def test_what_the_agent_has_in_its_environment_the_program_has_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_DATA", "/data")
    source, _ = run(tmp_path, "import os; print(os.environ['MY_DATA'], os.environ['SWATH_RUN_ID'])")
    assert source.output(1) == "/data run-1\n"


def test_a_library_that_starts_threads_makes_trials_start_cold_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "base"))
    installed = Path(_user_site(tmp_path / "base"))
    installed.mkdir(parents=True)
    (installed / "busy.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), name='busy one', daemon=True).start()"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")]))
    source, report = run(tmp_path, "import busy, threading\nprint(threading.active_count())")
    assert report.trials == {"finished": 1}
    assert source.output(1) == "2\n"
    assert "start cold: importing its libraries starts threads (busy one)" in caplog.text


def _user_site(base: Path) -> str:
    return sysconfig.get_path("purelib", "posix_user", {"userbase": str(base)})


def test_a_server_that_is_killed_takes_its_trial_along_and_is_started_again(tmp_path: Path) -> None:
    kills = (
        "if sys.argv[1] == '--x=2' and os.environ['SWATH_ATTEMPT'] == '1': os.kill(os.getppid(), 9); time.sleep(600)"
    )
    text = f"import os, sys, time\nprint(os.getppid(), flush=True)\n{kills}"
    source, report = run(tmp_path, text, trials=3)
    assert report.trials == {"crashed": 1, "finished": 3}
    servers = {source.output(number).split()[-1] for number in (1, 2, 3)}
    assert len(servers) == 2
    assert str(os.getpid()) not in servers


def test_nothing_is_left_of_the_server_when_the_agent_has_gone(tmp_path: Path) -> None:
    source, _ = run(tmp_path, "import os; print(os.getppid())")
    server = int(source.output(1))
    assert server != os.getpid()
    assert not psutil.pid_exists(server)


def test_a_signal_to_the_agents_group_does_not_reach_the_server(tmp_path: Path) -> None:
    source, _ = run(tmp_path, "import os; print(os.getpgid(os.getppid()))")
    assert int(source.output(1)) != os.getpgid(0)
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


@pytest.mark.parametrize(
    ("task", "why"),
    [
        (Task(program="train.py"), ""),
        (Task(program="train.py", command=("${env}", "${interpreter}", "${program}", "--a", "${args}")), ""),
        (Task(program="train.sh"), "Python file"),
        (Task(program="train.py", command=("python3.9", "${program}")), "this agent's Python"),
        (Task(program="train.py", command=("${interpreter}", "-O", "${program}")), "first of all"),
        (Task(command=("torchrun", "train.py")), "this agent's Python"),
    ],
)
def test_what_is_no_program_of_this_python_starts_cold(task: Task, why: str) -> None:
    assert why in not_python(task)
    assert bool(why) == bool(not_python(task))


def test_cold_can_be_asked_for_where_there_is_a_program() -> None:
    assert type(executor_for(Task(program="train.py"), "cold")) is CommandExecutor
    assert type(executor_for(Task(program="train.py"))) is ProgramExecutor
    with pytest.raises(UsageError, match="is no program"):
        executor_for(Task(function="a:b"), "cold")
