"""From a file, text or mapping to a `SweepSpec`, or to all faults at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from swath.sweeps.spec import keys
from swath.sweeps.spec.command import read_command
from swath.sweeps.spec.faults import Fault, SpecFaults, nearest
from swath.sweeps.spec.loader import Loaded, as_list, dump_json, load_mapping, load_yaml
from swath.sweeps.spec.model import Goal, HyperbandSettings, Impute, Metric, Resources, Retry, SweepSpec
from swath.sweeps.spec.parameters import read_parameters
from swath.sweeps.spec.reader import Reader, shown
from swath.sweeps.spec.units import parse_bytes

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
        _check_grid(reader, spec)
    if spec is None or reader.faults:
        raise SpecFaults(origin, _in_file_order(reader.faults, loaded))
    return spec


def _read(read: Reader, data: dict[str, Any], source: str) -> SweepSpec | None:
    read.keys(data, (), keys.TOP, keys.LATER)
    method = _method(read, data)
    parameters = read_parameters(read, data)
    metric, stopper = _metric(read, data), _early_terminate(read, data)
    command = read_command(read, data, parameters)
    program, function = read.text(data, "program"), _function(read, data)
    texts = {key: read.text(data, key) for key in ("name", "description", "project", "entity")}
    run_cap, seed, agents = (
        read.whole(data, "run_cap", 1),
        read.whole(data, "seed", 0, most=keys.GREATEST_SEED),
        read.whole(data, "agents", 1),
    )
    resources, retry = _resources(read, data), _retry(read, data)
    _check_ineffective(read, data)
    if method == "bayes" and "metric" not in data:
        read.fault(("metric",), "bayes needs a metric to learn from", "add metric: {name: ..., goal: minimize}")
    if read.faults or method is None:
        return None
    return SweepSpec(
        method=method, parameters=parameters, metric=metric, early_terminate=stopper, program=program,
        command=command, function=function, **texts, run_cap=run_cap, seed=seed, agents=agents,
        resources=resources, retry=retry, source=source,
        notices=tuple(notice for key, notice in keys.NOTICES.items() if key in data),
    )  # fmt: skip


def _in_file_order(faults: list[Fault], loaded: Loaded) -> list[Fault]:
    return sorted(faults, key=lambda fault: (fault.line or 0, fault.column or 0)) if loaded.marks else faults


def _method(read: Reader, data: dict[str, Any]) -> str | None:
    method = data.get("method")
    if "method" not in data:
        read.fault(("method",), "the key is missing", f"add method: {', '.join(keys.METHODS)}")
    elif isinstance(method, str) and method.partition(":")[0] in keys.METHODS_LATER:
        read.fault(("method",), f"the method {method} is not supported yet", f"use one of {', '.join(keys.METHODS)}")
    else:
        return read.choice(data, "method", keys.METHODS)
    return None


def _metric(read: Reader, data: dict[str, Any]) -> Metric | None:
    metric, path = read.mapping(data, "metric"), ("metric",)
    if metric is None:
        return None
    read.keys(metric, path, keys.METRIC)
    if "name" not in metric:
        read.fault(path, "the name of the metric is missing", "add name: as the program logs it")
    running = metric.get("impute_while_running")
    if running is not False and running != "false":
        running = read.choice(metric, "impute_while_running", (*keys.IMPUTES, "false"), path)
    return Metric(
        name=read.text(metric, "name", path) or "",
        goal=cast(Goal, read.choice(metric, "goal", keys.GOALS, path) or "minimize"),
        target=read.number(metric, "target", path),
        impute=cast(Impute, read.choice(metric, "impute", keys.IMPUTES, path) or "worst"),
        impute_while_running=cast(Impute, running) if running in keys.IMPUTES else None,
    )


def _early_terminate(read: Reader, data: dict[str, Any]) -> HyperbandSettings | None:
    settings, path = read.mapping(data, "early_terminate"), ("early_terminate",)
    if settings is None:
        return None
    kind = settings.get("type")
    if kind in keys.STOPPERS_LATER or (kind is None and "any" in settings):
        read.fault((*path, "type"), f"early_terminate of type {kind or 'any'} is not supported yet", "use hyperband")
        return None
    if "type" not in settings:
        read.fault(path, "the type is missing", "add type: hyperband")
    read.choice(settings, "type", ("hyperband",), path)
    read.keys(settings, path, keys.HYPERBAND)
    _check_bands(read, settings)
    return HyperbandSettings(
        min_iter=read.whole(settings, "min_iter", 1, path),
        max_iter=read.whole(settings, "max_iter", 1, path),
        s=read.whole(settings, "s", 1, path),
        eta=read.number(settings, "eta", path, above=1) or 3,
        strict=settings.get("strict") is None or read.flag(settings, "strict", path) is not False,
    )


def _check_bands(read: Reader, settings: dict[str, Any]) -> None:
    path, both = ("early_terminate",), "give min_iter, or max_iter and s"
    if "min_iter" in settings and ("max_iter" in settings or "s" in settings):
        read.fault(path, "the bands are counted up from min_iter or down from max_iter, not both", both)
    elif "max_iter" in settings and "s" not in settings:
        read.fault(path, "max_iter needs s, the number of bands", both)
    elif "s" in settings and "max_iter" not in settings:
        read.fault(path, "s needs max_iter, where the bands end", both)
    elif "min_iter" not in settings and "max_iter" not in settings:
        read.fault(path, "hyperband does not know its bands", both)


def _function(read: Reader, data: dict[str, Any]) -> str | None:
    function = read.text(data, "function")
    if function is not None and not _FUNCTION.fullmatch(function):
        read.fault(("function",), f"'{function}' does not name a function", "write package.module:name")
    for other in ("program", "command"):
        if "function" in data and other in data:
            read.fault(("function",), f"there is a `{other}` as well", "keep one of the two")
    return function


def _resources(read: Reader, data: dict[str, Any]) -> Resources:
    resources, path = read.mapping(data, "resources"), ("resources",)
    if resources is None:
        return Resources()
    read.keys(resources, path, keys.RESOURCES, keys.RESOURCES_LATER)
    cpu, gpu = read.number(resources, "cpu", path, above=0), read.number(resources, "gpu", path, least=0)
    return Resources(1.0 if cpu is None else float(cpu), float(gpu or 0), _memory(read, resources))


def _memory(read: Reader, resources: dict[str, Any]) -> int | None:
    value, path = resources.get("memory"), ("resources", "memory")
    if "memory" not in resources:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    amount = parse_bytes(value) if isinstance(value, str) else None
    if amount is None:
        read.fault(path, f"must be an amount of memory, not {shown(value)}", "write it with a unit: 8GiB or 500MB")
    return amount


def _retry(read: Reader, data: dict[str, Any]) -> Retry:
    retry, path = read.mapping(data, "retry"), ("retry",)
    if retry is None:
        return Retry()
    read.keys(retry, path, keys.RETRY)
    most, on = read.whole(retry, "max", 0, path), retry.get("on")
    if "on" in retry and not isinstance(on, list):
        read.fault((*path, "on"), f"must be a list of endings, not {shown(on)}", f"of {', '.join(keys.RETRY_ON)}")
    if not isinstance(on, list):
        return Retry() if most is None else Retry(max=most)
    for index, ending in enumerate(on):
        if ending not in keys.RETRY_ON:
            hint = nearest(str(ending), keys.RETRY_ON)
            read.fault((*path, "on", index), f"must be {as_list(keys.RETRY_ON)}, not {shown(ending)}", hint)
    return Retry(5 if most is None else most, frozenset(ending for ending in on if isinstance(ending, str)))


def _check_ineffective(read: Reader, data: dict[str, Any]) -> None:
    controller = read.mapping(data, "controller")
    if controller is not None:
        read.keys(controller, ("controller",), ("type",))
        read.choice(controller, "type", ("local", "cloud"), ("controller",))
    read.mapping(data, "scheduler")
    for key in ("job", "image_uri", "apiVersion", "kind"):
        read.text(data, key)


def _check_grid(read: Reader, spec: SweepSpec) -> None:
    """A grid must be able to name its points."""
    from swath.sweeps.space import SearchSpace

    if spec.method != "grid":
        return
    for path, complaint in SearchSpace.from_parameters(spec.parameters).grid_faults():
        keys_to_leaf = tuple(part for name in path for part in ("parameters", name))
        hint = "use values, int_uniform or q_uniform, or method: random or bayes"
        read.fault(keys_to_leaf, complaint, hint)
