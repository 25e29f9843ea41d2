"""What a checked sweep file says, as frozen values; reading and checking it is done elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from swath.sweeps.spec.faults import Fault

Goal = Literal["minimize", "maximize"]
Impute = Literal["latest", "best", "worst"]


@dataclass(frozen=True)
class Metric:
    """What the sweep optimises. `impute_while_running` is None where a running trial counts as running."""

    name: str
    goal: Goal = "minimize"
    target: float | None = None
    impute: Impute = "worst"
    impute_while_running: Impute | None = None

    def to_dict(self) -> dict[str, Any]:
        """The metric as the file would say it."""
        data: dict[str, Any] = {"name": self.name, "goal": self.goal, "impute": self.impute}
        if self.target is not None:
            data["target"] = self.target
        if self.impute_while_running is not None:
            data["impute_while_running"] = self.impute_while_running
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
class Resources:
    """What one trial needs; `memory` in bytes, None: unlimited."""

    cpu: float = 1.0
    gpu: float = 0.0
    memory: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The resources as the file would say them."""
        memory = {} if self.memory is None else {"memory": self.memory}
        return {"cpu": self.cpu, "gpu": self.gpu, **memory}


@dataclass(frozen=True)
class Retry:
    """How often one trial is run again at most, and after which endings."""

    max: int = 5
    on: frozenset[str] = frozenset({"crashed", "preempted"})

    def to_dict(self) -> dict[str, Any]:
        """The policy as the file would say it."""
        return {"max": self.max, "on": sorted(self.on)}


@dataclass(frozen=True)
class SweepSpec:
    """A sweep file without faults. `parameters` is plain nested data; `swath.sweeps.space` gives it types.

    `notices` are sentences about keys that were accepted and do nothing. `source` is the text it was read from.
    """

    method: str
    parameters: dict[str, Any]
    metric: Metric | None = None
    early_terminate: HyperbandSettings | None = None
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
    notices: tuple[str, ...] = field(default=(), compare=False)
    source: str = field(default="", compare=False)

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
        data["command"] = None if self.command is None else list(self.command)
        for key in ("metric", "early_terminate", "resources", "retry"):
            part = getattr(self, key)
            data[key] = None if part is None else part.to_dict()
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
