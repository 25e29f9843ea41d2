"""Many seeds at once: over several processes, each with a store of its own; one seed is run elsewhere."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from swath.sweeps.testing.fleet.simulation import simulate

#: Seeds that one process is given at a time.
PORTION = 50

Broken = tuple[int, str]


def broken_in(seeds: range, jobs: int = 1) -> Iterator[Broken]:
    """The seeds in which a law is broken, and which one, as they are found."""
    if jobs == 1:
        _settle()
        yield from (found for seed in seeds if (found := _tried(seed)))
        return
    portions = [seeds[start : start + PORTION] for start in range(0, len(seeds), PORTION)]
    # Not forked: a process has a store, and a folder that it removes at its end.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _settle) as pool:
        for done in as_completed([pool.submit(_portion, portion) for portion in portions]):
            yield from done.result()


def _settle() -> None:
    """Imports and the first seed leave a heap that garbage collections need not walk again: a tenth of the time."""
    simulate(0)
    gc.collect()
    gc.freeze()


def _portion(seeds: range) -> list[Broken]:
    return [found for seed in seeds if (found := _tried(seed))]


def _tried(seed: int) -> Broken | None:
    verdict = simulate(seed)
    return (seed, verdict.broken) if verdict.broken else None
