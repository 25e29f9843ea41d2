"""Reads how a sweep is run: resources of a trial, retries, repeats, and the budget of the whole."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, cast

from swath.sweeps.spec import keys
from swath.sweeps.spec.faults import nearest
from swath.sweeps.spec.loader import as_list
from swath.sweeps.spec.model import Aggregate, Budget, Placement, Repeats, Resources, Retry, RetryOom
from swath.sweeps.spec.reader import Reader, shown
from swath.sweeps.spec.units import parse_bytes, parse_seconds

_TIMES = re.compile(r"\s*x\s*([0-9]+(?:\.[0-9]+)?)\s*", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def read_resources(read: Reader, data: dict[str, Any]) -> Resources:
    """What one trial needs."""
    resources, path = read.mapping(data, "resources"), ("resources",)
    if resources is None:
        return Resources()
    read.keys(resources, path, keys.RESOURCES)
    cpu, gpu = read.number(resources, "cpu", path, above=0), read.number(resources, "gpu", path, least=0)
    found = Resources(
        cpu=1.0 if cpu is None else float(cpu),
        gpu=float(gpu or 0),
        memory=_memory(read, resources),
        nodes=read.whole(resources, "nodes", 1, path) or 1,
        processes=read.whole(resources, "processes", 1, path),
        placement=cast(Placement, read.choice(resources, "placement", keys.PLACEMENTS, path) or "spread"),
        custom=_custom(read, resources),
    )
    if found.processes is not None and 0 < found.gpu < found.processes:
        hint = f"gpu is the number on each node: give gpu: {found.processes}, or start at most one process for each GPU"
        read.fault((*path, "processes"), f"starts {found.processes} on a node with {found.gpu:g} GPUs", hint)
    if "placement" in resources and found.nodes == 1:
        read.fault((*path, "placement"), "places nothing: a trial has one node", "add nodes: 2, or leave it out")
    return found


def _custom(read: Reader, resources: dict[str, Any]) -> tuple[tuple[str, float], ...]:
    """Amounts of what the user names, in the order of the names."""
    given, path = read.mapping(resources, "custom", ("resources",)) or {}, ("resources", "custom")
    found = []
    for name in sorted(given):
        if name.lower() in keys.NOT_CUSTOM:
            read.fault((*path, name), f"{name} is no custom resource", f"write it beside custom: {name.lower()}: ...")
        elif not _NAME.fullmatch(name):
            hint = "letters, digits, '_', '-' and '.', with a letter or '_' first"
            read.fault((*path, name), f"{name!r} cannot be the name of a resource", hint)
        amount = read.number(given, name, path, above=0)
        found.append((name, float(amount or 0)))
    return tuple(found)


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


def read_retry(read: Reader, data: dict[str, Any]) -> Retry:
    """After which endings a trial is run again, and how often."""
    retry, path = read.mapping(data, "retry"), ("retry",)
    if retry is None:
        return Retry()
    read.keys(retry, path, keys.RETRY)
    most, on = read.whole(retry, "max", 0, path), retry.get("on")
    policy = replace(_patience(read, retry, path), oom=_oom(read, data, retry))
    if most is not None:
        policy = replace(policy, max=most)
    if "on" in retry and not isinstance(on, list):
        read.fault((*path, "on"), f"must be a list of endings, not {shown(on)}", f"of {', '.join(keys.RETRY_ON)}")
    if not isinstance(on, list):
        return policy
    for index, ending in enumerate(on):
        if ending not in keys.RETRY_ON:
            hint = nearest(str(ending), keys.RETRY_ON)
            read.fault((*path, "on", index), f"must be {as_list(keys.RETRY_ON)}, not {shown(ending)}", hint)
    return replace(policy, on=frozenset(ending for ending in on if isinstance(ending, str)))


def _oom(read: Reader, data: dict[str, Any], retry: dict[str, Any]) -> RetryOom | None:
    """How much more memory a trial gets that ran out of it."""
    oom, path = read.mapping(retry, "oom", ("retry",)), ("retry", "oom")
    if oom is None:
        return None
    read.keys(oom, path, keys.RETRY_OOM)
    value, most = oom.get("memory"), read.whole(oom, "max", 1, path)
    found = _TIMES.fullmatch(value) if isinstance(value, str) else None
    factor = float(found[1]) if found else 0.0
    if factor <= 1:
        told = f"must be a multiple above 1, not {shown(value)}" if "memory" in oom else "is missing"
        read.fault((*path, "memory") if "memory" in oom else path, told, "write memory: x2 for twice as much each time")
        return None
    resources = data.get("resources")
    if not isinstance(resources, dict) or "memory" not in resources:
        told = "multiplies the memory of a trial, and the file does not say how much that is"
        read.fault((*path, "memory"), told, "add it: resources: {memory: 8GiB}")
    return RetryOom(factor) if most is None else RetryOom(factor, most)


def _patience(read: Reader, retry: dict[str, Any], path: tuple[str, ...]) -> Retry:
    """How long a trial waits before it is run again, how long it may be silent, and when it is set aside."""
    given = {
        "backoff_s": _seconds(read, retry, "backoff", path),
        "backoff_max_s": _seconds(read, retry, "backoff_max", path),
        "hang_after_s": _seconds(read, retry, "hang_after", path),
        "set_aside": read.whole(retry, "set_aside", 1, path),
    }
    return Retry(**{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]


def read_budget(read: Reader, data: dict[str, Any]) -> Budget:
    """When to make no more trials."""
    budget, path = read.mapping(data, "budget"), ("budget",)
    if budget is None:
        return Budget()
    read.keys(budget, path, keys.BUDGET)
    if not budget:
        read.fault(path, "bounds nothing", f"give {as_list(tuple(keys.BUDGET))}")
    if "trials" in budget and "run_cap" in data:
        read.fault((*path, "trials"), "there is a `run_cap` as well", "keep one of the two")
    return Budget(
        trials=read.whole(budget, "trials", 1, path),
        time_s=_seconds(read, budget, "time", path),
        gpu_hours=read.number(budget, "gpu_hours", path, above=0),
        no_improvement=read.whole(budget, "no_improvement", 1, path),
    )


def _seconds(read: Reader, data: dict[str, Any], key: str, path: tuple[str, ...]) -> float | None:
    value = data.get(key)
    if key not in data:
        return None
    seconds = parse_seconds(value) if isinstance(value, str) else None
    if seconds is None:
        hint = (
            f"write {value}s, {value}m or {value}h" if isinstance(value, (int, float)) else "write 90s, 30m, 2h or 1d"
        )
        read.fault((*path, key), f"must be a time with its unit, not {shown(value)}", hint)
    return seconds


def read_repeats(read: Reader, data: dict[str, Any]) -> Repeats:
    """How often each configuration is run; a number alone is the count."""
    count, path = data.get("repeats"), ("repeats",)
    if isinstance(count, int) and not isinstance(count, bool):
        return Repeats(read.whole(data, "repeats", 1) or 1)
    repeats = read.mapping(data, "repeats")
    if repeats is None:
        return Repeats()
    read.keys(repeats, path, keys.REPEATS)
    if "count" not in repeats:
        read.fault(path, "does not say how often", "add count: 3")
    aggregate = read.choice(repeats, "aggregate", keys.AGGREGATES, path) or "mean"
    return Repeats(
        count=read.whole(repeats, "count", 1, path) or 1,
        aggregate=cast(Aggregate, aggregate),
        over=read.text(repeats, "over", path) or "seed",
        early=repeats.get("early") is None or read.flag(repeats, "early", path) is not False,
    )
