"""Trials of several processes on one machine: real process groups of torch, which begin, end and die together."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from swath.agents import Executor, TaskError
from swath.agents.executors.command import CommandExecutor
from swath.agents.executors.inline import InlineExecutor
from swath.agents.executors.process import ProcessExecutor
from swath.agents.executors.program import ProgramExecutor
from swath.agents.protocol import Gang, Lease, Task, Verdict
from swath.agents.testing import MemorySource
from swath.agents.testing.ddp import DYING, ENDLESS, training
from swath.agents.testing.worlds import InThread, agent_of, gone, job_of, pids_in, program, source_of, wait_for
from swath.tracking.runlog.history import output_tail, read_history
from swath.tracking.runlog.records import Row

if TYPE_CHECKING:
    from tests.integration.folders import Folder

PAIR = Gang(nodes=1, processes=2)
SLEEPER = """
import os, time
import swath.tracking as tracking

run, rank = tracking.init(), int(os.environ["RANK"])
with open("pids", "a") as file:
    file.write(f"{os.getpid()}\\n")
if rank == 2:
    raise ValueError("bad shard")
time.sleep(600)
"""


@pytest.fixture(params=[CommandExecutor, ProgramExecutor], ids=["cold", "warm"])
def executor(request: pytest.FixtureRequest) -> Executor:
    made: Executor = request.param()
    return made


@pytest.fixture
def torch() -> None:
    if find_spec("torch") is None:
        pytest.skip("torch is not installed")


def run(folder: Path, text: str, executor: Executor, gang: Gang = PAIR, **changes: Any) -> MemorySource:
    source = source_of(program(folder, text), gang=gang, **changes)
    agent_of(source, executor, folder).run()
    return source


def rows(source: MemorySource) -> list[tuple[int, float]]:
    return [(row.step, row.values["total"]) for row in source.rows(1)]


@pytest.mark.usefixtures("torch")
def test_the_ranks_of_a_trial_find_each_other_and_rank_0_reports(executor: Executor, tmp_path: Path) -> None:
    """Both see the same config and run, and the history has each step once."""
    source = run(tmp_path, training(), executor)
    assert source.endings() == {"finished": 1}
    assert rows(source) == [(step, 3.0) for step in range(4)]
    assert {row.values["rank"] for row in source.rows(1)} == {0}
    lines = sorted(line for line in source.output(1).splitlines() if "ids" in line)
    assert lines == ["[rank 1] ids 1 1 2 2 0 1 run-1", "ids 0 0 2 2 0 1 run-1"]
    assert [finish.exit_code for finish in source.finishes(1)] == [0, 0]  # the program's own, and the agent's


@pytest.mark.usefixtures("torch")
def test_a_rank_that_is_killed_ends_the_attempt_and_the_next_one_succeeds(tmp_path: Path) -> None:
    """Cold ranks keep this law, and the next one, in the tests of gangs on Ray."""
    source = run(tmp_path, training(DYING), ProgramExecutor())
    (_, first), (_, second) = source.trials[0].outcomes
    assert (first.ending, first.signal, second.ending) == ("crashed", 9, "finished")
    assert first.error.startswith("rank 1 was killed by SIGKILL")
    assert rows(source) == [(step, 3.0) for step in range(4)]
    assert gone(pids_in(tmp_path / "pids", 4))


@pytest.mark.usefixtures("torch")
def test_a_stop_request_ends_all_ranks(tmp_path: Path) -> None:
    """Also those that do not log and wait in an all-reduce."""

    def judge(lease: Lease, seen: list[Row]) -> Verdict:
        return Verdict("stop", "rung 1") if len(seen) > 6 else Verdict()

    source = run(tmp_path, training(ENDLESS), ProgramExecutor(), judge=judge, decides=True)
    assert source.endings() == {"stopped": 1}
    assert source.trials[0].ended is not None
    assert source.trials[0].ended.error.startswith("rung 1")
    assert gone(pids_in(tmp_path / "pids", 2))


def test_a_rank_that_fails_ends_the_others_and_its_last_lines_are_told(executor: Executor, tmp_path: Path) -> None:
    source = run(tmp_path, SLEEPER, executor, Gang(processes=3))
    ((_, outcome),) = source.trials[0].outcomes
    assert (outcome.ending, outcome.exit_code) == ("failed", 1)
    assert outcome.error.startswith("rank 2 left with exit code 1")
    assert outcome.error.endswith("ValueError: bad shard")
    assert gone(pids_in(tmp_path / "pids", 1))


def test_functions_run_as_ranks(tmp_path: Path) -> None:
    (tmp_path / "ranked.py").write_text(
        "import os\nimport swath.tracking as tracking\n\ndef train(config):\n"
        "    run = tracking.init()\n    print('rank', os.environ['RANK'], config['x'])\n    return {'loss': 1.0}\n"
    )
    source = MemorySource(job_of(Task(function="ranked:train", cwd=str(tmp_path)), gang=PAIR), [{"x": 5}])
    agent_of(source, ProcessExecutor(), tmp_path).run()
    assert source.endings() == {"finished": 1}
    assert sorted(source.output(1).splitlines()) == ["[rank 1] rank 1 5", "rank 0 5"]
    assert [row.values for row in source.rows(1)] == [{"loss": 1.0}]


def test_the_command_may_name_its_rank(tmp_path: Path) -> None:
    task = Task(command=("echo", "rank", "${envvar:RANK}", "of", "${envvar:WORLD_SIZE}"))
    source = source_of(task, gang=PAIR)
    agent_of(source, CommandExecutor(), tmp_path).run()
    assert sorted(source.output(1).splitlines()) == ["[rank 1] rank 1 of 2", "rank 0 of 2"]


def test_an_agent_that_is_aborted_takes_all_ranks_with_it(tmp_path: Path) -> None:
    source = source_of(program(tmp_path, SLEEPER), gang=PAIR, grace_s=0.2)
    agent = agent_of(source, CommandExecutor(), tmp_path)
    thread = InThread(agent)
    pids = pids_in(tmp_path / "pids", 2)
    agent.abort()
    thread.join()
    assert source.trials[0].outcomes[0][1].ending == "preempted"
    wait_for(lambda: gone(pids), "the ranks to be gone")
    assert not list((tmp_path / "runs").glob("**/*.pid"))


@pytest.mark.parametrize(
    ("make", "gang", "what"),
    [
        (CommandExecutor, Gang(nodes=2), "runs on 2 nodes, and this agent has one"),
        (InlineExecutor, PAIR, "cannot run inside the agent"),
        (InlineExecutor, Gang(nodes=2), "runs on 2 nodes"),
    ],
)
def test_where_a_gang_cannot_run_is_said_before_the_first_trial(
    make: Callable[[], Executor], gang: Gang, what: str, tmp_path: Path
) -> None:
    (tmp_path / "ranked.py").write_text("def train(config):\n    pass\n")
    task = Task(function="ranked:train", cwd=str(tmp_path)) if make is InlineExecutor else Task(command=("true",))
    source = source_of(task, gang=gang)
    with pytest.raises(TaskError, match=what):
        agent_of(source, make(), tmp_path).run()
    assert source.trials[0].attempt == 0


def test_a_sweep_file_asks_for_ranks(folder: Folder) -> None:
    folder.program("import os\nrun.log({'loss': float(os.environ['RANK'])})\nprint(os.environ['WORLD_SIZE'])\n", 2)
    spec = folder.path / "sweep.yaml"
    spec.write_text(spec.read_text() + "resources: {processes: 2}\n")
    ended = folder.run()
    assert ended.returncode == 0, ended.stderr
    runs = sorted((folder.path / ".swath" / "runs").iterdir())
    assert [[row.values for row in read_history(run)] for run in runs] == [[{"loss": 0.0}]] * 2
    assert [sorted(output_tail(run, 9)) for run in runs] == [["2", "[rank 1] 2"]] * 2


@pytest.mark.parametrize(
    ("resources", "options", "what"),
    [
        ("{nodes: 2}", ("--on", "local"), "local agents have this machine alone"),
        ("{processes: 2}", ("--executor", "inline"), "cannot run inside an agent"),
        ("{processes: 2}", ("--on", "ray", "--gpu", "1"), "would have 1 GPUs there"),
    ],
)
def test_agents_that_could_not_run_the_ranks_are_refused(
    resources: str, options: tuple[str, ...], what: str, folder: Folder
) -> None:
    folder.program("", 1)
    spec = folder.path / "sweep.yaml"
    spec.write_text(spec.read_text() + f"resources: {resources}\n")
    refused = folder.run(*options)
    assert refused.returncode == 2
    assert what in " ".join(refused.stderr.split())
