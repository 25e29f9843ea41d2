"""From a file, text or mapping to a `SweepSpec`, or to all faults at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from swath.sweeps.spec import keys
from swath.sweeps.spec.command import read_command
from swath.sweeps.spec.faults import Fault, SpecFaults, nearest
from swath.sweeps.spec.loader import Loaded, dump_json, load_mapping, load_yaml
from swath.sweeps.spec.metrics import read_metrics
from swath.sweeps.spec.model import SweepSpec
from swath.sweeps.spec.parameters import read_parameters
from swath.sweeps.spec.points import check_space, read_constraints, read_warm_start
from swath.sweeps.spec.policies import read_budget, read_repeats, read_resources, read_retry
from swath.sweeps.spec.read_priors import priors_in
from swath.sweeps.spec.read_stoppers import read_early_terminate
from swath.sweeps.spec.reader import Reader, shown
from swath.sweeps.spec.search import learns, read_method, read_search, several_goals

_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def load_spec(path: str | Path) -> SweepSpec:
    """The spec in the file `path`. Raises `SpecFaults`, also when the file cannot be read."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise SpecFaults(str(path), [Fault("", "there is no such file", _files_near(Path(path)))]) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SpecFaults(str(path), [Fault("", f"cannot be read: {reason}")]) from error
    return parse_spec(text, str(path))


def _files_near(path: Path) -> str:
    folder = path.parent
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return nearest(path.name, names) or f"looked in {folder.resolve()}"


def parse_spec(source: str | Mapping[str, Any], origin: str = "<spec>") -> SweepSpec:
    """The spec that YAML text or a mapping holds; `origin` names it in messages. Raises `SpecFaults`."""
    loaded = load_yaml(source) if isinstance(source, str) else load_mapping(source)
    if not isinstance(loaded.data, dict):
        faults = loaded.faults or (Fault("", f"a spec holds keys and values, not {shown(loaded.data)}"),)
        raise SpecFaults(origin, faults)
    reader = Reader(loaded)
    spec = _read(reader, loaded.data, source if isinstance(source, str) else dump_json(loaded.data))
    if spec is not None and not reader.faults:
        check_space(reader, spec)
    if spec is None or reader.faults:
        raise SpecFaults(origin, _in_file_order(reader.faults, loaded))
    return spec


def _read(read: Reader, data: dict[str, Any], source: str) -> SweepSpec | None:
    read.keys(data, (), keys.TOP, keys.LATER)
    method = read_method(read, data)
    search = read_search(read, data, method)
    parameters = read_parameters(read, data)
    metrics, stopper = read_metrics(read, data), read_early_terminate(read, data)
    command = read_command(read, data, parameters)
    program, function = read.text(data, "program"), _function(read, data)
    texts: dict[str, Any] = {key: read.text(data, key) for key in ("name", "description", "project", "entity")}
    run_cap, seed, agents = (
        read.whole(data, "run_cap", 1),
        read.whole(data, "seed", 0, most=keys.GREATEST_SEED),
        read.whole(data, "agents", 1),
    )
    resources, retry = read_resources(read, data), read_retry(read, data)
    constraints, warm_start = read_constraints(read, data), read_warm_start(read, data)
    budget, repeats = read_budget(read, data), read_repeats(read, data)
    _check_ineffective(read, data)
    if method is not None and len(metrics) > 1 and not several_goals(method):
        read.fault(("metrics",), f"{method} searches for one metric only", "use bayes, tpe, nsga2 or random")
    if method is not None and learns(method) and not ({"metric", "metrics"} & data.keys()):
        read.fault(("metric",), f"{method} needs a metric to learn from", "add metric: {name: ..., goal: minimize}")
    if read.faults or method is None:
        return None
    return SweepSpec(
        method=method, parameters=parameters, metric=metrics[0] if metrics else None,
        metrics=metrics if len(metrics) > 1 else (), early_terminate=stopper, program=program,
        command=command, function=function, **texts, run_cap=run_cap, seed=seed, agents=agents,
        resources=resources, retry=retry, constraints=constraints, search=search, budget=budget, repeats=repeats,
        warm_start=warm_start, source=source,
        notices=tuple(_notices(data, method, parameters)),
    )  # fmt: skip


def _notices(data: dict[str, Any], method: str, parameters: Mapping[str, Any]) -> Iterator[str]:
    yield from (notice for key, notice in keys.NOTICES.items() if key in data)
    if method == "grid" and any(True for _ in priors_in(parameters)):
        yield f"`prior` has {keys.PRIORS[method]}."


def _in_file_order(faults: list[Fault], loaded: Loaded) -> list[Fault]:
    return sorted(faults, key=lambda fault: (fault.line or 0, fault.column or 0)) if loaded.marks else faults


def _function(read: Reader, data: dict[str, Any]) -> str | None:
    function = read.text(data, "function")
    if function is not None and not _FUNCTION.fullmatch(function):
        read.fault(("function",), f"'{function}' does not name a function", "write package.module:name")
    for other in ("program", "command"):
        if "function" in data and other in data:
            read.fault(("function",), f"there is a `{other}` as well", "keep one of the two")
    return function


def _check_ineffective(read: Reader, data: dict[str, Any]) -> None:
    controller = read.mapping(data, "controller")
    if controller is not None:
        read.keys(controller, ("controller",), ("type",))
        read.choice(controller, "type", ("local", "cloud"), ("controller",))
    read.mapping(data, "scheduler")
    for key in ("job", "image_uri", "apiVersion", "kind"):
        read.text(data, key)
