"""The contract of `Stopper` as tests; a subclass says how to make one."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import accumulate, pairwise

import pytest

from swath.sweeps.stopping.base import Decision, Goal, Standing, Stopper, is_due
from swath.sweeps.stopping.book import Book, Mark

GOALS: tuple[Goal, Goal] = ("minimize", "maximize")
Curves = Sequence[Sequence[float]]


class StopperContract:
    """Subclass it as `class TestMine(StopperContract)` and define `make`; `end` is how long its trials are.

    A rule that compares no trials with each other says `compares = False`.
    """

    end = 60
    compares = True

    def make(self) -> Stopper:
        """A stopper that may act within 40 reports."""
        raise NotImplementedError

    def test_a_checkpoint_is_crossed_once_however_reports_arrive(self) -> None:
        stopper, dice = self.make(), random.Random(5)
        whole = stopper.checkpoints(0, 200)
        assert list(whole) == sorted(set(whole))
        assert all(1 <= at <= 200 for at in whole)
        for _ in range(20):
            cuts = sorted({0, 200, *(dice.randrange(200) for _ in range(5))})
            assert sum((stopper.checkpoints(low, high) for low, high in pairwise(cuts)), ()) == whole

    def test_the_next_check_lies_ahead_and_none_is_skipped(self) -> None:
        stopper = self.make()
        checks = [stopper.next_check(count) for count in range(200)]
        for count, check in enumerate(checks):
            assert check is None or check > count
        for earlier, later in pairwise(checks):
            assert later is None or (earlier is not None and earlier <= later)

    def test_a_thousand_reports_keep_less_than_a_hundred_marks(self) -> None:
        assert len(self.make().checkpoints(0, 1000)) < 100

    def test_a_trial_alone_that_improves_is_not_stopped(self) -> None:
        for goal in GOALS:
            curve = [_signed(goal, -report / 100) for report in range(1, self.end)]
            decisions = play(self.make(), goal, [curve])
            assert all(decision.action in ("continue", "pause") for decision in decisions)

    def test_the_best_trial_is_never_stopped(self) -> None:
        if not self.compares:
            pytest.skip("a rule that compares no trials with each other may stop the best one")
        for goal, seed in zip(GOALS, (7, 8), strict=True):
            curves = some_curves(goal, seed, self.end)
            best = [_signed(goal, -5 + 1 / report) for report in range(1, self.end)]
            decisions = play(self.make(), goal, [*curves, best])
            assert decisions, "the rule was never asked"
            assert all(d.action in ("continue", "pause") for d in decisions)

    def test_the_order_in_which_a_book_is_filled_is_nothing(self) -> None:
        stopper, curves = self.make(), some_curves("minimize", 9, self.end)
        books = []
        for seed in range(3):
            order = list(range(len(curves)))
            random.Random(seed).shuffle(order)
            books.append(book_of(stopper, "minimize", curves, order))
        for number, curve in enumerate(curves):
            standings = [standing(stopper, number, curve, len(curve), "minimize") for _ in books]
            decisions = [stopper.judge(facts, book) for facts, book in zip(standings, books, strict=True)]
            assert decisions[0] == decisions[1] == decisions[2]

    def test_asking_changes_nothing(self) -> None:
        stopper, curves = self.make(), some_curves("maximize", 11, self.end)
        book = book_of(stopper, "maximize", curves, range(len(curves)))
        facts = standing(stopper, 3, curves[3], len(curves[3]), "maximize")
        assert len({stopper.judge(facts, book) for _ in range(3)}) == 1
        assert stopper.promote(book) == stopper.promote(book)

    def test_minimising_is_maximising_the_negative(self) -> None:
        stopper, curves = self.make(), some_curves("minimize", 13, self.end)
        mirrored = [[-value for value in curve] for curve in curves]
        if not self.compares:
            return
        low = book_of(stopper, "minimize", curves, range(len(curves)))
        high = book_of(stopper, "maximize", mirrored, range(len(curves)))
        for number in range(len(curves)):
            a = stopper.judge(standing(stopper, number, curves[number], self.end, "minimize"), low)
            b = stopper.judge(standing(stopper, number, mirrored[number], self.end, "maximize"), high)
            assert (a.action, a.rank, a.n, a.band) == (b.action, b.rank, b.n, b.band)
            assert (a.peers, a.donor) == (b.peers, b.donor)

    def test_a_decision_against_a_trial_says_what_it_was_held_against(self) -> None:
        decisions = [
            decision
            for goal, seed in zip(GOALS, (15, 16), strict=True)
            for decision in play(self.make(), goal, some_curves(goal, seed, self.end))
            if decision.action != "continue"
        ]
        assert decisions, "the rule never acted"
        for decision in decisions:
            assert decision.rule
            assert decision.reason.split(" ", 1)[0] in ("stopped", "paused", "goes")
            assert decision.threshold is None or math.isfinite(decision.threshold)
            assert (decision.donor is not None) == (decision.action == "exploit")
            if self.compares:
                assert decision.n >= 1
                assert str(decision.band) in decision.reason

    def test_what_a_new_attempt_reported_before_is_forgotten(self) -> None:
        stopper, curves = self.make(), some_curves("minimize", 17, self.end)
        book = book_of(stopper, "minimize", curves, range(len(curves)))
        book.forget(0)
        fresh = book_of(stopper, "minimize", curves, range(1, len(curves)))
        for number in range(1, len(curves)):
            facts = standing(stopper, number, curves[number], self.end, "minimize")
            assert stopper.judge(facts, book) == stopper.judge(facts, fresh)

    def test_only_a_parked_trial_is_promoted(self) -> None:
        stopper, curves = self.make(), some_curves("minimize", 19, self.end)
        book = book_of(stopper, "minimize", curves, range(len(curves)))
        assert stopper.promote(book, last=True) is None
        for number in range(len(curves)):
            book.park(number)
        promotion = stopper.promote(book, last=True)
        assert promotion is None or (promotion.number in book.parked and promotion.reason)


def some_curves(goal: Goal, seed: int, end: int) -> list[list[float]]:
    """A dozen curves that fall (or rise) to different levels, with some noise; some of them turn back."""
    dice = random.Random(seed)
    found = []
    for _ in range(12):
        level, speed, turn = dice.uniform(0, 3), dice.uniform(0.3, 1.5), dice.choice([0.0, 0.0, 0.05])
        found.append(
            [
                _signed(goal, level + report**-speed + turn * report + dice.gauss(0, 0.01))
                for report in range(1, end + 1)
            ]
        )
    return found


def standing(
    stopper: Stopper, number: int, curve: Sequence[float], count: int, goal: Goal, before: int = 0
) -> Standing:
    """The standing of a trial after `count` of its reports."""
    there = curve[:count]
    best = (min if goal == "minimize" else max)(there, default=None)
    latest = there[-1] if there else None
    return Standing(number, count, latest, best, before, curve=there if stopper.needs_curve else ())


def book_of(stopper: Stopper, goal: Goal, curves: Curves, order: Sequence[int]) -> Book:
    """A book with the marks of those of `curves` whose number is in `order`, put in in that order."""
    book = Book(goal)
    for number in order:
        for at in stopper.checkpoints(0, len(curves[number])):
            book.put(number, at, mark(curves[number], at, goal))
        best = (min if goal == "minimize" else max)(curves[number])
        book.tell(number, best)
    return book


def mark(curve: Sequence[float], at: int, goal: Goal) -> Mark:
    """The mark of a trial after `at` reports."""
    bests = list(accumulate(curve[:at], min if goal == "minimize" else max))
    return Mark(curve[at - 1], bests[-1], sum(curve[:at]) / at)


def play(stopper: Stopper, goal: Goal, curves: Curves) -> list[Decision]:
    """The decisions about the last trial of `curves`, all of which report in turn, none of them being stopped."""
    book, decisions, before = Book(goal), list[Decision](), 0
    for count in range(1, max(map(len, curves)) + 1):
        for number, curve in enumerate(curves):
            if count > len(curve):
                continue
            for at in stopper.checkpoints(count - 1, count):
                book.put(number, at, mark(curve, at, goal))
            facts = standing(stopper, number, curve, count, goal, before)
            assert facts.best is not None
            book.tell(number, facts.best)
            if number == len(curves) - 1 and is_due(stopper, facts):
                decisions.append(stopper.judge(facts, book))
                before = count
    return decisions


def _signed(goal: Goal, cost: float) -> float:
    return cost if goal == "minimize" else -cost
