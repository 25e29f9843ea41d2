"""What all benchmarks share: sides run in turn in fresh processes, ratios, tables. It measures nothing itself.

A script hands `main` its sides (name -> function that returns figures) and a function that makes measures of them.
Every side runs in a process and an empty folder of its own, so that no import, thread or cache of one helps or hurts
another, and the rounds go through all sides in turn, so that a slow minute of the machine hits them all.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

Figures = dict[str, float]
Better = Literal["higher", "lower"]
Side = Callable[[], Figures]
MARK = "FIGURES "


@dataclass(frozen=True)
class Measure:
    """One thing measured on several sides, in one unit. `goal` is the figure that swath is held to."""

    name: str
    unit: str
    better: Better
    swath: float | None
    peers: Mapping[str, float] = field(default_factory=dict)
    goal: float | None = None

    def ratio(self, peer: str) -> float | None:
        """How many times better swath is than `peer`; below 1 it is worse."""
        if self.swath is None or not self.swath or not self.peers[peer]:
            return None
        return self.swath / self.peers[peer] if self.better == "higher" else self.peers[peer] / self.swath

    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is no goal or no figure."""
        if self.goal is None or self.swath is None:
            return None
        return self.swath >= self.goal if self.better == "higher" else self.swath <= self.goal


class NotInstalled(Exception):
    """A peer is missing: the side is left out, and the report says so."""


def peer(module: str) -> Any:
    """Import a peer, which only an environment for benchmarks has."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise NotInstalled(f"{module} is not installed: pip install -e '.[bench]'") from error


def percentile(samples: Sequence[float], share: float) -> float:
    """The sample below which `share` (0 to 1) of the samples lie."""
    return sorted(samples)[min(int(share * len(samples)), len(samples) - 1)]


def environment(packages: Sequence[str]) -> dict[str, str]:
    """What the figures depend on: date, machine, how busy it is, Python, and the versions of `packages`."""
    facts = {
        "date": date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {_processor()}, {platform.system()} {platform.machine()}",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
    }
    for name in packages:
        try:
            facts[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return facts


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def run_in_turn(script: str, sides: Sequence[str], rounds: int) -> dict[str, list[Figures]]:
    """Run every side `rounds` times, one side after the other in each round."""
    results: dict[str, list[Figures]] = {name: [] for name in sides}
    for turn in range(rounds):
        for name in sides:
            print(f"round {turn + 1} of {rounds}: {name} ...", file=sys.stderr, flush=True)
            figures = _run_side(script, name)
            if figures is not None:
                results[name].append(figures)
    return {name: rows for name, rows in results.items() if rows}


def _run_side(script: str, name: str) -> Figures | None:
    with tempfile.TemporaryDirectory(prefix="swath-bench-") as folder:
        done = subprocess.run(
            [sys.executable, os.path.abspath(script), "--side", name],
            cwd=folder,
            env={**os.environ, "HOME": folder, "TMPDIR": folder, "SWATH_DIR": os.path.join(folder, ".swath")},
            capture_output=True,
            text=True,
        )
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            figures: Figures = json.loads(line[len(MARK) :])
            return figures
    last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-15:]
    print(f"  {name} gave no figures (exit code {done.returncode}):", *last, sep="\n    ", file=sys.stderr)
    return None


def best(results: Mapping[str, list[Figures]], side: str, figure: str, better: Better) -> float | None:
    """The best of one figure of one side over the rounds; None where the side gave none.

    Not the median: other work on a shared machine can only make a round slower, never faster.
    """
    values = [row[figure] for row in results.get(side, []) if figure in row]
    if not values:
        return None
    return max(values) if better == "higher" else min(values)


def bests(results: Mapping[str, list[Figures]], figure: str, better: Better) -> dict[str, float]:
    """`best` for all sides but swath's own: the peers of a measure."""
    found = {side: best(results, side, figure, better) for side in results if not side.startswith("swath")}
    return {side: value for side, value in found.items() if value is not None}


def main(
    script: str,
    sides: Mapping[str, Side],
    measures: Callable[[Mapping[str, list[Figures]]], list[Measure]],
    packages: Sequence[str],
    rounds: int = 3,
) -> None:
    """The command line of a benchmark: all sides in turn, then a table, JSON, or the table written to README.md."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"times each side is run (default {rounds})")
    parser.add_argument("--only", action="append", choices=list(sides), help="run this side only; may be repeated")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--write", action="store_true", help="also write the table to benchmarks/README.md")
    parser.add_argument("--side", choices=list(sides), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        _print_figures(sides[options.side])
        return
    facts = environment(packages)
    found = measures(run_in_turn(script, options.only or list(sides), options.rounds))
    print(json.dumps(_as_json(facts, found), indent=2) if options.json else _table(facts, found))
    if options.write:
        write_table(Path(script).resolve(), _table(facts, found))


def _print_figures(side: Side) -> None:
    try:
        print(MARK + json.dumps(side()), flush=True)
    except NotInstalled as missing:
        sys.exit(str(missing))


def _as_json(facts: Mapping[str, str], found: Sequence[Measure]) -> dict[str, Any]:
    rows = [
        {**asdict(measure), "ratio": {name: measure.ratio(name) for name in measure.peers}, "met": measure.met()}
        for measure in found
    ]
    return {"environment": dict(facts), "measures": rows}


def _table(facts: Mapping[str, str], found: Sequence[Measure]) -> str:
    lines = [
        ", ".join(f"{key} {value}" if key != "date" else value for key, value in facts.items()) + ".",
        "",
        "| measure | unit | swath | goal | peer: figure (swath is ... times better) |",
        "|---|---|---:|---:|---|",
    ]
    return "\n".join(lines + [_line(measure) for measure in found])


def _line(measure: Measure) -> str:
    sign = "≥" if measure.better == "higher" else "≤"
    goal = f"{sign} {_number(measure.goal)}" if measure.goal is not None else ""
    peers = [f"{name}: {_number(value)} ({_times(measure.ratio(name))})" for name, value in measure.peers.items()]
    return f"| {measure.name} | {measure.unit} | {_number(measure.swath)} | {goal} | {'; '.join(peers)} |"


def _times(ratio: float | None) -> str:
    return "no ratio" if ratio is None else f"{_number(ratio)}x"


def _number(value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write_table(script: Path, table: str) -> None:
    """Replace the part of README.md between the markers of `script` by `table`."""
    readme = script.with_name("README.md")
    begin, end = f"<!-- {script.stem} -->", f"<!-- end of {script.stem} -->"
    before, found, rest = readme.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{readme} has no place for {script.stem}: add the lines {begin} and {end}")
    readme.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")
