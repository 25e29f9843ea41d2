"""`python -m swath.sweeps.testing.fleet --seed N --trace`: runs one seed (`--seeds N`: many), says what broke."""

from __future__ import annotations

import argparse
import sys
import traceback

from swath.sweeps.testing.fleet.many import broken_in
from swath.sweeps.testing.fleet.scenario import scenario
from swath.sweeps.testing.fleet.simulation import simulate
from swath.tracking.clock import SYSTEM_CLOCK


def main() -> int:
    """The exit code is 1 when any law is broken."""
    parser = argparse.ArgumentParser(prog="python -m swath.sweeps.testing.fleet", description=__doc__)
    parser.add_argument("--seed", type=int, help="one seed")
    parser.add_argument(
        "--seeds", default="1000", help="so many seeds, or the first and the one behind the last: 0:1000"
    )
    parser.add_argument("--jobs", type=int, default=1, help="over so many processes (default 1)")
    parser.add_argument("--trace", action="store_true", help="print what happened, in order")
    options = parser.parse_args()
    if options.seed is not None:
        return _one(options.seed, options.trace)
    first, _, last = options.seeds.rpartition(":")
    return _many(range(int(first or 0), int(last)), options.jobs)


def _one(seed: int, tracing: bool) -> int:
    verdict = simulate(seed, tracing=tracing)
    if tracing:
        print(scenario(seed), *verdict.trace, sep="\n")
    if verdict.error is not None:
        traceback.print_exception(verdict.error)
    print(verdict.broken or f"every law holds: {verdict.transactions} transactions in {verdict.seconds:.0f} s")
    return bool(verdict.broken)


def _many(seeds: range, jobs: int) -> int:
    began, broken = SYSTEM_CLOCK.monotonic(), 0
    for seed, law in broken_in(seeds, jobs):
        broken += 1
        print(f"seed {seed}: {law}", flush=True)
    seconds = SYSTEM_CLOCK.monotonic() - began
    print(f"{len(seeds)} seeds, {broken} broken, {seconds:.1f} s ({seconds / max(len(seeds), 1) * 1000:.1f} ms a seed)")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
