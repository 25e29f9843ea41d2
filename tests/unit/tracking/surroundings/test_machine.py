"""What the machine is: read from the real one, and from trees of files where this one cannot be all of them."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from swath.tracking.surroundings import machine


def test_this_machine_has_a_processor_and_memory() -> None:
    found = machine.facts()
    assert found["cpu"]
    assert found["memory_bytes"] == psutil.virtual_memory().total


def test_limits_are_told_where_they_are_lower_than_the_machine(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
        "sys/fs/cgroup/memory.max": "1000000\n",
        "sys/fs/cgroup/cpu.max": "50000 100000\n",
        "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian 12"\n',
        "proc/cpuinfo": "processor\t: 0\nmodel name\t: Fast Processor 9\nmodel name\t: other\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = machine.facts(tmp_path)
    assert found["memory_limit_bytes"] == 1_000_000
    assert found["cpu_limit"] == 0.5
    assert found["os_name"] == "Debian 12"
    assert found["cpu"] == "Fast Processor 9"
    assert found["container"] == ""


def test_a_processor_without_a_name_is_called_by_its_kind(tmp_path: Path) -> None:
    assert machine.cpu_model(tmp_path) == ""
    assert machine.facts(tmp_path)["cpu"]


@pytest.mark.parametrize(
    ("path", "text", "kind"),
    [
        (".dockerenv", "", "docker"),
        ("run/.containerenv", "", "podman"),
        (".singularity.d/x", "", "apptainer"),
        ("run/secrets/kubernetes.io/x", "", "kubernetes"),
        ("run/systemd/container", "lxc\n", "lxc"),
        ("proc/self/cgroup", "1:memory:/kubepods/burstable/pod1\n", "kubernetes"),
        ("proc/self/cgroup", "0::/system.slice/docker-abc.scope\n", "docker"),
        ("proc/self/cgroup", "0::/user.slice\n", ""),
    ],
)
def test_a_container_is_known_by_the_marks_it_leaves(tmp_path: Path, path: str, text: str, kind: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)
    assert machine.container(tmp_path) == kind
