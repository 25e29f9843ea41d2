"""The only allocator of a sweep: leases out trials, takes their reports, decides, requeues, counts and finishes.

It is code, not a process: on the embedded store every agent runs it under the store's write lock, with a server the
server does. It keeps no truth of its own; what it remembers between calls is read again when it is missing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from swath.agents.protocol import (
    AgentInfo,
    Assignment,
    Chunk,
    Job,
    Lease,
    Offer,
    Outcome,
    Over,
    Verdict,
    Wait,
)
from swath.sweeps import budgets, dismissing, endings, intake, ledger, losses, memory, targets
from swath.sweeps.ledger import AgentRow, TrialRow
from swath.sweeps.plan import Plan, needs_of
from swath.sweeps.states import ENDED, SweepState, TrialState, check_trial_move
from swath.sweeps.step import Step, change
from swath.tracking import layout
from swath.tracking.blobs import Blobs
from swath.tracking.clock import Clock
from swath.tracking.errors import LeaseLost, NotFound, UsageError
from swath.tracking.runlog.logfile import write_at
from swath.tracking.runs.checkpoints import Manifest
from swath.tracking.runs.inbox import Inbox
from swath.tracking.store import Database

replace = msgspec.structs.replace

#: How long an idle agent waits before it asks again, in seconds; among many agents longer, for each of them so much.
WAIT_S = 0.25
WAIT_OF_EACH_S = 0.001
PAUSED_WAIT_S = 1.0
#: Queued trials that are looked at where not every agent has room for every trial.
MOST_READY = 100


class Controller:
    """The `TrialSource` of one sweep over the store.

    With `shared_disk` the agents write the run logs into the store's own folder; without, the bytes of their reports
    are written there first. `lease_s`: a lease that was not renewed for so many seconds may be taken over.
    """

    def __init__(
        self,
        database: Database,
        root: Path,
        sweep_id: str,
        clock: Clock,
        *,
        shared_disk: bool = True,
        lease_s: float = 30.0,
    ) -> None:
        self.sweep_id = sweep_id
        self._database = database
        self._root = root
        self._clock = clock
        self._shared_disk = shared_disk
        self._lease_s = lease_s
        self._lock = threading.RLock()
        self._plan: Plan | None = None
        self._planned = ""
        self._last: Step | None = None
        self._blobs = Blobs(layout.blobs_root(root))
        self._joined: set[str] = set()

    def join(self, agent: AgentInfo) -> Job:
        with self._step() as step:
            if not self._has_joined(step, agent.id):
                self._register(step, agent)
            known = ledger.get_agent(step.connection, agent.id)
            plan = step.plan
            return Job(
                sweep_id=self.sweep_id, sweep_name=step.sweep.name, project=plan.spec.project or "",
                task=plan.task(step.sweep), metric=plan.metric_name, decides=plan.decides, lease_s=self._lease_s,
                grace_s=plan.grace_s, run_root=str(self._root / "runs") if self._shared_disk else None,
                agent_name=known.name if known is not None else "", needs=needs_of(plan.spec.resources), gang=plan.gang,
                hang_after_s=plan.spec.retry.hang_after_s,
            )  # fmt: skip

    def acquire(self, agent_id: str, request: str) -> Offer:
        with self._step(lambda step: self._check_joined(step, agent_id)) as step:
            return self._offer(step, agent_id, request)

    def report(self, lease: Lease, chunks: Sequence[Chunk]) -> Verdict:
        with self._step(lambda step: self._check(step, lease, chunks)) as step:
            before = self._trial(step, lease)
            self._store(lease, chunks)
            trial = intake.take(step, before, chunks).trial
            step.save(replace(trial, expires=step.now + self._lease_s))
            wish = step.see_agent(lease.agent_id)
            if trial.reports > before.reports:
                step.event("trial.reported", trial.run_id, reports=trial.reports, latest=trial.latest)
            if wish == dismissing.STOP and trial.verdict == "continue":
                return Verdict("leave", dismissing.REASONS[wish])
            return msgspec.convert({"action": _asked_of(trial), "reason": trial.verdict_reason}, Verdict)

    def finish(
        self, lease: Lease, outcome: Outcome, chunks: Sequence[Chunk], request: str | None = None
    ) -> Offer | None:
        with self._step(lambda step: self._check(step, lease, chunks, closing=True)) as step:
            trial = self._trial(step, lease)
            if trial.closed != _closing(lease):
                self._store(lease, chunks)
                taken = intake.take(step, trial, chunks, final=True)
                endings.end(step, replace(taken.trial, closed=_closing(lease)), taken.run, outcome)
            return None if request is None else self._offer(step, lease.agent_id, request)

    def keep(self, digest: str, path: Path) -> None:
        kept = self._blobs.put_file(path)
        if kept != digest:
            raise UsageError(f"{path} holds other bytes than {digest}", "name the file by the SHA-256 of its bytes")

    def keep_checkpoint(self, lease: Lease, manifest: Manifest) -> tuple[str, ...]:
        """Make a checkpoint whose parts were brought here the trial's newest one; which digests are missing.

        Nothing is kept where some are. May be repeated. Raises `LeaseLost`: what an attempt saved that lost its
        trial takes the place of nothing.
        """
        with self._step(lambda step: self._check(step, lease, ())) as step:
            inbox = Inbox(layout.run_dir(self._root, lease.run_id))
            missing = inbox.missing(manifest)
            if not missing and inbox.keep(manifest):
                note = manifest.note
                step.event(
                    "trial.checkpoint", lease.run_id, attempt=note.attempt, step=note.step, bytes=manifest.size
                )  # fmt: skip
            return missing

    def leave(self, agent_id: str, reason: str) -> None:
        with self._step() as step:
            agent = ledger.get_agent(step.connection, agent_id)
            if agent is not None:
                losses.release(step, agent, reason)
                self._joined.discard(agent_id)
                endings.finish_if_done(step)

    def reap(self) -> int:
        """Take back the trials of agents that are gone, whether or not anybody asks for a trial; how many."""
        with self._step(heard=False) as step:
            count = 0 if losses.is_hushed(step, self._lease_s) else losses.reap_expired(step, self._lease_s)
            count += losses.reap_dead(step)
            endings.finish_if_done(step)
            return count

    @contextmanager
    def _step(self, check: Callable[[Step], None] = lambda step: None, heard: bool = True) -> Iterator[Step]:
        """One call's work on the sweep; `heard`: an agent makes it.

        What `check` raises refuses the call before anything is written or noted: all that is remembered still holds
        then. After any other failure it is read again.
        """
        with self._lock:
            begun = False
            try:
                with change(self._database, self.sweep_id, self._clock.now(), self._root, self._last) as step:
                    check(step)
                    begun, self._last = True, None
                    self._follow(step)
                    if heard:
                        losses.hear(step, self._lease_s)
                    yield step
            except BaseException:
                if begun:
                    self._plan = None  # it has taken note of what is not so: nothing was stored
                raise
            self._last = step

    def _follow(self, step: Step) -> None:
        """Give the step its plan, and the plan's caches what others have stored."""
        if self._plan is None or self._planned != step.sweep.spec:
            self._plan, self._planned = Plan.load(step.sweep, self._root), step.sweep.spec
        step.plan = self._plan
        for cache in self._plan.caches:
            cache.follow(step.connection, step.sweep, step.foreign)

    # Refusing.

    def _check(self, step: Step, lease: Lease, chunks: Sequence[Chunk], closing: bool = False) -> None:
        """Refuse a call without the lease, or with bytes of another attempt; an outcome that is told again passes."""
        trial = self._trial(step, lease)
        if closing and trial.closed == _closing(lease):
            return
        _check_lease(trial, lease)
        for chunk in chunks:
            if layout.attempt_of(chunk.segment) != lease.attempt:
                wrong = f"{chunk.segment!r} is no segment of attempt {lease.attempt}"
                raise UsageError(wrong, "send the bytes of a segment under its own name")

    def _check_joined(self, step: Step, agent_id: str) -> None:
        if not self._has_joined(step, agent_id):
            raise NotFound(f"no agent {agent_id!r} has joined sweep {self.sweep_id}", "join before asking for trials")

    # Handing out.

    def _offer(self, step: Step, agent_id: str, request: str) -> Offer:
        self._check_joined(step, agent_id)
        underway = step.plan.underway
        underway.read(step.connection, step.sweep)
        if answered := underway.answer_to(agent_id, request):
            return _assignment(answered, _grown(step, answered))
        if wish := step.wish_of(agent_id):
            return Over(dismissing.REASONS[wish])
        if underway.any_expired(step.now):
            losses.reap_expired(step, self._lease_s)
        match step.sweep.state:
            case SweepState.FINISHED | SweepState.CANCELLED:
                return Over(step.sweep.reason or f"the sweep is {step.sweep.state}")
            case SweepState.PAUSED:
                step.see_agent(agent_id)
                return Wait(PAUSED_WAIT_S, "the sweep is paused")
        choice = memory.choose(step, agent_id, self._ready(step))
        wanted = choice.trial
        if wanted is None and choice.new:
            wanted = self._promoted(step) or self._make(step)
        if wanted is not None:
            return self._lease(step, wanted, agent_id, request)
        return self._nothing_left(step, agent_id, request)

    def _nothing_left(self, step: Step, agent_id: str, request: str) -> Offer:
        """Every trial is handed out: the sweep is over, or what still runs may come back."""
        if endings.finish_if_done(step):
            return Over(step.sweep.reason)
        running, queued, _ = ledger.count_live(step.connection, self.sweep_id)
        if not running and queued and endings.drop_beyond(step):
            return Wait(0.0, "trials that ask for more memory than there is were dropped")
        if not queued and (last := endings.next_promotion(step, True)):
            return self._lease(step, endings.promote(step, last), agent_id, request)
        step.see_agent(agent_id)
        came_back = losses.reap_dead(step, step.plan.underway.holders())
        pause = max(WAIT_S, WAIT_OF_EACH_S * len(step.known.signs))
        return Wait(0.0 if came_back else pause, "every trial is handed out; one whose agent dies would come back")

    def _ready(self, step: Step) -> list[TrialRow]:
        """The trial that has waited longest to run again; several where not every agent has room for every trial."""
        if not step.plan.underway.any_queued():
            return []
        most = MOST_READY if step.plan.spec.retry.oom else 1
        return ledger.ready(step.connection, self.sweep_id, step.now, most)

    def _promoted(self, step: Step) -> TrialRow | None:
        """A paused trial that has earned to go on; None where a new trial is the better use of the slot."""
        promotion = endings.next_promotion(step)
        return None if promotion is None else endings.promote(step, promotion)

    def _make(self, step: Step) -> TrialRow | None:
        """A new trial, not yet stored; None when the sweep makes no more."""
        sweep = step.sweep
        if sweep.state is SweepState.FINISHING or (sweep.total is not None and sweep.made >= sweep.total):
            return None
        if reached := targets.reached(step) or budgets.used_up(step):
            step.move(SweepState.FINISHING, reached)
            return None
        number, made = sweep.made + 1, step.plan.make(step.connection, sweep)
        if made is None:
            step.change(total=sweep.made)
            return None
        return TrialRow(
            run_id=f"{self.sweep_id}-{number}", sweep_id=self.sweep_id, number=number, name=f"{sweep.name}-{number}",
            state=TrialState.QUEUED, reason="", suggested=made.suggestion.reason,
            config=made.suggestion.config, point=made.point, setup=made.setup, repeat=made.repeat,
            version=sweep.version, created=step.now,
        )  # fmt: skip

    def _lease(self, step: Step, trial: TrialRow, agent_id: str, request: str) -> Assignment:
        check_trial_move(trial.run_id, trial.state, TrialState.RUNNING)
        new = trial.attempt == 0
        attempt, grown = trial.attempt + 1, _grown(step, trial)
        more = f" with {memory.said(grown)} of memory" if grown else ""
        trial = replace(
            trial, state=TrialState.RUNNING, reason=f"attempt {attempt} is running{more}", attempt=attempt,
            agent_id=agent_id, request=request, expires=step.now + self._lease_s, started=step.now, ended=None,
            exit_code=None, error="", not_before=None,
        )  # fmt: skip
        if new:
            step.add(trial)
            step.change(made=trial.number)
        else:
            step.save(trial)
        if step.sweep.started is None:
            step.change(started=step.now)
        if step.sweep.state is SweepState.PENDING:
            step.move(SweepState.RUNNING, "")
        step.event(
            "trial.started", trial.run_id, number=trial.number, name=trial.name, config=trial.config, agent=agent_id,
            attempt=attempt, **({"memory": grown} if grown else {}),
        )  # fmt: skip
        return _assignment(trial, grown)

    # Small things.

    def _trial(self, step: Step, lease: Lease) -> TrialRow:
        trial = step.trial(lease.run_id)
        if trial is None or trial.sweep_id != self.sweep_id:
            raise NotFound(f"sweep {self.sweep_id} has no trial {lease.run_id}", "ask for a trial with acquire")
        return trial

    def _store(self, lease: Lease, chunks: Sequence[Chunk]) -> None:
        """Shipped bytes become part of this store's run log before anything is derived from them."""
        if chunks and not self._shared_disk:
            folder = f"{self._root}/runs/{layout.check_run_id(lease.run_id)}"
            for chunk in chunks:
                write_at(f"{folder}/{chunk.segment}", chunk.offset, chunk.data)

    def _has_joined(self, step: Step, agent_id: str) -> bool:
        if agent_id not in self._joined and ledger.get_agent(step.connection, agent_id) is not None:
            self._joined.add(agent_id)
        return agent_id in self._joined

    def _register(self, step: Step, agent: AgentInfo) -> None:
        name = _unique(agent.name, ledger.names_like(step.connection, self.sweep_id, agent.name))
        row = AgentRow(
            agent.id, self.sweep_id, name, agent.host, agent.pid, agent.started, agent.kind, "active", step.now,
            pool=agent.pool, memory=agent.memory, most=agent.most,
        )  # fmt: skip
        ledger.insert_agent(step.connection, row)
        step.event("agent.joined", agent.id, name=name, host=agent.host, pid=agent.pid)


