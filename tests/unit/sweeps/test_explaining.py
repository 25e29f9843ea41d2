"""What is told about a trial, and which trial is meant."""

from __future__ import annotations

import re
from typing import Any

import pytest

from swath.sweeps.explaining import explain
from swath.sweeps.resolving import resolve_trial
from swath.tracking.errors import NotFound, UsageError

SPEC: dict[str, Any] = {
    "name": "lab",
    "method": "random",
    "seed": 1,
    "run_cap": 9,
    "metric": {"name": "loss"},
    "parameters": {"x": {"min": 0.0, "max": 1.0}, "k": {"values": [1, 2]}},
}
ASHA = SPEC | {"early_terminate": {"type": "asha", "min_iter": 1, "max_iter": 9, "eta": 3}}
PROMOTE = SPEC | {"early_terminate": {"type": "asha", "min_iter": 1, "max_iter": 9, "eta": 3, "mode": "promote"}}


def test_a_stop_is_told_with_its_threshold_rank_and_the_values_of_its_peers(bench: Any) -> None:
    lab = bench(ASHA)
    for value in (0.1, 0.2, 0.3):
        lab.finish(lab.take(), value)
    bad = lab.take()
    lab.report(bad, 0.9)
    lab.finish(bad, ending="stopped")
    told = explain(lab.workspace, lab.sweep, 4)
    (decided,) = told.decisions
    assert (told.state, decided.action, decided.rule, decided.band) == ("stopped", "stop", "asha", 1)
    assert (decided.value, decided.threshold, decided.rank, decided.n) == (0.9, 0.1, 4, 4)
    assert [(peer.trial, peer.name, peer.value) for peer in decided.peers] == [(1, "lab-1", 0.1)]
    assert [(rung.band, rung.value, rung.rank, rung.n) for rung in told.rungs] == [(1, 0.9, 4, 4)]
    assert [(attempt.end, attempt.reason) for attempt in told.attempts] == [("stopped", decided.reason)]


def test_the_choice_is_told_with_what_was_known_then_and_not_with_what_came_later(bench: Any) -> None:
    lab = bench(SPEC)
    lab.finish(lab.take(), 0.5)
    second = lab.take()
    lab.finish(lab.take(), 0.1)
    lab.finish(second, 0.7)
    chosen = explain(lab.workspace, lab.sweep, 2).suggested
    assert (chosen.method, chosen.ended_before) == ("random", 1)
    assert chosen.reason.startswith("random")
    assert chosen.best_before is not None
    assert (chosen.best_before.trial, chosen.best_before.value) == (1, 0.5)
    assert explain(lab.workspace, lab.sweep, 1).suggested.best_before is None


def test_every_attempt_is_told_with_its_end(bench: Any) -> None:
    lab = bench(SPEC | {"retry": {"max": 2, "on": ["crashed"]}})
    lab.finish(lab.take(), 0.5, ending="crashed", signal=9)
    again = lab.take()
    assert again.lease.attempt == 2
    lab.finish(again, 0.4)
    told = explain(lab.workspace, lab.sweep, 1)
    assert [(attempt.number, attempt.end) for attempt in told.attempts] == [(1, "requeued"), (2, "finished")]
    assert "signal 9" in told.attempts[0].reason


def test_a_running_trial_has_an_attempt_without_an_end(bench: Any) -> None:
    lab = bench(SPEC)
    lab.take()
    (attempt,) = explain(lab.workspace, lab.sweep, 1).attempts
    assert (attempt.end, attempt.ended) == ("running", None)


def test_a_pause_and_a_promotion_are_told_in_order(bench: Any) -> None:
    lab = bench(PROMOTE)
    for value in (0.1, 0.2, 0.3):
        trial = lab.take()
        lab.report(trial, value)
        lab.finish(trial, ending="stopped")
    promoted = lab.take()
    assert promoted.lease.run_id.endswith("-1")
    told = explain(lab.workspace, lab.sweep, 1)
    assert [attempt.end for attempt in told.attempts] == ["paused", "running"]
    assert [(move.kind, "rung 1" in move.reason) for move in told.moves] == [("promoted", True)]
    assert told.attempts[0].started <= told.moves[0].time <= told.attempts[1].started


