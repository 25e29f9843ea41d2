"""Where on a Ray agents are put, what they take and what they find there, as it was asked for; does not import ray."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from swath.tracking.errors import UsageError

STRATEGIES = ("spread", "pack")
KEYS = ("strategy", "labels", "working_dir", "pip", "env")
#: What is never sent along with a working directory; what its .gitignore names stays behind as well.
LEFT_BEHIND = (".swath", ".git", "__pycache__")

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Resources:
    """What each agent takes: CPUs, GPUs (may be a part of one), bytes of memory, and the cluster's own resources.

    With `nodes` it takes that on as many machines (fewer if `packed`), all at once or none.
    """

    cpu: float = 1
    gpu: float = 0
    memory: int | None = None
    custom: tuple[tuple[str, float], ...] = ()
    nodes: int = 1
    packed: bool = False

    def describe(self) -> str:
        """For people: "1 CPU, 0.5 GPU"."""
        parts = [(self.cpu, "CPU"), (self.gpu, "GPU"), *((amount, name) for name, amount in self.custom)]
        words = [f"{amount:g} {name}" for amount, name in parts if amount]
        words += [f"{self.memory / 2**30:.2g} GiB of memory"] if self.memory else []
        where = "" if self.nodes == 1 else f" on each of {self.nodes} {'places' if self.packed else 'nodes'} at once"
        return (", ".join(words) or "nothing") + where

    def bundle(self) -> dict[str, float]:
        """The part of a placement group that one node is."""
        amounts = {"CPU": self.cpu, "GPU": self.gpu, "memory": float(self.memory or 0), **dict(self.custom)}
        return {name: amount for name, amount in amounts.items() if amount}

    def options(self) -> dict[str, Any]:
        """The options of an actor that takes this on one node."""
        custom = dict(self.custom) or None
        options: dict[str, Any] = {"num_cpus": self.cpu, "num_gpus": self.gpu, "resources": custom}
        return options | ({"memory": self.memory} if self.memory else {})


@dataclass(frozen=True)
class RayOptions:
    """`strategy`: spread the agents over the nodes, or pack them onto few; by default Ray decides.

    `labels`: only on nodes that have these labels. `working_dir`: a folder of this machine (or the URI of an archive)
    that is sent to the nodes; trials run in it, and import from it. `pip`: packages that are installed for the agents.
    `env`: environment variables of the agents and their trials.
    """

    strategy: str | None = None
    labels: Pairs = ()
    working_dir: str | None = None
    pip: tuple[str, ...] = ()
    env: Pairs = ()

    def __post_init__(self) -> None:
        if self.strategy is not None and self.strategy not in STRATEGIES:
            raise UsageError(f"there is no strategy {self.strategy!r}", "it is spread or pack")
        if self.folder is not None and not Path(self.folder).is_dir():
            raise UsageError(f"the working directory {self.folder} is no folder", "name one of this machine, or a URI")

    @staticmethod
    def of(given: Mapping[str, Any] | RayOptions | None) -> RayOptions:
        """The options of a dict with some of `KEYS`; `labels` and `env` are dicts, `pip` is a list or a file's name."""
        if given is None or isinstance(given, RayOptions):
            return given or RayOptions()
        for name in given:
            if name not in KEYS:
                near = get_close_matches(str(name), KEYS, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(KEYS)}"
                raise UsageError(f"ray={{{name!r}: ...}} is no option", hint)
        pip = given.get("pip") or ()
        folder = given.get("working_dir")
        return RayOptions(
            given.get("strategy"),
            _pairs(given.get("labels")),
            None if folder is None else str(folder),
            requirements([pip] if isinstance(pip, str | Path) else pip),
            _pairs(given.get("env")),
        )

    @property
    def folder(self) -> str | None:
        """The folder of this machine that is sent to the nodes, if it is one."""
        return None if self.working_dir is None or "://" in self.working_dir else str(Path(self.working_dir).absolute())

    def of_connection(self) -> dict[str, Any]:
        """The runtime environment of everything that this process starts: Ray sends folders with a connection alone."""
        return {} if self.folder is None else {"working_dir": self.folder, "excludes": list(LEFT_BEHIND)}

    def of_agent(self) -> dict[str, Any]:
        """The runtime environment of the agents, on top of the connection's."""
        wanted: dict[str, Any] = {}
        if self.working_dir is not None and self.folder is None:
            wanted["working_dir"] = self.working_dir
        if self.pip:
            wanted["pip"] = list(self.pip)
        if self.env:
            wanted["env_vars"] = dict(self.env)
        return wanted

    def to_arguments(self) -> list[str]:
        """The options as the command line takes them."""
        arguments = [f"--{self.strategy}"] if self.strategy else []
        arguments += ["--working-dir", self.folder or self.working_dir] if self.working_dir else []
        for name, values in (("--label", said(self.labels)), ("--env", said(self.env)), ("--pip", self.pip)):
            arguments += [word for value in values for word in (name, value)]
        return arguments


def requirements(given: Iterable[str | Path]) -> tuple[str, ...]:
    """What is to be installed; of a file the requirements in it."""
    found: list[str] = []
    for each in given:
        if not Path(each).is_file():
            found.append(str(each))
            continue
        lines = (line.partition(" #")[0].strip() for line in Path(each).read_text(encoding="utf-8").splitlines())
        found += [line for line in lines if line and not line.startswith("#")]
    return tuple(found)


def pairs_of(option: str, given: Sequence[str]) -> Pairs:
    """`KEY=VALUE` words as pairs."""
    for word in given:
        if not word.partition("=")[0] or "=" not in word:
            raise UsageError(f"{option} {word} is no KEY=VALUE", f"write it as {option} KEY=VALUE")
    return tuple((word.partition("=")[0], word.partition("=")[2]) for word in given)


def said(pairs: Pairs) -> list[str]:
    """Pairs as `KEY=VALUE` words."""
    return [f"{key}={value}" for key, value in pairs]


def _pairs(given: Mapping[str, Any] | None) -> Pairs:
    return tuple((str(key), str(value)) for key, value in (given or {}).items())
