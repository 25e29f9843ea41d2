"""What each rule of early stopping decides, and what it says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from swath.sweeps.space import SearchSpace
from swath.sweeps.spec.stoppers import (
    AnyOf,
    AshaSettings,
    BohbSettings,
    CurveSettings,
    Guard,
    Guarded,
    MedianSettings,
    PbtSettings,
    PlateauSettings,
    StopperSettings,
    ThresholdSettings,
)
from swath.sweeps.stopping import Book, Decision, Mark, Standing, Stopper, mutate
from swath.sweeps.stopping.asha import dealt
from swath.sweeps.stopping.base import Goal
from swath.sweeps.stopping.curve import chance_below
from swath.sweeps.stopping.make import rule_for
from swath.sweeps.testing.stoppers import book_of, standing


def rule(settings: StopperSettings) -> Stopper:
    return rule_for(settings, "loss")


def flat(values: Sequence[float], at: int, goal: Goal = "minimize") -> Book:
    """A book in which trial 0, 1, ... has this value at `at`."""
    book = Book(goal)
    for number, value in enumerate(values):
        book.put(number, at, Mark(value, value, value))
    return book


def judged(settings: StopperSettings, curve: Sequence[float], others: Sequence[Sequence[float]] = ()) -> Decision:
    """The decision about a trial with this curve, given the others' curves."""
    stopper, curves = rule(settings), [*others, curve]
    book = book_of(stopper, "minimize", curves, range(len(curves)))
    return stopper.judge(standing(stopper, len(others), curve, len(curve), "minimize"), book)


# Asynchronous halving.


def test_asha_keeps_the_best_third_of_a_rung() -> None:
    stopper, values = rule(AshaSettings(min_iter=3, max_iter=27)), [float(value) for value in range(9)]
    book = flat(values, 3)
    actions = [stopper.judge(Standing(number, 3), book).action for number in range(9)]
    assert actions == ["continue"] * 3 + ["stop"] * 6
    told = stopper.judge(Standing(5, 4), book)
    assert told.reason == (
        "stopped at rung 3: loss the best so far, 5 is 6th best of 9 trials there; the best 1 in 3 go on (3 of 9)"
    )
    assert (told.threshold, told.rank, told.n, told.peers, told.rule) == (2.0, 6, 9, (0, 1, 2), "asha")


def test_asha_decides_nothing_before_there_is_a_third() -> None:
    book = flat([1.0, 2.0], 1)
    assert rule(AshaSettings()).judge(Standing(1, 1), book).action == "continue"
    assert rule(AshaSettings(mode="promote")).judge(Standing(1, 1), book).action == "pause"


def test_the_first_rung_is_a_fortieth_of_the_whole_where_nothing_else_is_said() -> None:
    assert rule(AshaSettings(max_iter=81)).checkpoints(0, 81) == (2, 6, 18, 54)
    assert rule(BohbSettings(max_iter=1000)).checkpoints(0, 1000) == (25, 75, 225, 675)
    assert rule(AshaSettings(min_iter=1, max_iter=81)).checkpoints(0, 81) == (1, 3, 9, 27)


def test_asha_has_no_rung_from_max_iter_on() -> None:
    stopper = rule(AshaSettings(max_iter=27))
    assert stopper.checkpoints(0, 100) == (1, 3, 9)
    assert stopper.next_check(9) is None
    assert rule(AshaSettings()).checkpoints(0, 100) == (1, 3, 9, 27, 81)


def test_equal_trials_are_stopped_or_not_together_and_promoted_as_far_as_they_fit() -> None:
    book = flat([1.0] * 9, 1)
    stopping, promoting = rule(AshaSettings()), rule(AshaSettings(mode="promote"))
    assert {stopping.judge(Standing(number, 1), book).action for number in range(9)} == {"continue"}
    told = [promoting.judge(Standing(number, 1), book).action for number in range(9)]
    assert told == ["continue"] * 3 + ["pause"] * 6
    for number in range(3, 9):
        book.park(number)
    assert promoting.promote(book) is None


