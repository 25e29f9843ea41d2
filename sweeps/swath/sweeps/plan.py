"""What follows from a sweep's spec and history: space, searcher, stopper, task. Cached, never stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from swath.agents.protocol import Gang, Needs, Task
from swath.sweeps import ledger
from swath.sweeps.ledger import SweepRow, TrialRow
from swath.sweeps.prior import read_prior
from swath.sweeps.repeating import Repeating, Setup
from swath.sweeps.search import History, Observation, Searcher, Suggestion, make_history, make_searcher, rng_for
from swath.sweeps.search.grid import Grid, GridRest
from swath.sweeps.space import SearchSpace
from swath.sweeps.spec import Metric, Resources, SweepSpec, parse_spec
from swath.sweeps.spec.search import is_custom
from swath.sweeps.standings import Standings
from swath.sweeps.states import ENDED
from swath.sweeps.stopping import Stopper, make_stopper
from swath.sweeps.underway import Underway
from swath.sweeps.values import violation

#: How long a trial may take to end after a stop request, and again after SIGTERM, in seconds.
GRACE_S = 10.0
#: How often what a given point leaves out is drawn until the constraints hold.
_DRAWS = 1000


@dataclass(frozen=True)
class Made:
    """What a new trial runs: a suggestion, the hash of its point, and which repeat of which setup it is."""

    suggestion: Suggestion
    point: str
    setup: int
    repeat: int


def needs_of(asked: Resources, gpu: float | None = None) -> Needs:
    """What an agent needs of its machine for a trial; `gpu` wins over the spec's."""
    return Needs(asked.cpu, asked.gpu if gpu is None else gpu, asked.memory, dict(asked.custom))


