"""What is asked of agents on Ray: in Python, on the command line, and what of a task moves when its folder is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from swath.agents.launchers.carried import carried
from swath.agents.launchers.ray_options import LEFT_BEHIND, RayOptions, pairs_of
from swath.agents.protocol import Task
from swath.tracking.errors import UsageError


def test_a_folder_goes_with_the_connection_and_the_rest_with_the_agents(tmp_path: Path) -> None:
    (tmp_path / "req.txt").write_text("# pinned\nscipy==1.0  # old\n\nnumpy\n")
    options = RayOptions.of(
        {"strategy": "spread", "labels": {"zone": "a"}, "working_dir": tmp_path, "pip": tmp_path / "req.txt",
         "env": {"N": 1}}
    )  # fmt: skip
    assert options.of_connection() == {"working_dir": str(tmp_path), "excludes": list(LEFT_BEHIND)}
    assert options.of_agent() == {"pip": ["scipy==1.0", "numpy"], "env_vars": {"N": "1"}}
    assert options.to_arguments() == [
        "--spread", "--working-dir", str(tmp_path), "--label", "zone=a", "--env", "N=1", "--pip", "scipy==1.0",
        "--pip", "numpy",
    ]  # fmt: skip
    assert RayOptions.of(None).of_agent() == {}


def test_an_archive_goes_with_the_agents() -> None:
    options = RayOptions(working_dir="s3://bucket/code.zip")
    assert (options.of_connection(), options.of_agent()) == ({}, {"working_dir": "s3://bucket/code.zip"})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"strategie": "pack"}, "did you mean 'strategy'"),
        ({"strategy": "tight"}, "no strategy 'tight'"),
        ({"working_dir": "/not/there"}, "is no folder"),
    ],
)
def test_what_means_nothing_is_refused(given: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError) as raised:
        RayOptions.of(given)
    assert told in str(raised.value)


def test_a_pair_without_an_equals_sign_is_refused() -> None:
    assert pairs_of("--env", ["A=b=c"]) == (("A", "b=c"),)
    with pytest.raises(UsageError, match="--env A"):
        pairs_of("--env", ["A"])


@pytest.mark.parametrize(
    ("program", "cwd", "moved", "where"),
    [
        ("train.py", "/p/exp", "/w/exp/train.py", "/w/exp"),
        ("/p/train.py", "/p", "/w/train.py", "/w"),
        ("p/train.py", "/", "/w/train.py", "/w"),
        ("/usr/bin/thing", "/p", "/usr/bin/thing", "/w"),
    ],
)
def test_paths_below_a_folder_that_was_sent_are_those_of_there(program: str, cwd: str, moved: str, where: str) -> None:
    task = carried(Task(program=program, cwd=cwd, import_paths=("/p/lib", "/opt")), "/p", "/w")
    assert (task.program, task.cwd, task.import_paths) == (moved, where, ("/w/lib", "/opt", "/w"))