def test_promotion_takes_the_highest_rung_first_and_there_the_best() -> None:
    stopper, book = rule(AshaSettings(max_iter=27, mode="promote")), Book("maximize")
    for number in range(9):
        book.put(number, 1, Mark(float(number), float(number), 0.0))
        book.park(number)
    for number in (8, 7, 6):
        found = stopper.promote(book)
        assert found is not None
        assert found.number == number
        book.unpark(number)
        book.put(number, 3, Mark(float(number), float(number), 0.0))
    assert stopper.promote(book) is None
    book.park(8)
    book.park(7)
    up = stopper.promote(book)
    assert up is not None
    assert (up.number, up.reason) == (
        8, "goes on from rung 3: loss the best so far, 8 is the best of 3 trials there; the best 1 in 3 go on (1 of 3)"
    )  # fmt: skip


def test_when_no_new_trial_comes_the_share_is_rounded_up_and_one_more_goes_on() -> None:
    stopper, book = rule(AshaSettings(max_iter=27, mode="promote")), flat([4.0, 3.0, 2.0, 1.0], 1)
    for number in range(4):
        book.park(number)
    first = stopper.promote(book)
    assert first is not None
    book.go(first.number)
    gone = [first.number]
    while (found := stopper.promote(book, last=True)) is not None:
        gone.append(found.number)
        book.go(found.number)
    assert gone == [3, 2, 1]


def test_a_rung_waits_for_trials_that_are_on_their_way_to_it_and_for_no_others() -> None:
    stopper, book = rule(AshaSettings(max_iter=27, mode="promote")), flat([2.0, 1.0], 1)
    book.park(0)
    book.park(1)
    book.go(2)
    assert stopper.promote(book, last=True) is None
    book.put(2, 1, Mark(3.0, 3.0, 3.0))
    up = stopper.promote(book, last=True)
    assert up is not None
    assert up.number == 1


def test_a_trial_is_compared_within_its_bracket_and_from_its_first_rung_on() -> None:
    settings = AshaSettings(max_iter=27, brackets=2, eta=3)
    stopper, cycle = rule(settings), dealt(2, 3, 3)
    later = [number for number in range(60) if cycle[number % len(cycle)] == 1][:3]
    book = Book("minimize")
    for number in range(60):
        book.put(number, 1, Mark(0.0, 0.0, 0.0))
    for number in later:
        book.put(number, 3, Mark(float(number), float(number), 0.0))
    assert stopper.judge(Standing(later[0], 1), book).action == "continue"
    told = stopper.judge(Standing(later[2], 3), book)
    assert (told.action, told.n) == ("stop", 3)
    assert "of bracket 2" in told.reason


def test_brackets_are_given_trials_as_hyperband_gives_them_and_mixed() -> None:
    cycle = dealt(4, 3, 3)
    counts = Counter(cycle)
    assert [counts[bracket] for bracket in range(4)] == [7, 3, 2, 1]
    assert cycle[0] == 0
    assert set(cycle[:7]) >= {0, 1, 2}


def test_bohb_pauses_and_has_three_brackets_where_there_are_rungs_for_them() -> None:
    book = flat([1.0, 2.0], 1)
    stopper = rule(BohbSettings(max_iter=9))
    told = stopper.judge(Standing(0, 1), book)
    assert (told.action, told.rule) == ("pause", "bohb")
    assert "of bracket 1" in told.reason
    assert stopper.judge(Standing(1, 1), book).action == "continue", "its bracket begins later"
    assert rule(BohbSettings(max_iter=2)).checkpoints(0, 9) == (1,)


# Rules that compare curves.


def test_the_median_rule_holds_the_mean_against_the_others_means() -> None:
    others = [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [3.0, 3.0, 3.0]]
    assert judged(MedianSettings(), [0.0, 3.0, 3.0], others).action == "continue"
    told = judged(MedianSettings(), [3.0, 3.0, 0.6], others)
    assert told.action == "stop"
    assert (told.threshold, told.rank, told.n) == (2.0, 3, 4)
    assert told.reason == (
        "stopped at report 3: the mean of loss so far, 2.2, is worse than 2, the median of the means of 3 other trials"
    )
    assert judged(MedianSettings(compare="best"), [3.0, 3.0, 0.6], others).action == "continue"


