"""The laws of a sweep hold in simulated fleets, and the simulation notices when one is broken on purpose."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from swath.agents.protocol import Chunk, Lease, Offer, Outcome
from swath.sweeps import controller, endings, intake, ledger, settling
from swath.sweeps.controller import Controller
from swath.sweeps.ledger import TrialRow
from swath.sweeps.settling import Settlement
from swath.sweeps.states import TrialState
from swath.sweeps.testing.fleet import broken_among, simulate
from swath.sweeps.underway import Underway
from swath.tracking.store import RunRow

#: 10,000 take minutes: FLEET_SEEDS=10000 pytest tests/simulation
SEEDS = int(os.environ.get("FLEET_SEEDS", "500"))
CHUNK = 125
#: A law that is broken on purpose is noticed among so many seeds.
SOON = 400

Patch = pytest.MonkeyPatch


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_law_holds(first: int, request: pytest.FixtureRequest) -> None:
    chosen = request.config.getoption("--seed", None)
    if chosen is not None and not first <= chosen < first + CHUNK:
        pytest.skip("another seed was asked for")
    for seed in range(first, first + CHUNK) if chosen is None else [chosen]:
        verdict = simulate(seed, tracing=chosen is not None)
        told = "\n".join([*verdict.trace, f"python -m swath.sweeps.testing.fleet --seed {seed} --trace"])
        assert not verdict.broken, f"{verdict.broken}\n{told}"


@pytest.mark.parametrize("seed", [3, 14, 15, 3187])
def test_a_seed_is_always_the_same(seed: int) -> None:
    first = simulate(seed, tracing=True)
    simulate(seed + 1)
    again = simulate(seed, tracing=True)
    assert first.trace
    assert (again.trace, again.steps, again.transactions) == (first.trace, first.steps, first.transactions)


def test_simulated_time_takes_no_real_time() -> None:
    verdict = simulate(5)
    assert verdict.seconds > 30


# Broken on purpose.


def fence_is_not_checked(patch: Patch) -> None:
    patch.setattr(controller, "_check_lease", lambda trial, lease: None)


def a_requeue_is_lost(patch: Patch) -> None:
    def requeue(step: Any, trial: TrialRow, run: RunRow | None, reason: str) -> None:
        step.move_trial(trial, TrialState.FAILED, reason, expires=None, ended=step.now)

    patch.setattr(endings, "requeue", requeue)


def a_queued_trial_is_forgotten(patch: Patch) -> None:
    patch.setattr(ledger, "ready", lambda connection, sweep_id, now, most: [])


def an_outcome_is_counted_twice(patch: Patch) -> None:
    real = settling.settle

    def settle(trial: TrialRow, outcome: Outcome, *rest: Any) -> Settlement:
        settled = real(trial, outcome, *rest)
        again = outcome.ending == "preempted" and settled.state is TrialState.QUEUED
        return Settlement(settled.state, settled.reason, True) if again else settled

    patch.setattr(settling, "settle", settle)


def reports_are_taken_twice(patch: Patch) -> None:
    patch.setattr(intake, "applied_to", lambda run, segment: 4096)


def a_lost_answer_loses_a_trial(patch: Patch) -> None:
    patch.setattr(Underway, "answer_to", lambda self, agent_id, request: None)


def the_cap_is_overrun(patch: Patch) -> None:
    real = Controller._make

    def make(self: Controller, step: Any) -> TrialRow | None:
        total = step.sweep.total
        step.change(total=None if total is None else total + 1)
        try:
            return real(self, step)
        finally:
            step.change(total=total)

    patch.setattr(Controller, "_make", make)


def a_lease_is_taken_before_its_time(patch: Patch) -> None:
    real, any_expired = ledger.expired, Underway.any_expired
    patch.setattr(Underway, "any_expired", lambda self, now: any_expired(self, now + 2.0))
    patch.setattr(ledger, "expired", lambda connection, sweep_id, now: real(connection, sweep_id, now + 2.0))


def a_lost_agent_costs_a_retry(patch: Patch) -> None:
    real = settling.lost

    def lost(trial: TrialRow, *rest: Any) -> Settlement:
        settled = real(trial, *rest)
        return Settlement(TrialState.FAILED, "its agent was lost") if trial.losses > 1 else settled

    patch.setattr(settling, "lost", lost)


def what_the_dead_logged_is_dropped(patch: Patch) -> None:
    patch.setattr(intake, "on_disk", lambda folder, attempt: [])
    patch.setattr(settling, "lost", lambda trial, *rest: Settlement(TrialState.FINISHED, "it will do"))


def what_was_not_stored_is_remembered(patch: Patch) -> None:
    """The controller's memory is left as it is when a commit fails."""

    def keep(self: Controller, name: str, value: Any) -> None:
        if name != "_plan" or value is not None or getattr(self, "_plan", None) is None:
            object.__setattr__(self, name, value)

    patch.setattr(Controller, "__setattr__", keep, raising=False)


def _closed(trial: TrialRow, lease: Lease) -> TrialRow:
    return controller.replace(trial, closed=f"{lease.agent_id}:{lease.attempt}")


class Forgetful(Controller):
    """Takes every outcome that it is told for a new one."""

    def finish(
        self, lease: Lease, outcome: Outcome, chunks: Sequence[Chunk], request: str | None = None
    ) -> Offer | None:
        with self._step() as step:
            trial = self._trial(step, lease)
            taken = intake.take(step, trial, chunks, final=True)
            endings.end(step, _closed(taken.trial, lease), taken.run, outcome)
            return None if request is None else self._offer(step, lease.agent_id, request)


@pytest.mark.parametrize(
    "breakage",
    [
        fence_is_not_checked, a_requeue_is_lost, a_queued_trial_is_forgotten, an_outcome_is_counted_twice,
        reports_are_taken_twice, a_lost_answer_loses_a_trial, the_cap_is_overrun, a_lease_is_taken_before_its_time,
        a_lost_agent_costs_a_retry, what_the_dead_logged_is_dropped, what_was_not_stored_is_remembered,
    ],
    ids=lambda breakage: breakage.__name__,
)  # fmt: skip
def test_a_broken_law_is_noticed(breakage: Callable[[Patch], None], monkeypatch: Patch) -> None:
    breakage(monkeypatch)
    assert broken_among(range(SOON)) is not None


def test_an_outcome_that_is_taken_twice_is_noticed() -> None:
    assert broken_among(range(SOON), make=Forgetful) is not None
