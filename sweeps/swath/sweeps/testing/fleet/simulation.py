"""Runs seeds: each one from its scenario to its verdict, always with the same one."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import msgspec

from swath.sweeps.controller import Controller
from swath.sweeps.testing.fleet import ending
from swath.sweeps.testing.fleet.scenario import Scenario, scenario
from swath.sweeps.testing.fleet.world import MakeController, Stage, World

_MEMORY = Path("/dev/shm")


class Verdict(msgspec.Struct, frozen=True):
    """What came of a seed: `broken` says which law did not hold and how ("" where all did)."""

    seed: int
    broken: str
    steps: int
    transactions: int
    seconds: float
    trace: tuple[str, ...] = ()
    error: BaseException | None = None


def simulate(seed: int, *, make: MakeController = Controller, tracing: bool = False) -> Verdict:
    """Run one seed. `make` is the controller under test."""
    stage = _stage()
    stage.clear()
    return _simulated(scenario(seed), stage, make, tracing)


def _simulated(facts: Scenario, stage: Stage, make: MakeController, tracing: bool) -> Verdict:
    world = World(facts, stage, make, tracing)
    broken, failure = "", None
    try:
        world.run(ending.check)
    except Exception as error:
        broken, failure = f"{type(error).__name__}: {error}", error
    return Verdict(
        facts.seed, broken, world.scheduler.steps, world.auditor.steps, world.scheduler.now, tuple(world.trace), failure
    )


def broken_among(seeds: Iterable[int], *, make: MakeController = Controller) -> Verdict | None:
    """The first of `seeds` in which a law is broken."""
    verdicts = (simulate(seed, make=make) for seed in seeds)
    return next((verdict for verdict in verdicts if verdict.broken), None)


@cache
def _stage() -> Stage:
    """This process's own, in memory where there is a folder for that."""
    folder = Path(tempfile.mkdtemp(prefix="swath-fleet-", dir=_MEMORY if _MEMORY.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Stage(folder)