def test_a_curve_is_stopped_only_when_it_will_hardly_come_near_the_best() -> None:
    best = [0.2 + 1 / report for report in range(1, 101)]
    hopeless = [0.6 + 1 / report for report in range(1, 25)]
    steep = [3.0 - 0.1 * report for report in range(1, 25)]
    told = judged(CurveSettings(max_iter=100), hopeless, [best])
    assert told.action == "stop"
    assert (
        "extrapolated to report 100, loss beats 0.21, the best so far (trial 0), with a probability of" in told.reason
    )
    assert judged(CurveSettings(max_iter=100), steep, [best]).action == "continue"
    assert judged(CurveSettings(max_iter=100), hopeless).action == "continue"


def test_the_extrapolation_covers_the_truth_about_as_often_as_it_says() -> None:
    dice, told = np.random.default_rng(3), list[float]()
    for _ in range(300):
        level, speed, noise = dice.uniform(0, 1), dice.uniform(0.2, 1.2), dice.uniform(0.001, 0.02)
        curve = level + np.arange(1, 101.0) ** -speed + dice.normal(0, noise, 100)
        told.append(chance_below(curve[:20].tolist(), 100, float(curve[-1])))
    inside = np.mean([0.05 <= chance <= 0.95 for chance in told])
    assert inside >= 0.8


@pytest.mark.parametrize("curve", [[1.0] * 6, [0.0] * 6, [1e12, 1e-9, 5.0, 5.0, 5.0], [1e-300] * 5])
def test_the_extrapolation_of_odd_curves_is_a_probability(curve: list[float]) -> None:
    for bar in (-1e9, 0.0, curve[-1], 1e9):
        assert 0 <= chance_below(curve, 50, bar) <= 1


# Rules that look at one trial.


def test_a_plateau_is_patience_reports_without_a_gain() -> None:
    falling = [5.0, 4.0, 3.0]
    assert judged(PlateauSettings(patience=3), [*falling, 3.0, 3.5, 3.0]).action == "stop"
    assert judged(PlateauSettings(patience=3), [*falling, 3.0, 3.5, 2.9]).action == "continue"
    told = judged(PlateauSettings(patience=3, min_delta=0.5), [*falling, 3.0, 3.5, 2.9])
    assert told.reason == (
        "stopped at report 6: loss 2.9, the best of the last 3 reports, does not improve on 3 by 0.5"
    )
    assert judged(PlateauSettings(patience=3), falling).action == "continue"


def test_a_threshold_holds_from_a_report_on() -> None:
    settings = ThresholdSettings(above=2.0, below=-2.0, after=3)
    assert judged(settings, [9.0, 9.0]).action == "continue"
    assert judged(settings, [9.0, 9.0, 2.0]).action == "continue"
    assert judged(settings, [0.0, 0.0, 2.1]).reason == "stopped at report 3: loss 2.1 is above the bound 2"
    assert judged(settings, [0.0, 0.0, -2.1]).reason == "stopped at report 3: loss -2.1 is below the bound -2"
    assert rule(settings).next_check(0) == 3


# Population based training.


def test_the_worst_quarter_goes_on_from_the_best_quarter() -> None:
    stopper = rule(PbtSettings(interval=5))
    book = flat([float(value) for value in range(8)], 5)
    told = [stopper.judge(Standing(number, 6), book) for number in range(8)]
    assert [decision.action for decision in told] == ["continue"] * 6 + ["exploit"] * 2
    assert {decision.donor for decision in told[6:]} == {0, 1}
    assert "among the worst 2" in told[7].reason
    assert stopper.checkpoints(0, 20) == (5, 10, 15, 20)
    assert stopper.judge(Standing(0, 6), flat([1.0] * 8, 5)).action == "continue"


SPACE = SearchSpace.from_parameters(
    {
        "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-1},
        "layers": {"min": 1, "max": 8},
        "width": {"values": [64, 16, 32]},
        "kind": {"values": ["a", "b"]},
        "momentum": {"min": 0.0, "max": 0.9, "when": {"kind": "a"}},
        "fixed": {"value": 3},
    },
    ["layers * width <= 400"],
)
CONFIG = {"lr": 1e-3, "layers": 4, "width": 32, "kind": "a", "momentum": 0.5, "fixed": 3}


