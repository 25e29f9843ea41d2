"""The contract of `Stopper` as tests; a subclass says how to make one."""

from __future__ import annotations

import random
from itertools import pairwise

from swath.sweeps.stopping.base import Goal, Stopper

GOALS: tuple[Goal, Goal] = ("minimize", "maximize")


class StopperContract:
    """Subclass it as `class TestMine(StopperContract)` and define `make`."""

    def make(self) -> Stopper:
        """A stopper whose first band is at most 10."""
        raise NotImplementedError

    def test_the_band_reached_is_the_last_one_crossed(self) -> None:
        stopper = self.make()
        for count in range(200):
            crossed = stopper.crossed(0, count)
            assert list(crossed) == sorted(set(crossed))
            assert all(1 <= band <= count for band in crossed)
            assert stopper.band_reached(count) == (crossed[-1] if crossed else None)

    def test_each_band_is_crossed_once_however_reports_arrive(self) -> None:
        stopper, dice = self.make(), random.Random(5)
        for _ in range(20):
            cuts = sorted({0, 100, *(dice.randrange(100) for _ in range(5))})
            parts = [stopper.crossed(low, high) for low, high in pairwise(cuts)]
            assert sum(parts, ()) == stopper.crossed(0, 100)

    def test_one_run_alone_goes_on(self) -> None:
        band = self.make().band_reached(10)
        assert band is not None
        assert all(self.make().decide(goal, band, 1.0, [1.0]).action == "continue" for goal in GOALS)

    def test_the_best_run_goes_on_and_equal_runs_are_treated_alike(self) -> None:
        stopper, dice = self.make(), random.Random(7)
        band = stopper.band_reached(10)
        assert band is not None
        for goal in GOALS:
            values = [float(dice.randrange(10)) for _ in range(30)]
            best = min(values) if goal == "minimize" else max(values)
            assert stopper.decide(goal, band, best, values).action == "continue"
            assert all(stopper.decide(goal, band, 4.0, [4.0] * n).action == "continue" for n in range(1, 9))

    def test_a_better_value_is_never_stopped_where_a_worse_one_goes_on(self) -> None:
        stopper, dice = self.make(), random.Random(9)
        band = stopper.band_reached(10)
        assert band is not None
        for _ in range(20):
            values = sorted(dice.gauss(0, 1) for _ in range(dice.randrange(1, 20)))
            actions = [stopper.decide("minimize", band, value, values).action for value in values]
            assert actions == sorted(actions)

    def test_the_order_of_the_other_values_is_nothing(self) -> None:
        stopper, dice = self.make(), random.Random(11)
        band = stopper.band_reached(10)
        assert band is not None
        values = [dice.gauss(0, 1) for _ in range(25)]
        told = stopper.decide("maximize", band, values[0], values)
        assert told == stopper.decide("maximize", band, values[0], sorted(values))

    def test_minimising_is_maximising_the_negative(self) -> None:
        stopper, dice = self.make(), random.Random(13)
        band = stopper.band_reached(10)
        assert band is not None
        values = [dice.gauss(0, 1) for _ in range(25)]
        for value in values:
            low = stopper.decide("minimize", band, value, values)
            high = stopper.decide("maximize", band, -value, [-other for other in values])
            assert (low.action, low.rank, low.n) == (high.action, high.rank, high.n)

    def test_a_decision_says_what_it_compared(self) -> None:
        stopper = self.make()
        band = stopper.band_reached(10)
        assert band is not None
        decision = stopper.decide("minimize", band, 9.0, [float(value) for value in range(10)])
        assert (decision.action, decision.n, decision.band) == ("stop", 10, band)
        assert "9" in decision.reason
        assert decision.threshold is not None
        assert f"{decision.threshold:g}" in decision.reason
