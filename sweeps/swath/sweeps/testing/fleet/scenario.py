"""What a seed stands for: the sweep, the fleet, what its programs do, and which faults it meets. Plain facts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any, Literal

Place = Literal["server", "shared"]
Fate = Literal["good", "fails", "crashes", "hangs"]

METRIC = "loss"
_STOPPERS: tuple[dict[str, Any] | None, ...] = (
    None,
    None,
    {"type": "asha", "min_iter": 1, "max_iter": 4, "eta": 2},
    {"type": "asha", "min_iter": 1, "max_iter": 4, "eta": 2, "mode": "promote"},
    {"type": "hyperband", "min_iter": 1, "eta": 2},
    {"type": "hyperband", "max_iter": 4, "s": 2, "eta": 2, "strict": False},
    {"type": "median", "min_peers": 2},
    {"type": "bohb", "min_iter": 1, "max_iter": 4, "eta": 2, "brackets": 2},
    {"type": "plateau", "patience": 2, "non_finite": "stop"},
)
_RETRIES = (None, {"max": 0}, {"max": 1, "on": ["crashed", "preempted", "failed"]}, {"max": 3}, {"max": 2, "on": []})


@dataclass(frozen=True)
class Script:
    """What the program of one attempt does: so many rows, `pace` seconds apart, and its fate at row number `at`.

    `deaf`: it does not hear a stop request. `unusable`: the row whose value is NaN. `steps`: the step of each row.
    """

    rows: int
    pace: float
    fate: Fate
    at: int
    deaf: bool
    unusable: int | None
    steps: tuple[int, ...]


@dataclass(frozen=True)
class Faults:
    """How often what goes wrong: chances a message or a call, and mean seconds between the kills of each kind."""

    lost: float
    doubled: float
    delay: float
    straggler: float
    strike: float
    every_kill: float
    every_outage: float
    until: float


@dataclass(frozen=True)
class Scenario:
    """One simulated sweep. `expected`: how many trials it must come to in all; None: as many as its stopper wants."""

    seed: int
    spec: dict[str, Any]
    place: Place
    inline: bool
    agents: int
    expected: int
    lease_s: float
    faults: Faults
    flaky: float
    skew: float
    rehearse: float

    def script(self, number: int, attempt: int) -> Script:
        """What the program of that attempt does; some configurations never come to a good end."""
        return _script(self.seed, self.flaky, number, attempt)

    def value(self, number: int, attempt: int, row: int) -> float:
        """What it logs in its row; trials are often equal, and NaN where the script says so."""
        if row == self.script(number, attempt).unusable:
            return math.nan
        return _level(self.seed, number) + 1.0 / (1 + row)


@lru_cache(maxsize=1000)
def _script(seed: int, flaky: float, number: int, attempt: int) -> Script:
    rng = Random(f"{seed} {number} {attempt}")
    doomed = Random(f"{seed} {number}").random() < flaky / 4
    rows = rng.choice((0, 1, 2, 2, 3, 3, 4))
    fate: Fate = "good"
    if doomed or rng.random() < flaky:
        fate = rng.choice(("fails", "crashes", "crashes", "hangs"))
    pace = rng.choice((0.05, 0.3, 0.3, 0.8))
    steps = list(range(rows))
    if rng.random() < 0.2:
        rng.shuffle(steps)
    unusable = rng.randrange(rows) if rows and rng.random() < 0.1 else None
    return Script(rows, pace, fate, rng.randint(0, rows), rng.random() < 0.05, unusable, tuple(steps))


@lru_cache(maxsize=1000)
def _level(seed: int, number: int) -> int:
    return round(Random(f"{seed} {number} value").random() * 4)


def scenario(seed: int) -> Scenario:
    """The scenario of a seed."""
    rng = Random(f"scenario {seed}")
    spec, expected = _spec(rng, seed)
    rough = rng.choice((0.0, 0.5, 1.0, 1.0, 2.0))
    faults = Faults(
        lost=0.06 * rough, doubled=0.06 * rough, delay=rng.choice((0.001, 0.02, 0.2)), straggler=0.03 * rough,
        strike=0.03 * rough, every_kill=3.0 / max(rough, 0.1), every_outage=6.0 / max(rough, 0.1),
        until=rng.choice((3.0, 8.0, 12.0)) if rough else 0.0,
    )  # fmt: skip
    return Scenario(
        seed=seed, spec=spec, place=rng.choice(("server", "server", "shared")), inline=rng.random() < 0.3,
        agents=rng.choice((2, 2, 2, 3, 3, 4)), expected=expected, lease_s=rng.choice((1.5, 3.0, 3.0, 6.0)),
        faults=faults, flaky=rng.choice((0.0, 0.1, 0.3)), skew=rng.choice((0.0, 0.0, 0.1, 5.0)), rehearse=0.04,
    )  # fmt: skip


def _spec(rng: Random, seed: int) -> tuple[dict[str, Any], int]:
    method = rng.choice(("grid", "grid", "random", "random", "qmc"))
    points = rng.choice((2, 3, 4, 4, 5, 6))
    cap = rng.choice((None, points, rng.randint(1, points))) if method == "grid" else points
    repeats = rng.choice((2, 3)) if rng.random() < 0.15 else 1
    if repeats > 1:
        points = cap = 4
        cap = cap if method != "grid" else None
    lone = {"values": list(range(points))} if method != "qmc" else {"min": 0.0, "max": 1.0}
    many = {"values": list(range(2 * points))}
    spec: dict[str, Any] = {
        "method": method,
        "metric": {"name": METRIC, "goal": rng.choice(("minimize", "maximize"))},
        "parameters": {"x": lone if method != "random" else many},
        "seed": seed,
    }
    settings = {"run_cap": cap, "early_terminate": rng.choice(_STOPPERS), "retry": rng.choice(_RETRIES)}
    if repeats > 1:
        settings |= {"repeats": {"count": repeats, "early": False}, "early_terminate": None}
    spec |= {key: value for key, value in settings.items() if value is not None}
    size = points if cap is None else min(points, cap)
    return spec, size if repeats == 1 or cap is not None else size * repeats
