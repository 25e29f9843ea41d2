"""A trial's process gets the agent's environment and its own names, not those of a run the agent is in."""

from __future__ import annotations

import os
from pathlib import Path

from swath.agents.environment import child_environment, having, taken
from swath.tracking.context import TrialContext, from_environment


def test_the_child_knows_which_trial_it_is(tmp_path: Path) -> None:
    context = TrialContext("run-1", 2, "s1", tmp_path, "trial-1", "tests", config={"lr": 0.1}, capture_console=False)
    environment = child_environment(context, {"PATH": "/bin", "SWATH_RUN_ID": "outer", "SWATH_ATTEMPT": "9"})
    assert from_environment(environment) == context
    assert environment["PATH"] == "/bin"
    assert environment["WANDB_RUN_ID"] == "run-1"


def test_output_is_unbuffered_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    context = TrialContext("run-1", 1, "s1", tmp_path)
    assert child_environment(context, {})["PYTHONUNBUFFERED"] == "1"
    assert child_environment(context, {"PYTHONUNBUFFERED": ""})["PYTHONUNBUFFERED"] == ""


def test_a_variable_for_one_process_is_there_for_it_alone() -> None:
    with having("SWATH_TEST_ONLY", "x"):
        assert os.environ["SWATH_TEST_ONLY"] == "x"
        assert taken("SWATH_TEST_ONLY") == "x"
    assert taken("SWATH_TEST_ONLY") is None
