"""The contract of rules that compare trials in several metrics at once, as tests; a subclass says how to make one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from swath.sweeps.spec import Metric
from swath.sweeps.stopping.base import Decision, Standing, Stopper, is_due
from swath.sweeps.stopping.book import Mark
from swath.sweeps.stopping.joint import Joint

LOSS_AND_ACC = (Metric("loss"), Metric("acc", "maximize"))
WITH_LIMIT = (Metric("loss"), Metric("acc", "maximize", limit=-1.0))
#: For each trial its reports, each with a value of every metric.
Reports = Sequence[Sequence[Sequence[float]]]


class JointStopperContract:
    """Subclass it as `class TestMine(JointStopperContract)` and define `make`; `end` is how long its trials are."""

    end = 60

    def make(self, metrics: Sequence[Metric]) -> Stopper:
        """A stopper that may act within 40 reports."""
        raise NotImplementedError

    def test_a_trial_on_the_front_of_its_rung_is_never_stopped(self) -> None:
        acted = 0
        for metrics in (LOSS_AND_ACC, WITH_LIMIT):
            for seed in range(3):
                for decision, dominated in self._judged(metrics, some_reports(seed, self.end)):
                    if decision.action in ("stop", "exploit"):
                        acted += 1
                        assert dominated, decision.reason
        promotes = self.make(LOSS_AND_ACC).promote(self._all_parked(some_reports(1, self.end)), last=True) is not None
        assert acted or promotes, "the rule never acted"

    def test_what_waits_on_the_front_of_a_rung_goes_on_before_the_sweep_ends(self) -> None:
        stopper, book = self.make(LOSS_AND_ACC), self._all_parked(some_reports(2, self.end))
        gone = set()
        while (promotion := stopper.promote(book, last=True)) is not None:
            assert promotion.number in book.parked
            book.unpark(promotion.number)
            gone.add(promotion.number)
        top = max(stopper.checkpoints(0, self.end))
        if gone:
            marks = [(number, book.mark(number, top)) for number in range(12)]
            points = {number: _costs(_point(mark)) for number, mark in marks if mark is not None}
            front = {n for n, own in points.items() if not any(_dominates(other, own) for other in points.values())}
            assert front <= gone

    def test_the_order_in_which_a_book_is_filled_is_nothing(self) -> None:
        stopper, reports = self.make(LOSS_AND_ACC), some_reports(3, self.end)
        books = []
        for seed in range(3):
            order = list(range(len(reports)))
            random.Random(seed).shuffle(order)
            books.append(joint_book(stopper, LOSS_AND_ACC, reports, order))
        for number, own in enumerate(reports):
            facts = joint_standing(stopper, number, own, LOSS_AND_ACC)
            first, *others = [stopper.judge(facts, book) for book in books]
            assert all(other == first for other in others)

    def test_asking_changes_nothing(self) -> None:
        stopper, reports = self.make(LOSS_AND_ACC), some_reports(4, self.end)
        book = joint_book(stopper, LOSS_AND_ACC, reports, range(len(reports)))
        facts = joint_standing(stopper, 3, reports[3], LOSS_AND_ACC)
        assert stopper.judge(facts, book) == stopper.judge(facts, book)
        assert stopper.promote(book) == stopper.promote(book)

    def test_minimising_is_maximising_the_negative(self) -> None:
        mirrored = (Metric("loss", "maximize"), Metric("acc"))
        reports = some_reports(5, self.end)
        turned = [[[-value for value in report] for report in own] for own in reports]
        stopper, other = self.make(LOSS_AND_ACC), self.make(mirrored)
        low = joint_book(stopper, LOSS_AND_ACC, reports, range(len(reports)))
        high = joint_book(other, mirrored, turned, range(len(reports)))
        for number in range(len(reports)):
            a = stopper.judge(joint_standing(stopper, number, reports[number], LOSS_AND_ACC), low)
            b = other.judge(joint_standing(other, number, turned[number], mirrored), high)
            assert (a.action, a.rank, a.n, a.band, a.among) == (b.action, b.rank, b.n, b.band, b.among)

    def test_what_a_new_attempt_reported_before_is_forgotten(self) -> None:
        stopper, reports = self.make(LOSS_AND_ACC), some_reports(6, self.end)
        book = joint_book(stopper, LOSS_AND_ACC, reports, range(len(reports)))
        stopper.judge(joint_standing(stopper, 1, reports[1], LOSS_AND_ACC), book)
        book.forget(0)
        fresh = joint_book(stopper, LOSS_AND_ACC, reports, range(1, len(reports)))
        for number in range(1, len(reports)):
            facts = joint_standing(stopper, number, reports[number], LOSS_AND_ACC)
            assert stopper.judge(facts, book) == stopper.judge(facts, fresh)

    def test_a_decision_says_how_many_peers_dominate_the_trial(self) -> None:
        told = [decision for decision, _ in self._judged(LOSS_AND_ACC, some_reports(7, self.end)) if decision.among]
        assert told, "no trial was compared"
        for decision in told:
            assert decision.among is not None
            assert decision.threshold is None
            assert decision.among.peers == decision.n - 1
            assert (decision.among.front == 1) == (decision.among.dominated == 0)
            assert len(decision.among.by) == min(decision.among.dominated, 3)
            assert "dominate" in decision.reason or "only trial" in decision.reason or "min_peers" in decision.reason

    def test_a_trial_that_oversteps_a_limit_is_dominated_by_every_one_that_keeps_them(self) -> None:
        for decision, _ in self._judged(WITH_LIMIT, some_reports(8, self.end)):
            if decision.among is not None and decision.among.violation:
                assert "oversteps limits by" in decision.reason or "min_peers" in decision.reason

    def _judged(self, metrics: Sequence[Metric], reports: Reports) -> Iterator[tuple[Decision, bool]]:
        """All decisions of a play in which nobody is stopped, and whether a peer dominated the trial there."""
        stopper, book, asked = self.make(metrics), Joint(metrics), dict[int, int]()
        for count in range(1, self.end + 1):
            for number, own in enumerate(reports):
                for at in stopper.checkpoints(count - 1, count):
                    book.put(number, at, joint_mark(own, at, metrics))
                facts = joint_standing(stopper, number, own[:count], metrics, asked.get(number, 0))
                if is_due(stopper, facts):
                    asked[number] = count
                    decision = stopper.judge(facts, book)
                    yield decision, decision.among is None or decision.among.dominated > 0

    def _all_parked(self, reports: Reports) -> Joint:
        book = joint_book(self.make(LOSS_AND_ACC), LOSS_AND_ACC, reports, range(len(reports)))
        for number in range(len(reports)):
            book.park(number)
        return book


def some_reports(seed: int, end: int) -> list[list[list[float]]]:
    """A dozen trials with two metrics that pull against each other, more or less."""
    dice, found = random.Random(seed), []
    for _ in range(12):
        level, trade, bad = dice.uniform(0, 2), dice.random(), dice.choice([0.0, 0.0, 1.5])
        found.append(
            [
                [trade + bad + level / report + dice.gauss(0, 0.01), trade - bad - level / report + dice.gauss(0, 0.01)]
                for report in range(1, end + 1)
            ]
        )
    return found


def joint_book(stopper: Stopper, metrics: Sequence[Metric], reports: Reports, order: Iterable[int]) -> Joint:
    """A book with the marks of those trials whose number is in `order`, put in in that order."""
    book = Joint(metrics)
    for number in order:
        for at in stopper.checkpoints(0, len(reports[number])):
            book.put(number, at, joint_mark(reports[number], at, metrics))
        first, *others = joint_standing(stopper, number, reports[number], metrics).bests
        book.tell(number, first, others)
    return book


def joint_standing(
    stopper: Stopper, number: int, reports: Sequence[Sequence[float]], metrics: Sequence[Metric], before: int = 0
) -> Standing:
    """The standing of a trial that has made these reports."""
    columns = list(zip(*reports, strict=True))
    bests = [_best(metric)(column) for metric, column in zip(metrics, columns, strict=True)]
    latests = list(reports[-1])
    curves = columns if stopper.needs_curve else ()
    return Standing(
        number, len(reports), latests[0], bests[0], before, curve=columns[0] if curves else (), latests=latests,
        bests=bests, curves=curves,
    )  # fmt: skip


def joint_mark(reports: Sequence[Sequence[float]], at: int, metrics: Sequence[Metric]) -> Mark:
    """The mark of a trial after `at` reports."""
    parts = []
    for metric, column in zip(metrics, zip(*reports[:at], strict=True), strict=True):
        parts.append(Mark(column[-1], list(accumulate(column, _best(metric)))[-1], sum(column) / at))
    return parts[0]._replace(others=tuple(parts[1:]))


def _best(metric: Metric) -> Callable[..., float]:
    return max if metric.goal == "maximize" else min


def _point(mark: Mark) -> tuple[float, float]:
    return mark.value, mark.others[0].value


def _costs(point: tuple[float, float]) -> tuple[float, float]:
    return point[0], -point[1]


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1]
