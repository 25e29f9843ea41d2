"""The scripts of configs/clusters: Slurm's runs against a real server, those for Kubernetes name real options."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.folders import DEADLINE_S, SLOW, Folder, running
from tests.integration.test_cli_server import Served

CLUSTERS = Path(__file__).parents[2] / "configs" / "clusters"
SLURM = CLUSTERS / "slurm.sh"
#: Those of sbatch that the script may use.
SBATCH = {
    "array", "cpus-per-task", "gres", "job-name", "mem", "nodes", "ntasks", "open-mode", "output", "requeue", "signal",
    "time",
}  # fmt: skip


class Node:
    """A node of a cluster whose Slurm is made up: its variables, and an `scontrol` that notes what it is asked."""

    def __init__(self, path: Path, served: Served, program: str) -> None:
        self.folder = Folder(path)
        (path / "train.py").write_text(program)
        (path / "bin").mkdir()
        self._tool("scontrol", f'echo "$@" >> {shlex.quote(str(path / "asked"))}')
        self._tool("sweep", f'exec {shlex.quote(sys.executable)} -m swath.sweeps "$@"')
        self.folder.env |= served.environment | {"PATH": f"{path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        self.folder.env |= {"SLURM_JOB_ID": "1234", "SLURM_ARRAY_JOB_ID": "1230", "SLURM_ARRAY_TASK_ID": "4"}

    def _tool(self, name: str, line: str) -> None:
        (self.folder.path / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (self.folder.path / "bin" / name).chmod(0o755)

    @property
    def asked(self) -> str:
        path = self.folder.path / "asked"
        return path.read_text() if path.exists() else ""

    def batch(self, *arguments: str) -> subprocess.Popen[str]:
        """What sbatch would start: bash with a copy of the script."""
        process = subprocess.Popen(
            ["bash", SLURM, *arguments], cwd=self.folder.path, env=self.folder.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self.folder.processes.append(process)
        return process


@pytest.fixture
def node(folder: Folder, tmp_path: Path) -> Iterator[Node]:
    folder.program(SLOW, points=2)
    (tmp_path / "node").mkdir()
    made = Node(tmp_path / "node", Served(folder), (folder.path / "train.py").read_text())
    yield made
    made.folder.end()


@pytest.fixture
def sweep_id(folder: Folder, node: Node) -> str:
    return folder.sweep("create", "sweep.yaml").stdout.strip()


def test_a_task_takes_the_servers_trials_until_the_sweep_is_over(folder: Folder, node: Node, sweep_id: str) -> None:
    (folder.path / "go").write_text("1")
    task = node.batch(sweep_id)
    out, err = task.communicate(timeout=DEADLINE_S)
    assert (task.returncode, node.asked) == (0, ""), err
    assert "2 finished" in out
    shown = folder.shown()
    assert (shown["state"], {run["agent"] for run in shown["runs"]}) == ("finished", {"slurm-1230_4"})


@pytest.mark.parametrize(
    ("number", "code", "asked"), [(signal.SIGTERM, 143, ""), (signal.SIGUSR1, 0, "requeue 1230_4\n")]
)
def test_a_task_that_has_to_end_gives_its_trial_back(
    folder: Folder, node: Node, sweep_id: str, number: signal.Signals, code: int, asked: str
) -> None:
    """Slurm queues a task again that it preempts (SIGTERM); near its time limit (SIGUSR1) the task asks for that."""
    task = node.batch(sweep_id)
    folder.wait_for(running(1))
    task.send_signal(number)
    _, err = task.communicate(timeout=DEADLINE_S)
    assert (task.returncode, node.asked) == (code, asked), err
    assert folder.shown()["trials"]["queued"] == 1
    (folder.path / "go").write_text("1")
    again = node.batch(sweep_id)
    assert (again.wait(timeout=DEADLINE_S), folder.shown()["state"]) == (0, "finished")


def test_the_script_for_slurm_is_bash_and_names_options_of_sbatch() -> None:
    assert subprocess.run(["bash", "-n", SLURM], check=False).returncode == 0
    said = re.findall(r"^##?SBATCH --([a-z-]+)(?:=(\S+))?$", SLURM.read_text(), re.MULTILINE)
    assert len(said) > 8
    assert {name for name, _ in said} <= SBATCH
    assert dict(said)["signal"] == "B:USR1@120"
    first_command = next(line for line in SLURM.read_text().splitlines() if line and not line.startswith("#"))
    assert SLURM.read_text().rindex("\n#SBATCH") < SLURM.read_text().index(first_command), "it would not be read"


def test_the_job_for_kubernetes_runs_an_agent_with_options_that_there_are() -> None:
    job = loaded("kubernetes-job.yaml")
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    assert set(job["spec"]) == {
        "parallelism", "backoffLimit", "ttlSecondsAfterFinished", "podFailurePolicy", "template",
    }  # fmt: skip
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never", "a pod failure policy asks for that"
    [agent] = pod["containers"]
    assert agent["name"] == job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["containerName"]
    assert {each["name"] for each in agent["env"]} == {"POD_NAME", "SWATH_URL", "SWATH_TOKEN"}
    check_options([*agent["command"], *agent["args"]])


def test_the_job_for_kuberay_runs_a_sweep_with_options_that_there_are() -> None:
    job = loaded("kuberay-rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert set(job["spec"]) == {"entrypoint", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "rayClusterSpec"}
    cluster = job["spec"]["rayClusterSpec"]
    assert set(cluster) == {"rayVersion", "headGroupSpec", "workerGroupSpecs"}
    head, [workers] = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert set(workers) == {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}
    assert all(isinstance(value, str) for value in head["rayStartParams"].values())
    volumes = {volume["name"] for volume in head["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in head["template"]["spec"]["containers"][0]["volumeMounts"]} == volumes
    check_options(shlex.split(job["spec"]["entrypoint"]))


def loaded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CLUSTERS / name).read_text())
    return found


def check_options(words: list[str]) -> None:
    """`sweep VERB` knows all options of the command."""
    assert words[0] == "sweep"
    command = [sys.executable, "-m", "swath.sweeps", words[1], "--help"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=True).stdout
    assert [word for word in words if word.startswith("--") and word not in told] == []
