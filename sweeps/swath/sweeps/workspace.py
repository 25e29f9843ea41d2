"""A `.swath` folder: makes, shows and steers sweeps for the command line and the Python API; allocates nothing."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from swath.agents.protocol import TrialSource
from swath.agents.task import check_task
from swath.sweeps import dismissing, editing, endings, ledger, memory, rosters, tables, targets
from swath.sweeps.controller import Controller
from swath.sweeps.dismissing import Dismissal, Wish
from swath.sweeps.editing import MOST, Edited
from swath.sweeps.fronts import WELL_ENDED
from swath.sweeps.ledger import SweepRow, TrialRow
from swath.sweeps.plan import PICKLE, Plan, folder_of
from swath.sweeps.prior import gather, write_prior
from swath.sweeps.spec import SpecFaults, SweepSpec, parse_spec
from swath.sweeps.states import SweepState, TrialState
from swath.sweeps.step import Step, change
from swath.sweeps.views import AgentView, Best, EventView, MarkView, SweepView, TrialView
from swath.tracking import layout
from swath.tracking.apply.catchup import Trials, take_over_runs
from swath.tracking.clock import SYSTEM_CLOCK, Clock
from swath.tracking.errors import NotAllowed, NotFound
from swath.tracking.runs.names import new_id
from swath.tracking.settings import Settings
from swath.tracking.store import Database, RunRow, runs
from swath.tracking.store.jsontext import from_json
from swath.tracking.store.runs import Event
from swath.tracking.store.tables import MIGRATIONS

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from swath.tracking.api.local import LocalSource
    from swath.tracking.server.alerts import ServerAlerts

replace = msgspec.structs.replace
_TRIALS = Trials(ledger.trial_runs, ledger.is_trial)


class Workspace:
    """One store, opened by this process. A context manager; its methods may be called from several threads."""

    def __init__(self, root: Path, clock: Clock = SYSTEM_CLOCK, lease_s: float = 30.0) -> None:
        self.root = root
        self._clock = clock
        self._lease_s = lease_s
        parts = {"tracking": MIGRATIONS, "sweeps": tables.MIGRATIONS}
        self._database = Database(layout.database_path(root), parts, clock)
        self._sources: dict[tuple[str, bool], Controller] = {}
        self._api_source: LocalSource | None = None

    @classmethod
    def open(cls, start: Path | None = None) -> Workspace:
        """The store of the working directory (or of `start`), found as git finds its own; SWATH_DIR names another."""
        settings = Settings.from_environment()
        return cls(layout.find_root(start, settings.root), lease_s=settings.lease_s)

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the store."""
        if self._api_source is not None:
            self._api_source.close()
            self._api_source = None
        self._database.close()

    # Making.

    def create(
        self,
        spec: SweepSpec,
        *,
        origin: str = "",
        cwd: str | None = None,
        pickled: bytes | None = None,
        function_later: bool = False,
    ) -> str:
        """Register a sweep and return its id; nothing runs yet.

        `origin` is the file the spec came from, `cwd` the folder its trials run in, `pickled` a cloudpickled function
        to run instead of a program; with `function_later` a spec may leave open what to run. Raises `SpecError` when
        the spec is valid but could not run, with all reasons.
        """
        folder = os.path.abspath(cwd or ".")
        origin = os.path.abspath(origin) if origin else ""
        spec = _with_program_found(spec, folder, origin)
        named = spec.program or spec.command or spec.function
        given = pickled is not None or (function_later and not named)
        faults = [f for f in spec.runnable_faults() if not given or f.path != "program"]
        if faults:
            raise SpecFaults(origin or "the spec", faults)
        plan = Plan(spec, Path(folder))
        sweep = self._new_row(spec, plan, origin, folder)
        plan.check_searcher(sweep)
        if not given and spec.function is None:
            check_task(plan.task(sweep))
        with self._database.read() as connection:
            priors = gather(connection, self._with_full_ids(spec), plan.space)
        home = folder_of(self.root, sweep.id)
        home.mkdir(parents=True, exist_ok=True)
        write_prior(home, priors)
        (home / "spec.yaml").write_text(spec.source)
        if pickled is not None:
            (home / PICKLE).write_bytes(pickled)
        with self._database.write() as connection:
            ledger.insert_sweep(connection, sweep)
            payload = {"name": sweep.name, "method": spec.method, "total": sweep.total}
            runs.append_events(connection, sweep.created, [Event("sweep.created", sweep.id, sweep.id, payload)])
        return sweep.id

    def _with_full_ids(self, spec: SweepSpec) -> SweepSpec:
        """The spec with the sweeps that it begins from named in full."""
        ids = tuple(self.resolve(name) for name in spec.warm_start.sweeps)
        start = dataclasses.replace(spec.warm_start, sweeps=ids)
        return dataclasses.replace(spec, warm_start=start)

    def _new_row(self, spec: SweepSpec, plan: Plan, origin: str, cwd: str) -> SweepRow:
        size = plan.space.grid_size if spec.method == "grid" else plan.space.size
        runs_in_all = None if size is None else size * spec.repeats.count
        limits = [limit for limit in (runs_in_all, spec.most_trials) if limit is not None]
        name = spec.name or (Path(origin).stem if origin else "sweep")
        seed = spec.seed if spec.seed is not None else secrets.randbits(31)
        return SweepRow(
            id=new_id(), name=name, state=SweepState.PENDING, reason="", spec=json.dumps(spec.to_dict()), origin=origin,
            cwd=cwd, seed=seed, total=min([*limits, MOST]) if limits else None, made=0, edits=0, stale=0, version=0,
            best_value=None, best_run=None, metrics_seen=(), warned=(), created=self._clock.now(), started=None,
            ended=None,
        )  # fmt: skip

    def source(self, sweep_id: str, *, remote: bool = False) -> TrialSource:
        """Who hands out the trials of a sweep. `remote`: to agents that do not share this disk and ship their logs."""
        return self._controller(sweep_id, remote)

    def _controller(self, sweep_id: str, remote: bool) -> Controller:
        key = (sweep_id, remote)
        if key not in self._sources:
            self._sources[key] = Controller(
                self._database,
                self.root,
                sweep_id,
                self._clock,
                shared_disk=not remote,
                lease_s=self._lease_s,
            )
        return self._sources[key]

    # Showing.

    def resolve(self, text: str) -> str:
        """The id of the sweep meant: an id, a unique beginning of one, a name (the newest of it), or `last`."""
        with self._database.read() as connection:
            rows = ledger.all_sweeps(connection)
        if text == "last" and rows:
            return rows[-1].id
        for candidates in (
            [row.id for row in rows if row.id == text],
            [row.id for row in rows if row.name == text][-1:],
            [row.id for row in rows if text and row.id.startswith(text)],
        ):
            if len(candidates) == 1:
                return candidates[0]
            if candidates:
                raise NotFound(
                    f"{text!r} begins {len(candidates)} sweeps: {', '.join(candidates)}", "write one in full"
                )
        near = get_close_matches(text, [row.id for row in rows] + [row.name for row in rows], 3)
        hint = f"did you mean {' or '.join(near)}?" if near else "list the sweeps with: sweep list"
        raise NotFound(f"there is no sweep {text!r} in {self.root}", hint)

    def spec(self, sweep_id: str) -> SweepSpec:
        """The spec a sweep was made from."""
        row = self._sweep(sweep_id)
        return parse_spec(json.loads(row.spec), row.origin or "the stored spec")

    def folder(self, sweep_id: str) -> str:
        """The folder that a sweep's trials run in."""
        return self._sweep(sweep_id).cwd

    def sweeps(self) -> list[SweepView]:
        """Every sweep, oldest first."""
        with self._database.read() as connection:
            return [_sweep_view(connection, row) for row in ledger.all_sweeps(connection)]

    def show(self, sweep_id: str) -> SweepView:
        """One sweep."""
        with self._database.read() as connection:
            return _sweep_view(connection, self._sweep(sweep_id))

    def trials(self, sweep_id: str, *states: TrialState) -> list[TrialView]:
        """The trials of a sweep by number; only those in `states` when any are given."""
        self._sweep(sweep_id)
        with self._database.read() as connection:
            names = {row.id: row.name for row in ledger.agents_of(connection, sweep_id)}
            found = ledger.trials_in(connection, sweep_id, *states)
            known = runs.get_many(connection, [row.run_id for row in found])
            return [self._trial_view(row, names, known.get(row.run_id)) for row in found]

    def trial(self, run_id: str) -> TrialView:
        """One trial by its run id."""
        with self._database.read() as connection:
            row = ledger.get_trial(connection, run_id)
            if row is None:
                raise NotFound(
                    f"there is no trial {run_id!r} in {self.root}",
                    "list a sweep's trials with: sweep show ID",
                )
            agent = ledger.get_agent(connection, row.agent_id)
            return self._trial_view(row, {agent.id: agent.name} if agent else {}, runs.get(connection, run_id))

    def _trial_view(self, row: TrialRow, agents: dict[str, str], run: RunRow | None) -> TrialView:
        view = _trial_view(row, agents, run)
        return replace(view, memory=memory.request(self.spec(row.sweep_id), row.ooms)) if row.ooms else view

    def marks(self, sweep_id: str) -> list[MarkView]:
        """What the trials of a sweep had at the checkpoints of its early stopping, by number of reports, then trial."""
        with self._database.read() as connection:
            decided = ledger.decided_at(connection, sweep_id)
            found = [
                MarkView(
                    number, band, mark.value, mark.best, mark.mean, tuple(other[:3] for other in mark.others),
                    decided.get((number, band)),
                )
                for number, band, mark in ledger.marks(connection, sweep_id)
            ]  # fmt: skip
        return sorted(found, key=lambda mark: (mark.band, mark.number))

    def agents(self, sweep_id: str) -> list[AgentView]:
        """Every agent that ever joined a sweep."""
        with self._database.read() as connection:
            return rosters.roster(connection, sweep_id, self._clock.now(), self._lease_s)

    def dismiss(self, sweep_id: str, name: str, wish: Wish) -> list[Dismissal]:
        """Ask an agent, or with `all` each one at work, to leave: see `dismissing`."""
        with self._change(sweep_id) as step:
            return dismissing.dismiss(step, name, wish)

    def unplaced_memory(self, sweep_id: str) -> int | None:
        """The most memory that a trial waits for which no agent has; None where there is no such trial."""
        spec = self.spec(sweep_id)
        with self._database.read() as connection:
            return memory.unplaced(connection, sweep_id, spec, self._clock.now())

    def routes(self) -> list[BaseRoute]:
        """What a server of this store answers: agents of its sweeps, runs that are shipped here, and `Api`."""
        from swath.sweeps.checkpoint_routes import checkpoint_routes
        from swath.sweeps.crew_routes import crew_routes
        from swath.sweeps.routes import sweep_routes
        from swath.tracking.api.local import LocalSource
        from swath.tracking.server.api_routes import api_routes
        from swath.tracking.server.run_routes import run_routes

        def owns(connection: sa.Connection, sweep_id: str) -> bool:
            return ledger.get_sweep(connection, sweep_id) is not None

        agents = sweep_routes(lambda name: self.source(name, remote=True), self._clock)
        most = int(Settings.from_environment().checkpoint_gib * 2**30)
        kept = checkpoint_routes(self.root, lambda name: self._controller(name, True), most)
        shipped = run_routes(self.root, self._database, _TRIALS, owns, self._clock)
        self._api_source = self._api_source or LocalSource(self.root, self._clock)
        return [*agents, *kept, *crew_routes(self), *shipped, *api_routes(self._api_source)]

    def alerts(self) -> ServerAlerts:
        """What a server of this store sends of its runs' alerts, to the targets that this process is told."""
        from swath.tracking.server.alerts import ServerAlerts

        return ServerAlerts(self._database, Settings.from_environment().alerts, self._clock)

    def events(self, sweep_id: str, after: int = 0, limit: int = 1000) -> list[EventView]:
        """The sweep's events with an id above `after`, oldest first."""
        with self._database.read() as connection:
            rows = runs.select_events(connection, sweep_id, after, limit)
        return [EventView(id_, time, kind, about, from_json(payload)) for id_, time, kind, about, payload in rows]

    def runs(self, project: str | None = None, limit: int = 100) -> list[RunRow]:
        """The newest runs, inside sweeps and outside, brought up to date from their logs first."""
        self.catch_up()
        with self._database.read() as connection:
            return runs.select(connection, project, limit)

    # Steering.

    def pause(self, sweep_id: str) -> None:
        """Hand out no trials until `unpause`; running ones go on."""
        with self._change(sweep_id) as step:
            step.move(SweepState.PAUSED, "paused by hand")

    def unpause(self, sweep_id: str) -> None:
        """Hand out trials again after `pause`."""
        with self._change(sweep_id) as step:
            if step.sweep.state is not SweepState.PAUSED:
                raise NotAllowed(f"sweep {sweep_id} is {step.sweep.state}, not paused", "see it with: sweep show ID")
            step.move(SweepState.RUNNING, "")
            endings.finish_if_done(step)

    def stop(self, sweep_id: str) -> None:
        """Make no new trials; running ones go on to their end, then the sweep is finished."""
        with self._change(sweep_id) as step:
            step.move(SweepState.FINISHING, "stopped by hand")
        self.catch_up(sweep_id)

    def cancel(self, sweep_id: str) -> None:
        """End the sweep now: running trials are killed, queued ones dropped."""
        reason = "the sweep was cancelled"
        with self._change(sweep_id) as step:
            step.move(SweepState.CANCELLED, "cancelled by hand")
            for trial in ledger.trials_in(step.connection, sweep_id, TrialState.RUNNING):
                step.save(replace(trial, verdict="kill", verdict_reason=reason))
            endings.drop_queued(step, reason)
            endings.drop_paused(step, reason)
        self.catch_up(sweep_id)

    def revive(self, sweep_id: str) -> None:
        """Let a sweep that was paused, stopped, cancelled or left alone go on; one that is complete stays as it is.

        What a cancel killed goes back to the queue.
        """
        with self._change(sweep_id) as step:
            killed = step.sweep.state is SweepState.CANCELLED
            ended = ledger.trials_in(step.connection, sweep_id, TrialState.KILLED) if killed else []
            exhausted = step.sweep.total is not None and step.sweep.made >= step.sweep.total
            complete = exhausted or bool(targets.reached(step))
            idle = step.sweep.state not in (SweepState.RUNNING, SweepState.PENDING)
            if idle and (ended or not complete or sum(ledger.count_live(step.connection, sweep_id))):
                step.move(SweepState.RUNNING, "")
            for trial in ended:
                self._requeue(step, trial, "the cancelled sweep goes on")
        self.catch_up(sweep_id)

    def retry(self, sweep_id: str) -> int:
        """Requeue the failed and killed trials, their retries given back, and let the sweep go on; how many."""
        with self._change(sweep_id) as step:
            ended = ledger.trials_in(step.connection, sweep_id, TrialState.FAILED, TrialState.KILLED)
            if ended and step.sweep.state not in (SweepState.RUNNING, SweepState.PAUSED):
                step.move(SweepState.RUNNING, "")
            for trial in ended:
                self._requeue(step, replace(trial, retries=0, losses=0, ooms=0), "retried by hand")
        return len(ended)

    def edit(self, sweep_id: str, spec: SweepSpec) -> Edited:
        """Change the spec of a live sweep; what was changed, and what follows. See `editing` for what may change."""
        row = self._sweep(sweep_id)
        spec = _with_program_found(spec, row.cwd, row.origin)
        with self._change(sweep_id) as step:
            edited = editing.edit(step, spec)
        if edited.changes:
            folder = folder_of(self.root, sweep_id)
            (folder / f"spec-{step.sweep.edits}.yaml").write_text(spec.source)
        return edited

    def _requeue(self, step: Step, trial: TrialRow, reason: str) -> None:
        endings.requeue(step, trial, runs.get(step.connection, trial.run_id), reason)

    def catch_up(self, sweep_id: str | None = None) -> None:
        """Bring the store up to date with the run logs, and take back the trials of agents that are gone."""
        for view in [self._sweep(sweep_id)] if sweep_id else self._open_sweeps():
            source = self.source(view.id)
            assert isinstance(source, Controller)
            source.reap()
        if sweep_id is None:
            take_over_runs(self._database, self.root, self._clock, _TRIALS)

    def _open_sweeps(self) -> list[SweepRow]:
        with self._database.read() as connection:
            rows = ledger.all_sweeps(connection)
        return [row for row in rows if row.state not in (SweepState.FINISHED, SweepState.CANCELLED)]

    def _sweep(self, sweep_id: str) -> SweepRow:
        with self._database.read() as connection:
            row = ledger.get_sweep(connection, sweep_id)
        if row is None:
            raise NotFound(f"there is no sweep {sweep_id!r} in {self.root}", "list the sweeps with: sweep list")
        return row

    @contextmanager
    def _change(self, sweep_id: str) -> Iterator[Step]:
        with change(self._database, sweep_id, self._clock.now(), self.root) as step:
            step.plan = Plan.load(step.sweep, self.root)
            for cache in step.plan.caches:
                cache.follow(step.connection, step.sweep, True)
            yield step


