"""The laws of single steps: looks at every transaction before it is committed, with its own idea of what is legal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec
import sqlalchemy as sa

from swath.agents import wire
from swath.agents.protocol import Lease, Outcome
from swath.sweeps import ledger
from swath.sweeps.ledger import TrialRow
from swath.sweeps.spec import Retry
from swath.sweeps.testing.fleet.programs import Written

#: What may become of a trial in one step, with the tail of steps that one call makes.
_NET_MOVES = {
    "": {"running"},
    "queued": {"queued", "running", "killed"},
    "running": {"running", "queued", "paused", "finished", "stopped", "failed", "killed"},
    "paused": {"paused", "running", "stopped", "killed"},
}
_GOOD = ("finished", "stopped")


class LawBroken(AssertionError):
    """The product did what it must never do."""


@dataclass
class Account:
    """What the auditor itself knows of a trial."""

    row: TrialRow
    retries: int = 0
    losses: int = 0
    best: float | None = None  # when the present attempt began
    starts: list[int] = field(default_factory=list)


class Auditor:
    """Hand `audit` to the database. `call` is the call that is being answered, `now` the allocator's clock."""

    def __init__(
        self, sweep_id: str, retry: Retry, maximize: bool, most: int, written: Written,
        is_gone: Callable[[str], bool],
    ) -> None:  # fmt: skip
        self.accounts: dict[str, Account] = {}
        self.call: wire.Call | None = None
        self.now: Callable[[], float] = lambda: 0.0
        self.steps = 0
        self._sweep_id = sweep_id
        self._retry = retry
        self._sign = -1.0 if maximize else 1.0
        self._most = most
        self._written = written
        self._is_gone = is_gone
        self._version = 0

    def audit(self, connection: sa.Connection) -> Callable[[], None]:
        """Check what the transaction has changed; what is returned takes note of it once it is committed."""
        self.steps += 1
        changed = ledger.changed_since(connection, self._sweep_id, self._version)
        found = [self._account(row) for row in changed]
        version = max((row.version for row in changed), default=self._version)

        after = self.accounts | {account.row.run_id: account for account in found}
        self._check_requests(account.row for account in after.values())

        def committed() -> None:
            self._version = version
            self.accounts = after

        return committed

    def _check_requests(self, rows: Iterable[TrialRow]) -> None:
        """A request that is asked again is answered with the trial that it has got."""
        asked = Counter(row.request for row in rows if row.state == "running")
        twice = [request for request, count in asked.items() if count > 1]
        _law(not twice, f"the request {twice} got two trials")

    def _account(self, new: TrialRow) -> Account:
        known = self.accounts.get(new.run_id)
        if known is None:
            _law(new.number <= self._most, f"trial {new.number} of {self._most} was made")
            _law(new.attempt == 1 and new.state == "running", f"{new.run_id} begins as {new.state}, {new.attempt}")
            return Account(new, starts=[1])
        old = known.row
        _law(str(new.state) in _NET_MOVES.get(str(old.state), ()), f"{new.run_id} went from {old.state} to {new.state}")
        fresh = Account(new, known.retries, known.losses, known.best, list(known.starts))
        self._check_fence(old, new)
        self._check_attempt(old, new, fresh)
        if old.state == "running":
            self._check_end(old, new, fresh)
        self._check_reports(old, new, fresh)
        return fresh

    def _check_fence(self, old: TrialRow, new: TrialRow) -> None:
        """A call under a lease that is not the present one changes nothing about its trial, but may be offered it."""
        lease = _lease_of(self.call)
        if lease is None or lease.run_id != new.run_id or _holds(old, lease):
            return
        again = isinstance(self.call, wire.Finish)
        offered = again and (old.state != "running" or self._may_take(old))
        # The first call after a hush renews all leases, also a finish that is told again.
        renewed = again and msgspec.structs.replace(new, expires=old.expires, version=old.version) == old
        by = f"attempt {lease.attempt} of {lease.agent_id}"
        _law(offered or renewed, f"{by} changed {new.run_id}, which {_who(old)} holds")

    def _check_attempt(self, old: TrialRow, new: TrialRow, account: Account) -> None:
        _law(new.attempt - old.attempt in (0, 1), f"{new.run_id} went from attempt {old.attempt} to {new.attempt}")
        if new.attempt > old.attempt:
            _law(new.state == "running", f"{new.run_id} got attempt {new.attempt} and is {new.state}")
            account.starts.append(new.attempt)
        elif old.state != "running":
            _law(new.state != "running", f"{new.run_id} runs again as attempt {new.attempt}")

    def _check_end(self, old: TrialRow, new: TrialRow, account: Account) -> None:
        """A running trial is still held, was ended by its holder, or was taken from one who is gone."""
        held = new.state == "running" and new.attempt == old.attempt
        if held:
            _law(new.retries == old.retries and new.losses == old.losses, f"{new.run_id} was counted while it runs")
            _law(old.verdict in ("continue", new.verdict), f"the verdict {old.verdict!r} on {new.run_id} was forgotten")
            return
        lease, call = _lease_of(self.call), self.call
        if isinstance(call, wire.Finish) and lease is not None and _holds(old, lease) and lease.run_id == new.run_id:
            self._check_outcome(old, new, account, call.outcome)
            return
        orderly = isinstance(call, wire.Leave) and call.agent_id == old.agent_id
        _law(orderly or self._may_take(old), f"{new.run_id} was taken from {_who(old)}, whose lease stands")
        account.losses += not orderly
        _law(new.losses == account.losses, f"{new.run_id} lost its agent {account.losses} times, not {new.losses}")
        _law(new.retries == account.retries, f"a lost agent cost {new.run_id} a retry")
        aside = new.losses + new.retries >= self._retry.set_aside
        _law(new.state != "failed" or "crashed" not in self._retry.on or aside or orderly,
             f"{new.run_id} failed since its agent was lost")  # fmt: skip

    def _check_outcome(self, old: TrialRow, new: TrialRow, account: Account, outcome: Outcome) -> None:
        again = outcome.ending in ("failed", "crashed") and outcome.ending in self._retry.on
        again = again and account.retries < self._retry.max
        again = again and account.retries + account.losses + 1 < self._retry.set_aside
        account.retries += again
        _law(new.retries == account.retries, f"{new.run_id} used {account.retries} retries, not {new.retries}")
        _law(new.losses == account.losses, f"{new.run_id} lost its agent {account.losses} times, not {new.losses}")
        if again:
            _law(new.state in ("queued", "running"), f"{new.run_id} is not run again: {new.state}")
        elif outcome.ending == "finished":
            _law(new.state == "finished", f"{new.run_id} finished and is {new.state}")
        elif outcome.ending in ("failed", "crashed"):
            _law(new.state == "failed", f"{new.run_id} {outcome.ending} with no retry left and is {new.state}")
        _law(new.closed == f"{old.agent_id}:{old.attempt}", f"the end of {new.run_id} is not noted: {new.closed!r}")

    def _check_reports(self, old: TrialRow, new: TrialRow, account: Account) -> None:
        """What is stored of the metric is exactly what the attempt has logged first, each value once."""
        logged = [value for value in self._written.values.get((new.number, new.attempt), ()) if not math.isnan(value)]
        if new.state == "queued":
            account.best = None
            _law(new.reports == 0 and new.best is None, f"{new.run_id} waits with {new.reports} reports")
            return
        if new.attempt > old.attempt:
            account.best = new.best
            _law(new.reports == 0, f"attempt {new.attempt} of {new.run_id} begins with {new.reports} reports")
            return
        _law(old.reports <= new.reports <= len(logged),
             f"{new.run_id} has {new.reports} reports, had {old.reports}, and logged {len(logged)}")  # fmt: skip
        counted = logged[: new.reports]
        _law(
            math.isclose(new.value_sum, math.fsum(counted), abs_tol=1e-9), f"the sum of {new.run_id} is {new.value_sum}"
        )
        if counted:
            _law(new.latest == counted[-1], f"the latest value of {new.run_id} is {new.latest}, not {counted[-1]}")
            values = counted if account.best is None else [*counted, account.best]
            best = self._sign * min(self._sign * value for value in values)
            _law(new.best == best, f"the best value of {new.run_id} is {new.best}, not {best}")

    def _may_take(self, old: TrialRow) -> bool:
        return (old.expires is not None and old.expires < self.now()) or self._is_gone(old.agent_id)


def _law(holds: bool, broken: str) -> None:
    if not holds:
        raise LawBroken(broken)


def _lease_of(call: wire.Call | None) -> Lease | None:
    return call.lease if isinstance(call, wire.Report | wire.Finish) else None


def _holds(row: TrialRow, lease: Lease) -> bool:
    return row.state == "running" and row.attempt == lease.attempt and row.agent_id == lease.agent_id


def _who(row: TrialRow) -> str:
    return f"attempt {row.attempt} of {row.agent_id}"
