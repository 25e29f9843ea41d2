"""An agent gives up on a broken program, and on nothing else."""

from __future__ import annotations

import signal

from swath.agents.flapping import Flapping
from swath.agents.protocol import Outcome

FAILED = Outcome("failed", 1, error="ValueError: no data")


class Clock:
    time = 0.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def counted(*outcomes: Outcome, pause: float = 1.0) -> str | None:
    clock = Clock()
    flapping = Flapping(clock)
    message = None
    for outcome in outcomes:
        flapping.begin()
        clock.sleep(pause)
        message = message or flapping.ended(outcome)
    return message


def test_three_failures_at_the_start_are_a_broken_program() -> None:
    message = counted(FAILED, FAILED, FAILED)
    assert message is not None
    assert message.endswith("ValueError: no data")


def test_two_failures_are_not() -> None:
    assert counted(FAILED, FAILED) is None


def test_a_program_that_worked_once_is_not_broken() -> None:
    assert counted(Outcome("finished", 0), FAILED, FAILED, FAILED) is None
    assert counted(FAILED, FAILED, Outcome("stopped", 0), FAILED, FAILED) is None


def test_failures_after_a_minute_of_work_are_the_configurations_fault() -> None:
    assert counted(FAILED, FAILED, FAILED, pause=25.0) is None


def test_crashes_of_the_programs_own_count() -> None:
    assert counted(*[Outcome("crashed", None, signal.SIGSEGV)] * 3) is not None


def test_kills_from_outside_do_not_count() -> None:
    assert counted(*[Outcome("crashed", None, signal.SIGKILL)] * 5) is None
    assert counted(*[Outcome("preempted")] * 5) is None
    assert counted(*[Outcome("killed")] * 5) is None


def test_a_program_that_printed_nothing_is_said_to_have_printed_nothing() -> None:
    assert "printed nothing" in (counted(*[Outcome("failed", 3)] * 3) or "")