def _with_program_found(spec: SweepSpec, cwd: str, origin: str) -> SweepSpec:
    """A program that is not in the working directory but beside the sweep file is that one."""
    if spec.program is None or not origin or os.path.exists(os.path.join(cwd, spec.program)):
        return spec
    beside = Path(origin).parent / spec.program
    if not beside.is_file():
        return spec
    found = os.path.relpath(beside, cwd) if beside.is_relative_to(cwd) else str(beside)
    return dataclasses.replace(spec, program=found)


def _sweep_view(connection: sa.Connection, row: SweepRow) -> SweepView:
    spec = parse_spec(json.loads(row.spec), row.origin)
    metric, goal = spec.metric, spec.metric.goal if spec.metric else "minimize"
    best = _best_row(connection, row, spec)
    return SweepView(
        id=row.id, name=row.name, state=row.state, method=spec.method, project=spec.project or "",
        metric=metric.name if metric else None, goal=goal, target=metric.target if metric else None,
        trials=ledger.count_states(connection, row.id), total=row.total,
        best=best, created=row.created, started=row.started,
        ended=row.ended, reason=row.reason, metrics_seen=list(row.metrics_seen), origin=row.origin,
    )  # fmt: skip


def _best_row(connection: sa.Connection, row: SweepRow, spec: SweepSpec) -> Best | None:
    """The best trial so far; with repeats the first run of the best setup, with what its runs came to together."""
    if spec.metric is None:
        return None
    if spec.repeats.count > 1:
        trial = ledger.get_trial(connection, row.best_run) if row.best_run else None
        value = row.best_value
    else:
        trial = ledger.best_trial(connection, row.id, spec.metric.goal == "minimize")
        value = trial.best if trial else None
    if trial is None or value is None:
        return None
    best = Best(trial.run_id, trial.name, trial.number, spec.metric.name, value, trial.config)
    if spec.repeats.count < 2:
        return best
    setup = ledger.trials_of_setup(connection, row.id, trial.setup)
    values = tuple(run.best if run.state in WELL_ENDED else None for run in setup)
    return replace(best, setup=trial.setup, aggregate=spec.repeats.aggregate, values=values)


def _trial_view(row: TrialRow, agents: dict[str, str], run: RunRow | None) -> TrialView:
    return TrialView(
        run_id=row.run_id, number=row.number, name=row.name, state=row.state, config=row.config, value=row.best,
        latest=row.latest, best=row.best, reports=row.reports, attempt=row.attempt, reason=row.reason,
        suggested=row.suggested, agent=agents.get(row.agent_id, row.agent_id), summary=run.summary if run else {},
        created=row.created, started=row.started, ended=row.ended, exit_code=row.exit_code, error=row.error,
        objectives=row.objectives, setup=row.setup, repeat=row.repeat,
    )  # fmt: skip
