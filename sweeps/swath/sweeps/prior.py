"""What a sweep knows from before it began: results of earlier sweeps and runs, kept with it from its creation on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from swath.sweeps import ledger
from swath.sweeps.search import Observation
from swath.sweeps.space import SearchSpace, find
from swath.sweeps.spec import Metric, SweepSpec
from swath.sweeps.states import TrialState
from swath.sweeps.values import finite
from swath.tracking.apply.fold import lookup
from swath.tracking.errors import NotFound, UsageError
from swath.tracking.store import runs

#: The file in a sweep's folder that holds them.
FILE = "prior.json"
#: A value that no distribution contains.
_NOTHING = object()

_Result = tuple[str, dict[str, Any], Mapping[str, Any], float | None]
"""A run's id, its config, its summary, and as a trial its best value."""


class Prior(msgspec.Struct, frozen=True):
    """A configuration that fits the sweep, what it came to in each metric, and the run that it is from."""

    config: dict[str, Any]
    values: tuple[float | None, ...]
    run: str


def gather(connection: sa.Connection, spec: SweepSpec, space: SearchSpace) -> list[Prior]:
    """The results that `warm_start` names, as far as they fit.

    A configuration of another space keeps what both have in common; what it lacks stands in the middle. One that has
    no searched parameter in common says nothing and is left out. Raises `NotFound` for ids that are not there, and
    `UsageError` when nothing fits.
    """
    metrics = spec.metrics or ((spec.metric,) if spec.metric else ())
    found = [*_of_sweeps(connection, spec.warm_start.sweeps), *_of_runs(connection, spec.warm_start.runs)]
    priors = []
    for run_id, config, summary, best in found:
        values = _values(metrics, summary, best)
        fitted = _fitted(space, config)
        if fitted is not None and any(value is not None for value in values):
            priors.append(Prior(fitted, values, run_id))
    if not priors and (spec.warm_start.sweeps or spec.warm_start.runs):
        names = " and ".join(metric.name for metric in metrics) or "any metric"
        raise UsageError(
            f"warm_start names nothing that fits: none of {len(found)} runs has a result in {names} and a parameter "
            "of this sweep",
            "name sweeps of the same metric, with parameters of the same names and values",
        )
    return priors


def _of_sweeps(connection: sa.Connection, ids: Iterable[str]) -> Iterator[_Result]:
    for sweep_id in ids:
        if ledger.get_sweep(connection, sweep_id) is None:
            raise NotFound(f"warm_start: there is no sweep {sweep_id!r}", "list the sweeps with: sweep list")
        trials = ledger.trials_in(connection, sweep_id, TrialState.FINISHED, TrialState.STOPPED)
        known = runs.get_many(connection, [trial.run_id for trial in trials])
        for trial in trials:
            run = known.get(trial.run_id)
            yield trial.run_id, trial.config, run.summary if run else {}, trial.best


def _of_runs(connection: sa.Connection, ids: Iterable[str]) -> Iterator[_Result]:
    for run_id in ids:
        run = runs.get(connection, run_id)
        if run is None:
            raise NotFound(f"warm_start: there is no run {run_id!r}", "list the runs with: sweep runs")
        trial = ledger.get_trial(connection, run_id)
        yield run_id, trial.config if trial else run.config, run.summary, trial.best if trial else None


def _values(metrics: Sequence[Metric], summary: Mapping[str, Any], best: float | None) -> tuple[float | None, ...]:
    """The result in each metric: of a single one the best value, where the run was a trial for that very metric."""
    values = []
    for metric in metrics:
        value = lookup(dict(summary), metric.name)
        known = float(value) if finite(value) else None
        values.append(best if len(metrics) == 1 and known is not None and best is not None else known)
    return tuple(values)


def _fitted(space: SearchSpace, config: Mapping[str, Any]) -> dict[str, Any] | None:
    fitted = space.completed(config, [0.5] * len(space.searched))
    shared = any(leaf.distribution.contains(find(config, leaf.path, _NOTHING)) for leaf in space.searched)
    return fitted if shared and space.contains(fitted) else None


def write_prior(folder: Path, priors: Sequence[Prior]) -> None:
    """Keep them in the sweep's folder: what a sweep begins from does not change when other sweeps go on."""
    if priors:
        (folder / FILE).write_bytes(msgspec.json.encode(priors))


def read_prior(folder: Path) -> list[Observation]:
    """They as observations with numbers below 1, which no trial has; none when the sweep began from nothing."""
    try:
        priors = msgspec.json.decode((folder / FILE).read_bytes(), type=list[Prior])
    except FileNotFoundError:
        return []
    several = any(len(prior.values) > 1 for prior in priors)
    return [
        Observation(
            -place, prior.config, "finished", prior.values[0], prior.values[0], prior.values[0],
            prior.values if several else (),
        )
        for place, prior in enumerate(priors)
    ]  # fmt: skip