def test_the_best_trial_is_compared_parameter_by_parameter(bench: Any) -> None:
    lab = bench(SPEC)
    lab.finish(lab.take(), 0.1)
    lab.finish(lab.take(), 0.5)
    told = explain(lab.workspace, lab.sweep, 2)
    (place,) = told.places
    assert (place.rank, place.n, place.best.trial if place.best else None) == (2, 2, 1)
    first, second = (trial.config for trial in lab.workspace.trials(lab.sweep))
    assert told.different["x"] == (second["x"], first["x"])
    assert explain(lab.workspace, lab.sweep, 1).different == {}


def test_each_of_several_metrics_has_a_place_and_its_limit(bench: Any) -> None:
    two = [{"name": "acc", "goal": "maximize"}, {"name": "ms", "goal": "minimize", "limit": 10}]
    lab = bench({key: value for key, value in SPEC.items() if key != "metric"} | {"metrics": two})
    for acc, ms in ((0.9, 20), (0.5, 5)):
        lab.finish(lab.take(), {"acc": acc, "ms": ms})
    told = explain(lab.workspace, lab.sweep, 1)
    assert [(place.metric, place.rank, place.limit_kept) for place in told.places] == [
        ("acc", 1, None), ("ms", 2, False),
    ]  # fmt: skip
    assert told.violation == 10.0


def test_a_trial_is_found_by_all_its_names(bench: Any) -> None:
    lab = bench(SPEC)
    for _ in range(2):
        lab.finish(lab.take(), 0.5)
    meant = (lab.sweep, 2)
    for text in (f"{lab.sweep}-2", "lab-2", f"{lab.sweep}#2", "last#2", "lab#2", f"{lab.sweep[:5]}#2"):
        assert resolve_trial(lab.workspace, text) == meant, text
    for text in ("2", "#2", "lab-2", f"{lab.sweep}-2"):
        assert resolve_trial(lab.workspace, text, "lab") == meant, text


def test_a_beginning_must_be_the_only_one(bench: Any) -> None:
    lab = bench(SPEC)
    lab.finish(lab.take(), 0.5)
    assert resolve_trial(lab.workspace, "la") == (lab.sweep, 1)
    lab.finish(lab.take(), 0.5)
    with pytest.raises(NotFound, match="begins 2 trials"):
        resolve_trial(lab.workspace, "la")


def test_a_bare_number_asks_for_the_sweep_and_a_wrong_name_gets_the_nearest(bench: Any) -> None:
    lab = bench(SPEC)
    lab.finish(lab.take(), 0.5)
    with pytest.raises(UsageError, match="of which sweep"):
        resolve_trial(lab.workspace, "1")
    with pytest.raises(NotFound) as raised:
        resolve_trial(lab.workspace, "lob-1")
    assert re.search("did you mean lab-1", raised.value.hint)


def test_the_rungs_that_a_trial_passed_are_told_with_what_it_was_held_against_then(bench: Any) -> None:
    lab = bench(ASHA)
    for value in (0.3, 0.2):
        lab.finish(lab.take(), value)
    good = lab.take()
    lab.report(good, 0.1)
    lab.finish(good, 0.1, 0.1)
    lab.finish(lab.take(), 0.05)
    told = explain(lab.workspace, lab.sweep, 3)
    assert not told.decisions
    first, second = told.rungs
    assert first.then is not None
    assert (first.then.action, first.then.threshold, first.then.rank, first.then.n) == ("continue", 0.1, 1, 3)
    assert (first.rank, first.n) == (2, 4), "by now another one is better"
    assert "the best 1 in 3 go on (1 of 3)" in first.then.reason
    assert second.then is not None
    assert (second.band, second.then.action, second.then.n) == (3, "continue", 1)
