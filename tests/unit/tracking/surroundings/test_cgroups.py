"""A container's own limits count, in both versions of cgroups, wherever they are said; here trees of files say them."""

from __future__ import annotations

from pathlib import Path

import pytest

from swath.tracking.surroundings.cgroups import Limit, limits

V2_MOUNT = "30 23 0:26 {shown} /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
V1_MOUNT = "35 31 0:32 {shown} /sys/fs/cgroup/{name} rw - cgroup cgroup rw,{name}\n"
NO_LIMIT = "9223372036854771712\n"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


class Tree:
    """The files of a machine below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def file(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def control(self, path: str, text: str) -> None:
        self.file(f"sys/fs/cgroup/{path}", text)

    def version_2(self, path: str, shown: str = "/") -> None:
        self.file("proc/self/cgroup", f"0::{path}\n")
        self.file("proc/self/mountinfo", V2_MOUNT.format(shown=shown))

    def version_1(self, path: str, shown: str = "/") -> None:
        names = ("memory", "cpu,cpuacct")
        self.file("proc/self/cgroup", "".join(f"{i}:{name}:{path}\n" for i, name in enumerate(names)) + "0::/\n")
        self.file("proc/self/mountinfo", "".join(V1_MOUNT.format(shown=shown, name=name) for name in names))


def said(limit: Limit | None) -> tuple[float, float | None] | None:
    """How much a limit allows, and how much of it is used."""
    return None if limit is None else (limit.amount, limit.used())


def test_a_container_with_version_2_sees_its_limits_at_the_top(tree: Tree) -> None:
    tree.version_2("/")
    tree.control("memory.max", "1000000\n")
    tree.control("memory.current", "600000\n")
    tree.control("memory.stat", "anon 400000\nactive_file 1\ninactive_file 200000\n")
    tree.control("cpu.max", "150000 100000\n")
    tree.control("cpu.stat", "usage_usec 2500000\nuser_usec 1\n")
    found = limits(tree.root)
    assert said(found.memory) == (1_000_000, 400_000)
    assert said(found.cpu) == (1.5, 2.5)


def test_the_lowest_limit_of_all_groups_around_counts_with_its_own_use(tree: Tree) -> None:
    tree.version_2("/job.slice/step")
    tree.control("job.slice/memory.max", "500\n")
    tree.control("job.slice/memory.current", "400\n")
    tree.control("job.slice/step/memory.max", "900\n")
    tree.control("job.slice/step/memory.current", "100\n")
    tree.control("job.slice/step/cpu.max", "max 100000\n")
    found = limits(tree.root)
    assert said(found.memory) == (500, 400)
    assert found.cpu is None


def test_a_container_with_version_1_is_found_by_the_name_that_the_machine_gave_it(tree: Tree) -> None:
    tree.version_1("/docker/abc", shown="/docker/abc")
    tree.control("memory/memory.limit_in_bytes", "1000\n")
    tree.control("memory/memory.usage_in_bytes", "700\n")
    tree.control("memory/memory.stat", "cache 1\ntotal_inactive_file 200\n")
    tree.control("cpu,cpuacct/cpu.cfs_quota_us", "50000\n")
    tree.control("cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    tree.control("cpu,cpuacct/cpuacct.usage", "3000000000\n")
    found = limits(tree.root)
    assert said(found.memory) == (1000, 500)
    assert said(found.cpu) == (0.5, 3.0)


def test_no_limit_in_version_1_is_none(tree: Tree) -> None:
    tree.version_1("/")
    tree.control("memory/memory.limit_in_bytes", NO_LIMIT)
    tree.control("cpu,cpuacct/cpu.cfs_quota_us", "-1\n")
    tree.control("cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    assert limits(tree.root) == (None, None)


def test_the_cpu_time_of_version_1_may_be_counted_beside_its_quota(tree: Tree) -> None:
    tree.file("proc/self/cgroup", "1:cpu:/job\n2:cpuacct:/job\n")
    tree.file("proc/self/mountinfo", "".join(V1_MOUNT.format(shown="/", name=name) for name in ("cpu", "cpuacct")))
    tree.control("cpu/job/cpu.cfs_quota_us", "200000\n")
    tree.control("cpu/job/cpu.cfs_period_us", "100000\n")
    tree.control("cpuacct/job/cpuacct.usage", "1000000000\n")
    found = limits(tree.root)
    assert said(found.cpu) == (2.0, 1.0)


def test_a_group_that_cannot_be_seen_is_looked_for_at_the_top(tree: Tree) -> None:
    tree.version_2("/../other/scope")
    tree.control("memory.max", "77\n")
    found = limits(tree.root)
    assert said(found.memory) == (77, None)


@pytest.mark.parametrize("text", ["", "garbage\n", "0::\n", "x:y\n", "0::/a\n"])
def test_files_that_say_nothing_are_no_limits(tree: Tree, text: str) -> None:
    tree.file("proc/self/cgroup", text)
    tree.file("proc/self/mountinfo", text)
    assert limits(tree.root) == (None, None)


def test_no_files_are_no_limits(tmp_path: Path) -> None:
    assert limits(tmp_path) == (None, None)


def test_the_limits_of_this_machine_can_be_read() -> None:
    for limit in limits():
        assert limit is None or limit.amount > 0
