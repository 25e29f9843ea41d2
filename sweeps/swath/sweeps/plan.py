"""What follows from a sweep's spec and history: space, searcher, stopper, task. Cached, never stored."""

from __future__ import annotations

import json
from pathlib import Path

import sqlalchemy as sa

from swath.agents.protocol import Task
from swath.sweeps import ledger
from swath.sweeps.ledger import SweepRow, TrialRow
from swath.sweeps.search import History, Observation, Searcher, Suggestion, make_searcher, rng_for
from swath.sweeps.space import SearchSpace
from swath.sweeps.spec import SweepSpec, parse_spec
from swath.sweeps.states import ENDED
from swath.sweeps.stopping import Stopper, make_stopper

#: How long a trial may take to end after a stop request, and again after SIGTERM, in seconds.
GRACE_S = 10.0


class Plan:
    """The spec of one sweep, made able to act. Rebuilt from the store at any time with the same result."""

    def __init__(self, spec: SweepSpec, folder: Path) -> None:
        self.spec = spec
        self.space = SearchSpace.from_parameters(spec.parameters)
        self.stopper: Stopper | None = make_stopper(spec)
        self.metric_name = spec.metric.name if spec.metric else None
        self.grace_s = GRACE_S
        self._folder = folder
        self._searcher: Searcher | None = None
        self._history = self._empty_history()
        self._version = 0

    @property
    def decides(self) -> bool:
        """Whether a report can end a trial or the sweep, so that it should be taken over without delay."""
        return self.stopper is not None or (self.spec.metric is not None and self.spec.metric.target is not None)

    @classmethod
    def load(cls, sweep: SweepRow, root: Path) -> Plan:
        """The plan of a stored sweep."""
        return cls(parse_spec(json.loads(sweep.spec), sweep.origin or "the stored spec"), folder_of(root, sweep.id))

    def task(self, sweep: SweepRow) -> Task:
        """What its trials run."""
        pickled = self._folder / PICKLE
        if pickled.exists():
            return Task(pickled=pickled.read_bytes(), cwd=sweep.cwd)
        beside = str(Path(sweep.origin).parent) if sweep.origin else sweep.cwd
        command = tuple(self.spec.command) if self.spec.command is not None else None
        return Task(
            program=self.spec.program,
            command=command,
            function=self.spec.function,
            cwd=sweep.cwd,
            import_paths=(beside,),
        )

    def suggest(self, connection: sa.Connection, sweep: SweepRow, number: int) -> Suggestion | None:
        """The config of new trial `number`; None when the space holds no further one."""
        if self._searcher is None:
            self._searcher = make_searcher(self.spec, self.space)
        if self._searcher.uses_history or (self.space.size is not None and self.spec.method != "grid"):
            self._catch_up(connection, sweep)
        return self._searcher.suggest(self._history, number, rng_for(sweep.seed, number))

    def point_of(self, suggestion: Suggestion) -> str:
        """The hash by which a point of a countable space is known again; "" where nobody asks."""
        countable = self.space.size is not None and self.spec.method != "grid"
        return self.space.point_hash(suggestion.config) if countable else ""

    def _catch_up(self, connection: sa.Connection, sweep: SweepRow) -> None:
        """Read what changed since the last time. The present version may still grow, so it is read again next time."""
        for trial in ledger.changed_since(connection, sweep.id, self._version):
            self._history.put(_observation(trial), trial.point)
        self._version = sweep.version - 1

    def _empty_history(self) -> History:
        metric = self.spec.metric
        if metric is None:
            return History()
        return History(goal=metric.goal, impute=metric.impute, impute_while_running=metric.impute_while_running)


#: The file in a sweep's folder that holds the cloudpickled function of a sweep made from Python.
PICKLE = "function.pkl"


def folder_of(root: Path, sweep_id: str) -> Path:
    """A sweep's own folder in the store."""
    return root / "sweeps" / sweep_id


def _observation(trial: TrialRow) -> Observation:
    value = trial.best if trial.state in ENDED else None
    return Observation(trial.number, trial.config, str(trial.state), value, trial.latest, trial.best)