def test_a_mutation_is_a_point_of_the_space_and_the_same_for_the_same_generator() -> None:
    for seed in range(200):
        found = mutate(CONFIG, SPACE, PbtSettings(1), np.random.default_rng(seed))
        assert SPACE.contains(found)
        assert found == mutate(CONFIG, SPACE, PbtSettings(1), np.random.default_rng(seed))


def test_without_resampling_numbers_move_to_the_next_and_names_stay() -> None:
    settings = PbtSettings(1, resample=0.0)
    found = [mutate(CONFIG, SPACE, settings, np.random.default_rng(seed)) for seed in range(50)]
    assert {config["kind"] for config in found} == {"a"}
    assert {round(config["lr"], 9) for config in found} == {0.0008, 0.0012}
    assert {config["layers"] for config in found} == {3, 4, 5} - {4}
    assert {config["width"] for config in found} == {16, 64}


def test_only_the_named_parameters_change() -> None:
    settings = PbtSettings(1, resample=0.5, parameters=("lr",))
    for seed in range(50):
        found = mutate(CONFIG, SPACE, settings, np.random.default_rng(seed))
        assert {**found, "lr": 1e-3} == pytest.approx(CONFIG)


# What holds a rule back, and several rules.


def test_a_rule_is_held_back_by_warmup_peers_and_grace() -> None:
    book = flat([float(value) for value in range(9)], 3)
    worst = Standing(8, 3)
    inner = AshaSettings(min_iter=3)
    assert rule(Guarded(inner)).judge(worst, book).action == "stop"
    assert rule(Guarded(inner, Guard(warmup=3))).judge(worst, book).action == "continue"
    assert rule(Guarded(inner, Guard(warmup=2))).judge(worst, book).action == "stop"
    told = rule(Guarded(inner, Guard(min_peers=9))).judge(worst, book)
    assert (told.action, told.reason) == ("continue", "goes on: 8 peers at report 3, and min_peers is 9")
    assert rule(Guarded(inner, Guard(min_peers=8))).judge(worst, book).action == "stop"
    graceful = rule(Guarded(inner, Guard(grace=1)))
    assert graceful.judge(worst, book).action == "continue"
    book.end(0)
    assert graceful.judge(worst, book).action == "stop"


def test_a_value_that_is_no_number_stops_only_where_the_spec_says_so() -> None:
    lost = Standing(0, 0, unusable=1)
    watching, plain = rule(Guarded(AshaSettings(), Guard(non_finite="stop"))), rule(AshaSettings())
    assert (watching.watches_unusable, plain.watches_unusable) == (True, False)
    told = watching.judge(lost, Book("minimize"))
    assert (told.action, told.rule) == ("stop", "non_finite")
    assert rule(AnyOf((AshaSettings(), Guarded(AshaSettings(), Guard(non_finite="stop"))))).judge(
        lost, Book("minimize")
    ).action == "stop"  # fmt: skip
    assert rule(Guarded(AshaSettings(), Guard(warmup=1))).judge(lost, Book("minimize")).action == "continue"


def test_any_stops_when_one_of_its_rules_does_and_asks_none_before_its_time() -> None:
    stopper = rule(AnyOf((AshaSettings(mode="promote"), ThresholdSettings(above=5.0))))
    book = flat([1.0, 2.0, 6.0], 1)
    assert stopper.judge(Standing(1, 1, 2.0), book).action == "pause"
    assert stopper.judge(Standing(2, 1, 6.0), book).rule == "threshold"
    assert stopper.judge(Standing(1, 2, 2.0, before=1), book).action == "continue", "its rung is behind it"
    assert stopper.checkpoints(0, 3) == (1, 3)
    assert stopper.next_check(1) == 2
    book.park(0)
    assert stopper.promote(book) == rule(AshaSettings(mode="promote")).promote(book)


def test_every_reason_is_one_sentence_of_numbers_that_people_can_read() -> None:
    told = judged(PlateauSettings(patience=2), [1.0, 1.0, 1.0])
    assert "\n" not in told.reason
    assert not any(math.isnan(value) for value in [told.threshold or 0.0])