def _asked_of(trial: TrialRow) -> str:
    """What an agent is told: whether a trial that has to stop will go on some day is no business of its."""
    return "stop" if trial.verdict in ("pause", "exploit") else trial.verdict


def _grown(step: Step, trial: TrialRow) -> int | None:
    """The bytes of memory that a trial asks for because it ran out of less."""
    return memory.request(step.plan.spec, trial.ooms) if trial.ooms else None


def _assignment(trial: TrialRow, grown: int | None) -> Assignment:
    lease = Lease(trial.run_id, trial.attempt, trial.agent_id)
    return Assignment(lease, trial.number, trial.name, trial.config, grown)


def _closing(lease: Lease) -> str:
    """What a trial that was closed under this lease says of it."""
    return f"{lease.agent_id}:{lease.attempt}"


def _check_lease(trial: TrialRow, lease: Lease) -> None:
    """Raise `LeaseLost` unless `lease` is the one that owns the running trial."""
    if trial.state is TrialState.RUNNING and trial.attempt == lease.attempt and trial.agent_id == lease.agent_id:
        return
    now = f"it is {trial.state}" if trial.state in ENDED else f"attempt {trial.attempt} of it is {trial.state}"
    raise LeaseLost(f"attempt {lease.attempt} of trial {lease.run_id} has lost its lease: {now}", "drop the trial")


def _unique(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    count = 2
    while f"{name}-{count}" in taken:
        count += 1
    return f"{name}-{count}"
