"""What a checked sweep file says, as frozen values; reading and checking it is done elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from swath.sweeps.spec.faults import Fault

if TYPE_CHECKING:
    from swath.sweeps.spec.stoppers import StopperSettings

Goal = Literal["minimize", "maximize"]
Impute = Literal["latest", "best", "worst"]
Aggregate = Literal["mean", "median", "lower"]
Placement = Literal["spread", "pack"]


@dataclass(frozen=True)
class Metric:
    """What the sweep optimises. `impute_while_running` is None where a running trial counts as running."""

    name: str
    goal: Goal = "minimize"
    target: float | None = None
    impute: Impute = "worst"
    impute_while_running: Impute | None = None
    limit: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The metric as the file would say it."""
        data: dict[str, Any] = {"name": self.name, "goal": self.goal, "impute": self.impute}
        if self.target is not None:
            data["target"] = self.target
        if self.impute_while_running is not None:
            data["impute_while_running"] = self.impute_while_running
        if self.limit is not None:
            data["limit"] = self.limit
        return data


@dataclass(frozen=True)
class HyperbandSettings:
    """Bands counted up from `min_iter`, or `s` of them counted down from `max_iter`; exactly one of the two is set."""

    min_iter: int | None = None
    max_iter: int | None = None
    s: int | None = None
    eta: float = 3
    strict: bool = True

    def to_dict(self) -> dict[str, Any]:
        """The settings as the file would say them."""
        data = {"min_iter": self.min_iter, "max_iter": self.max_iter, "s": self.s}
        given = {key: value for key, value in data.items() if value is not None}
        return {"type": "hyperband", **given, "eta": self.eta, "strict": self.strict}


@dataclass(frozen=True)
class Budget:
    """When to make no more trials; None: no such bound. Times in seconds."""

    trials: int | None = None
    time_s: float | None = None
    gpu_hours: float | None = None
    no_improvement: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The budget as the file would say it."""
        time = None if self.time_s is None else _time(self.time_s)
        data = {
            "trials": self.trials, "time": time, "gpu_hours": self.gpu_hours, "no_improvement": self.no_improvement,
        }  # fmt: skip
        return {key: value for key, value in data.items() if value is not None}


@dataclass(frozen=True)
class Repeats:
    """Each configuration is run `count` times, with 0, 1, ... as `over`; `early`: bad ones less often."""

    count: int = 1
    aggregate: Aggregate = "mean"
    over: str = "seed"
    early: bool = True

    def to_dict(self) -> dict[str, Any]:
        """The repeats as the file would say them; nothing where each configuration is run once."""
        if self == Repeats():
            return {}
        return {"count": self.count, "aggregate": self.aggregate, "over": self.over, "early": self.early}

    def plain(self, config: dict[str, Any]) -> dict[str, Any]:
        """A trial's config as the search chose it: without what a repeat adds to it."""
        return {key: value for key, value in config.items() if key != self.over} if self.count > 1 else config


