"""`sweep agent --slots` and `sweep run --agents`: several trials at once, GPUs without overlap, signals."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest
from tests.integration.folders import DEADLINE_S, SLOW, Folder, running
from tests.integration.test_cli_server import Served

from swath.agents.testing.worlds import gone, wait_for

SEES = """
import os
print(os.getpid(), run.config["x"], os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("OMP_NUM_THREADS"),
      file=open('seen', 'a'), flush=True)
"""
HOLDS = SEES + SLOW


def with_gpus(folder: Folder, code: str, gpu: float, gpus: str, points: int = 2) -> None:
    """A sweep of trials that need so much of a GPU, on a machine with these."""
    folder.program(code, points)
    spec = folder.path / "sweep.yaml"
    spec.write_text(f"{spec.read_text()}resources: {{cpu: 0.1, gpu: {gpu}}}\n")
    folder.env |= {"SWATH_GPUS": gpus}
    folder.env.pop("CUDA_VISIBLE_DEVICES", None)
    folder.env.pop("OMP_NUM_THREADS", None)


def seen(folder: Folder) -> list[list[str]]:
    path = folder.path / "seen"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def go(folder: Folder) -> None:
    (folder.path / "go").write_text("1")


def created(folder: Folder) -> str:
    return folder.sweep("create", "sweep.yaml").stdout.strip()


def test_each_slot_has_gpus_of_its_own_and_a_dead_agent_s_successor_has_the_same(folder: Folder) -> None:
    with_gpus(folder, HOLDS, 1, "GPU-a,GPU-b,GPU-c")
    folder.env["CUDA_VISIBLE_DEVICES"] = "GPU-c,GPU-a"
    sweep_id = created(folder)
    process = folder.start("agent", sweep_id, "--slots", "auto")
    wait_for(lambda: len(seen(folder)) == 2, "two trials at once")
    assert sorted(line[2] for line in seen(folder)) == ["GPU-a", "GPU-c"]
    victim, lost = seen(folder)[0][0], seen(folder)[0][2]
    agent = next(p for p in psutil.Process(process.pid).children() if int(victim) in pids_under(p))
    agent.kill()
    wait_for(lambda: len(seen(folder)) == 3, "the trial's next attempt")
    assert seen(folder)[2][2] == lost
    go(folder)
    out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, err
    assert "with the GPUs GPU-c | GPU-a" in out
    assert "was replaced by agent-3" in err
    assert folder.shown()["trials"]["finished"] == 2


def test_agents_take_no_more_trials_at_once_than_there_are_licences(folder: Folder) -> None:
    folder.program(SEES, points=3)
    spec = folder.path / "sweep.yaml"
    spec.write_text(f"{spec.read_text()}resources: {{cpu: 0.1, custom: {{licence: 1}}}}\n")
    sweep_id = created(folder)
    for words in (["agent", sweep_id], ["agent", sweep_id, "--slots", "2", "--resource", "licence=1"]):
        refused = folder.sweep(*words)
        assert refused.returncode == 2
        assert "licence" in refused.stderr
    assert not seen(folder)
    done = folder.sweep("agent", sweep_id, "--slots", "auto", "--resource", "licence=2")
    assert (done.returncode, done.stdout.startswith("2 agents")) == (0, True), done.stderr
    assert len(seen(folder)) == 3


def pids_under(process: psutil.Process) -> set[int]:
    return {child.pid for child in process.children(recursive=True)}


def test_slots_share_gpus_in_parts_also_with_a_server_and_cores_are_shared_too(folder: Folder, tmp_path: Path) -> None:
    with_gpus(folder, SEES, 0.5, "7", points=4)
    sweep_id = created(folder)
    served = Served(folder)
    worker = Folder(tmp_path / "worker")
    worker.path.mkdir()
    worker.env = folder.env | served.environment
    try:
        done = worker.sweep("agent", sweep_id, "--slots", "2", "--name", "w")
        assert done.returncode == 0, done.stderr
        assert {line[2] for line in seen(folder)} == {"7"}
        assert {line[3] for line in seen(folder)} == {str(max(1, len(os.sched_getaffinity(0)) // 2))}
        assert sorted(line[1] for line in seen(folder)) == ["1", "2", "3", "4"]
        too_many = worker.sweep("agent", sweep_id, "--slots", "3")
        assert too_many.returncode == 2
        assert "this machine has 1 (7)" in too_many.stderr
        assert "at most 2 at once" in too_many.stderr
    finally:
        worker.end()


def test_a_local_run_deals_gpus_out_and_says_what_is_there_when_they_do_not_suffice(folder: Folder) -> None:
    with_gpus(folder, HOLDS, 1, "0,1")
    process = folder.start("run", "sweep.yaml", "--agents", "2", "--quiet")
    wait_for(lambda: len(seen(folder)) == 2, "two trials at once")
    assert sorted(line[2] for line in seen(folder)) == ["0", "1"]
    go(folder)
    assert process.communicate(timeout=DEADLINE_S)[1] == ""
    assert process.returncode == 0
    refused = folder.run("--agents", "3")
    assert refused.returncode == 2
    assert "3 trials at once with 1 GPU each do not fit: this machine has 2 (0, 1)" in refused.stderr


def test_ctrl_c_once_drains_all_slots_and_twice_gives_their_trials_back(folder: Folder) -> None:
    folder.program(HOLDS, points=6)
    sweep_id = created(folder)
    process = folder.start("agent", sweep_id, "--slots", "2", "--quiet")
    wait_for(lambda: len(seen(folder)) == 2, "two trials at once")
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "running trials finish" in process.stderr.readline()
    go(folder)
    out, _ = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (130, "")
    assert folder.shown()["trials"]["finished"] == 2
    (folder.path / "go").unlink()
    process = folder.start("agent", sweep_id, "--slots", "2")
    wait_for(lambda: len(seen(folder)) == 4, "two more trials")
    assert process.stderr is not None
    for said in ("running trials finish", "running trials are stopped"):
        process.send_signal(signal.SIGINT)
        assert said in process.stderr.readline()
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert gone([int(line[0]) for line in seen(folder)])
    shown = folder.shown()["trials"]
    assert (shown["finished"], shown["queued"], shown["running"]) == (2, 2, 0)


def test_sigterm_gives_the_trials_of_all_slots_back(folder: Folder) -> None:
    folder.program(HOLDS, points=3)
    process = folder.start("agent", created(folder), "--slots", "2")
    folder.wait_for(running(2))
    wait_for(lambda: len(seen(folder)) == 2, "two trials at once")
    process.terminate()
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 143
    assert folder.shown()["trials"]["queued"] == 2


def test_no_agent_outlives_the_command_that_started_it(folder: Folder) -> None:
    folder.program(HOLDS, points=3)
    process = folder.start("agent", created(folder), "--slots", "2")
    wait_for(lambda: len(seen(folder)) == 2, "two trials at once")
    agents = [child.pid for child in psutil.Process(process.pid).children()]
    process.kill()
    process.wait()
    wait_for(lambda: gone([*agents, *(int(line[0]) for line in seen(folder))]), "the end of agents and trials")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--slots", "none"], "'none' is no number"),
        (["--slots", "0"], "'0' is no number"),
        (["--slots", "2", "--count", "3"], "--count is for one agent"),
        (["--slots", "2", "--executor", "magic"], "no executor 'magic'"),
    ],
)
def test_what_slots_cannot_be_is_said_at_once(folder: Folder, arguments: list[str], said: str) -> None:
    folder.program("run.log({'loss': 1})")
    done = folder.sweep("agent", created(folder), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_broken_program_ends_all_slots_with_its_exit_code(folder: Folder) -> None:
    folder.program("raise ValueError('the data set is gone')", points=20)
    done = folder.sweep("agent", created(folder), "--slots", "2")
    assert done.returncode == 3
    assert "the data set is gone" in done.stderr
    assert "sweep retry ID" in done.stderr