class Plan:
    """The spec of one sweep, made able to act. Rebuilt from the store at any time with the same result."""

    def __init__(self, spec: SweepSpec, folder: Path) -> None:
        self.spec = spec
        self.space = SearchSpace.from_parameters(spec.parameters, spec.constraints)
        self.stopper: Stopper | None = make_stopper(spec)
        self.metric_name = spec.metric.name if spec.metric else None
        self.grace_s = GRACE_S
        self._folder = folder
        self._searcher: Searcher | None = None
        self._history = self._empty_history()
        goal = spec.metric.goal if spec.metric else "minimize"
        self.standings = Standings(spec.metrics or (spec.metric,)) if self.stopper and spec.metric else None
        self.repeating = Repeating(spec.repeats, goal) if spec.repeats.count > 1 else None
        self.underway = Underway()
        given = (self.underway, self.standings, self.repeating)
        #: What is kept up to date from step to step.
        self.caches: tuple[Underway | Standings | Repeating, ...] = tuple(each for each in given if each is not None)
        self._version = 0
        self.edited = False

    @property
    def decides(self) -> bool:
        """Whether a report can end a trial or the sweep, so that it should be taken over without delay."""
        return self.stopper is not None or (self.spec.metric is not None and self.spec.metric.target is not None)

    @property
    def gang(self) -> Gang | None:
        """How a trial is spread over processes; None when it is one."""
        needed = self.spec.resources
        return Gang(needed.nodes, needed.per_node) if needed.distributed else None

    @classmethod
    def load(cls, sweep: SweepRow, root: Path) -> Plan:
        """The plan of a stored sweep."""
        spec = parse_spec(json.loads(sweep.spec), sweep.origin or "the stored spec")
        plan = cls(spec, folder_of(root, sweep.id))
        plan.edited = sweep.edits > 0
        return plan

    def task(self, sweep: SweepRow) -> Task:
        """What its trials run."""
        pickled = self._folder / PICKLE
        if pickled.exists():
            return Task(pickled=pickled.read_bytes(), cwd=sweep.cwd)
        command = tuple(self.spec.command) if self.spec.command is not None else None
        return Task(
            program=self.spec.program,
            command=command,
            function=self.spec.function,
            cwd=sweep.cwd,
            import_paths=(str(_beside(sweep)),),
        )

    def suggest(self, connection: sa.Connection, sweep: SweepRow, number: int) -> Suggestion | None:
        """The config of new trial `number`; None when the space holds no further one."""
        if self._searcher is None:
            self._searcher = self._make_searcher(sweep)
        if self._searcher.uses_history or self._counts_points:
            self._catch_up(connection, sweep)
        if given := self._given(sweep, number):
            return given
        if isinstance(self._searcher, Grid | GridRest):
            return self._searcher.point(self._history, number)
        return self._searcher.suggest(self._history, number, rng_for(sweep.seed, number))

    def note(self, trial: TrialRow) -> None:
        """A trial's row is stored like that."""
        for cache in self.caches:
            cache.note(trial)

    def make(self, connection: sa.Connection, sweep: SweepRow) -> Made | None:
        """What the next new trial runs; None when the sweep has nothing new to run."""
        if self.repeating is None:
            number = sweep.made + 1
            suggestion = self.suggest(connection, sweep, number)
            return None if suggestion is None else Made(suggestion, self.point_of(suggestion), number, 0)
        for more in (True, False):
            following = self.repeating.next(more)
            if following.setup is not None:
                return self._repeat(following.setup, following.repeat)
            suggestion = self.suggest(connection, sweep, following.number) if more else None
            if suggestion is not None:
                first = replace(suggestion, config=self.repeating.config(suggestion.config, 0))
                return Made(first, self.point_of(suggestion), following.number, 0)
        return None

    def _repeat(self, setup: Setup, repeat: int) -> Made:
        assert self.repeating is not None
        why = f"repeat {repeat + 1} of {self.spec.repeats.count} of setup {setup.number}"
        return Made(Suggestion(self.repeating.config(setup.config, repeat), why), setup.point, setup.number, repeat)

    def point_of(self, suggestion: Suggestion) -> str:
        """The hash by which a point of a countable space is known again; "" where nobody asks."""
        return self.space.point_hash(suggestion.config) if self._counts_points else ""

    @property
    def _counts_points(self) -> bool:
        """Whether it must be known which points were handed out: a grid knows by its numbers, unless it was edited."""
        return self.space.size is not None and (self.spec.method != "grid" or self.edited)

    def check_searcher(self, sweep: SweepRow) -> None:
        """Raise what is wrong with a search method of the user's own, before anything is made."""
        if is_custom(self.spec.method):
            self._make_searcher(sweep)

    def _make_searcher(self, sweep: SweepRow) -> Searcher:
        if self.spec.method == "grid" and self.edited:
            return GridRest(self.space)
        return make_searcher(self.spec, self.space, sweep.seed, _beside(sweep))

    def _point(self, trial: TrialRow) -> str:
        """The hash of a trial's point as the present space sees it."""
        if not self.edited:
            return trial.point
        return self.space.point_hash(self.spec.repeats.plain(trial.config)) if self._counts_points else ""

    def _catch_up(self, connection: sa.Connection, sweep: SweepRow) -> None:
        """Read what changed since the last time. The present version may still grow, so it is read again next time."""
        if self.repeating is not None:
            for observation, point in self.repeating.observations():
                self._history.put(observation, point)
            return
        for trial in ledger.changed_since(connection, sweep.id, self._version):
            self._history.put(_observation(trial, self.spec.metrics), self._point(trial))
        self._version = sweep.version - 1

    def _given(self, sweep: SweepRow, number: int) -> Suggestion | None:
        """The point of `warm_start` for this trial, what it leaves out drawn at random; None when there is none."""
        points = self.spec.warm_start.points
        if number > len(points):
            return None
        rng = rng_for(sweep.seed, number)
        for _ in range(_DRAWS):
            config = self.space.completed(points[number - 1], rng.random(len(self.space.searched)).tolist())
            suggestion = Suggestion(config, f"warm start: given point {number} of {len(points)}")
            if self.space.allows(config) and self.point_of(suggestion) not in self._history.seen:
                return suggestion
        return None

    def _empty_history(self) -> History:
        history = make_history(self.spec)
        for observation in read_prior(self._folder):
            history.put(observation, "")
        return history


#: The file in a sweep's folder that holds the cloudpickled function of a sweep made from Python.
PICKLE = "function.pkl"


def folder_of(root: Path, sweep_id: str) -> Path:
    """A sweep's own folder in the store."""
    return root / "sweeps" / sweep_id


def _beside(sweep: SweepRow) -> Path:
    """The folder of the sweep file, where what it names is looked for."""
    return Path(sweep.origin).parent if sweep.origin else Path(sweep.cwd)


def _observation(trial: TrialRow, metrics: Sequence[Metric]) -> Observation:
    value = trial.best if trial.state in ENDED else None
    values, over = trial.objectives, violation(metrics, trial.objectives)
    return Observation(trial.number, trial.config, str(trial.state), value, trial.latest, trial.best, values, over)