@dataclass(frozen=True)
class WarmStart:
    """Earlier sweeps and runs by id, and configurations (perhaps with parameters left out) to try first."""

    sweeps: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    points: tuple[dict[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """What to begin from as the file would say it."""
        data = {"sweeps": list(self.sweeps), "runs": list(self.runs), "points": list(self.points)}
        return {key: value for key, value in data.items() if value}


@dataclass(frozen=True)
class Resources:
    """What one trial needs on each of its `nodes`; `memory` in bytes, None: unlimited.

    `processes` start on each node, None: as many as follow from the rest. `custom`: amounts of what the user names.
    """

    cpu: float = 1.0
    gpu: float = 0.0
    memory: int | None = None
    nodes: int = 1
    processes: int | None = None
    placement: Placement = "spread"
    custom: tuple[tuple[str, float], ...] = ()

    @property
    def distributed(self) -> bool:
        """Whether a trial is started as ranks of a process group, be it of one."""
        return self.nodes > 1 or self.processes is not None

    @property
    def per_node(self) -> int:
        """How many processes of a trial start on each node."""
        if self.processes is not None:
            return self.processes
        return max(1, int(self.gpu)) if self.nodes > 1 else 1

    def to_dict(self) -> dict[str, Any]:
        """The resources as the file would say them."""
        more: dict[str, Any] = {} if self.memory is None else {"memory": self.memory}
        plain = Resources()
        for key in ("nodes", "processes", "placement"):
            if getattr(self, key) != getattr(plain, key):
                more[key] = getattr(self, key)
        more |= {"custom": dict(self.custom)} if self.custom else {}
        return {"cpu": self.cpu, "gpu": self.gpu, **more}


@dataclass(frozen=True)
class RetryOom:
    """A trial that ran out of memory is run again with `factor` times as much, at most `max` times."""

    factor: float
    max: int = 2

    def to_dict(self) -> dict[str, Any]:
        """The policy as the file would say it."""
        return {"memory": f"x{self.factor!r}", "max": self.max}


@dataclass(frozen=True)
class Retry:
    """How often one trial is run again at most, and after which endings or causes. Times in seconds.

    It waits `backoff_s` before, twice as long each further time, up to `backoff_max_s`. A trial that is silent for
    `hang_after_s` is ended as hung; None: never. One with `set_aside` attempts that ended badly is not run again.
    `oom`: what ran out of memory is run again with more of it, whatever `on` and `max` say.
    """

    max: int = 5
    on: frozenset[str] = frozenset({"crashed", "preempted"})
    backoff_s: float = 0.0
    backoff_max_s: float = 600.0
    hang_after_s: float | None = None
    set_aside: int = 20
    oom: RetryOom | None = None

    def delay_s(self, time: int) -> float:
        """How long a trial waits before it is run again for the `time`-th time, from 1 on."""
        doubled = self.backoff_s * 2.0 ** min(time - 1, 60)
        return min(doubled, max(self.backoff_s, self.backoff_max_s))

    def to_dict(self) -> dict[str, Any]:
        """The policy as the file would say it."""
        data: dict[str, Any] = {"max": self.max, "on": sorted(self.on)}
        for key, seconds, default in (
            ("backoff", self.backoff_s, 0.0), ("backoff_max", self.backoff_max_s, 600.0),
            ("hang_after", self.hang_after_s, None),
        ):  # fmt: skip
            if seconds is not None and seconds != default:
                data[key] = _time(seconds)
        data |= {} if self.oom is None else {"oom": self.oom.to_dict()}
        return data if self.set_aside == 20 else {**data, "set_aside": self.set_aside}


def _time(seconds: float) -> str:
    """Seconds as the file would say them, to the last digit."""
    text = repr(float(seconds))
    return f"{f'{seconds:.20f}' if 'e' in text else text.removesuffix('.0')}s"


@dataclass(frozen=True)
class SweepSpec:
    """A sweep file without faults. `parameters` is plain nested data; `swath.sweeps.space` gives it types.

    `metrics` holds all metrics of a sweep with several, and is empty for a sweep with one; `metric` is the first of
    them then. `method` is a name of `keys.METHODS`; for `custom: package.module:Searcher` it is that whole text.

    `notices` are sentences about keys that were accepted and do nothing. `source` is the text it was read from.
    """

    method: str
    parameters: dict[str, Any]
    metric: Metric | None = None
    early_terminate: StopperSettings | None = None
    program: str | None = None
    command: tuple[str, ...] | None = None
    function: str | None = None
    name: str | None = None
    description: str | None = None
    project: str | None = None
    entity: str | None = None
    run_cap: int | None = None
    seed: int | None = None
    agents: int | None = None
    resources: Resources = Resources()
    retry: Retry = Retry()
    metrics: tuple[Metric, ...] = ()
    constraints: tuple[str, ...] = ()
    search: dict[str, Any] = field(default_factory=dict)
    budget: Budget = Budget()
    repeats: Repeats = Repeats()
    warm_start: WarmStart = WarmStart()
    notices: tuple[str, ...] = field(default=(), compare=False)
    source: str = field(default="", compare=False)

    @property
    def most_trials(self) -> int | None:
        """How many trials are made at most; None without such a bound."""
        return self.budget.trials if self.run_cap is None else self.run_cap

    def to_dict(self) -> dict[str, Any]:
        """Plain data that parses into an equal spec."""
        data: dict[str, Any] = {"method": self.method, "parameters": self.parameters}
        for key in (
            "program",
            "function",
            "name",
            "description",
            "project",
            "entity",
            "run_cap",
            "seed",
            "agents",
        ):
            data[key] = getattr(self, key)
        if self.metrics:
            data["metrics"] = [metric.to_dict() for metric in self.metrics]
        for key in ("constraints", "search"):
            value = getattr(self, key)
            data[key] = (list(value) if isinstance(value, tuple) else value) or None
        data["command"] = None if self.command is None else list(self.command)
        for key in ("metric", "early_terminate", "resources", "retry", "budget", "repeats", "warm_start"):
            part = getattr(self, key)
            data[key] = None if part is None or (key == "metric" and self.metrics) else part.to_dict() or None
        return {key: value for key, value in data.items() if value is not None}

    def runnable_faults(self, base: Path | None = None) -> tuple[Fault, ...]:
        """What stops a valid spec from being run as it is; with `base`, also a program that is not there.

        A function given from Python stands in for `program`: give it with `dataclasses.replace`, or leave the fault
        of the key `program` out.
        """
        faults = []
        if self.early_terminate and not self.metric:
            hint = "add metric: {name: ..., goal: ...}"
            faults.append(Fault("metric", "early_terminate needs to know the metric it compares", hint))
        if not (self.program or self.command or self.function):
            hint = "add `program: train.py` or `function: package.module:train`, or pass a function from Python"
            faults.append(Fault("program", "the spec does not say what to run", hint))
        elif self.command and not self.program and "${program}" in self.command:
            faults.append(Fault("program", "the command holds ${program}, and there is no `program`", "add it"))
        elif self.program and base is not None and not (base / self.program).is_file():
            hint = f"paths are relative to {base.resolve()}"
            faults.append(Fault("program", f"there is no program {self.program}", hint))
        return tuple(faults)
