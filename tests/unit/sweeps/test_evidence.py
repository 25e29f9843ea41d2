"""What trials count as for a model."""

from __future__ import annotations

import math

from swath.sweeps.search.base import History, Observation
from swath.sweeps.search.evidence import Counted, Evidence
from swath.sweeps.space import SearchSpace

SPACE = SearchSpace.from_parameters({"x": {"min": 0.0, "max": 1.0}})
AT = {"x": 0.5}


def evidence(history: History, *trials: Observation) -> Evidence:
    for trial in trials:
        history.put(trial, "")
    found = Evidence(SPACE, history)
    found.sync()
    return found


def counts(found: Evidence) -> dict[int, tuple[float, ...] | None]:
    """What each trial that counts at all counts as; None: it is in flight."""
    return {number: counted.values for number, counted in found.changes() if counted is not None}


def test_one_goal_is_read_as_the_metric_says() -> None:
    trials = (
        Observation(1, AT, "finished", 1.0),
        Observation(2, AT, "stopped", 3.0),
        Observation(3, AT, "failed", None, 2.0, 0.5),
        Observation(4, AT, "running", None, 2.5, 2.0),
        Observation(5, AT, "finished", math.nan),
        Observation(6, {"x": 9.0}, "finished", 1.0),
    )
    assert counts(evidence(History(), *trials)) == {1: (1.0,), 2: (3.0,), 3: (3.0,), 4: None, 5: (3.0,)}
    assert counts(evidence(History(impute="best"), *trials))[3] == (0.5,)
    assert counts(evidence(History(impute_while_running="latest"), *trials))[4] == (2.5,)
    assert counts(evidence(History("maximize"), *trials))[3] == (1.0,)


def test_with_several_goals_what_is_missing_counts_as_the_worst_of_that_goal() -> None:
    trials = (
        Observation(1, AT, "finished", values=(1.0, 10.0)),
        Observation(2, AT, "finished", values=(4.0, 20.0), violation=0.5),
        Observation(3, AT, "finished", values=(2.0, None)),
        Observation(4, AT, "failed", values=(0.0, 0.0)),
        Observation(5, AT, "queued"),
    )
    found = evidence(History(goals=("minimize", "maximize")), *trials)
    assert found.results == 4
    assert str(found) == "4 finished and 1 running trials"
    assert found.counted(2) == Counted(AT, (4.0, 20.0), 0.5)
    assert counts(found) == {1: (1.0, 10.0), 2: (4.0, 20.0), 3: (2.0, 10.0), 4: (4.0, 10.0), 5: None}


def test_a_failed_trial_counts_for_nothing_until_a_worst_is_known_and_changes_with_it() -> None:
    history = History()
    found = evidence(history, Observation(1, AT, "failed"))
    assert (found.results, counts(found)) == (0, {})
    for number, value in [(2, 1.0), (3, 5.0)]:
        history.put(Observation(number, AT, "finished", value), "")
        found.sync()
        assert counts(found) == {1: (value,), number: (value,)}
    found.sync()
    assert counts(found) == {}
