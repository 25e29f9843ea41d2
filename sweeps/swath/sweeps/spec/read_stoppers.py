"""Reads `early_terminate` of a sweep file into settings; what its keys are for stands in `stopper_keys`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from swath.sweeps.spec import stopper_keys as keys
from swath.sweeps.spec.faults import nearest
from swath.sweeps.spec.model import HyperbandSettings
from swath.sweeps.spec.reader import Reader, shown
from swath.sweeps.spec.stoppers import (
    AnyOf,
    AshaSettings,
    BohbSettings,
    CurveSettings,
    Guard,
    Guarded,
    MedianSettings,
    PbtSettings,
    PlateauSettings,
    Rule,
    StopperSettings,
    ThresholdSettings,
    first_rung,
    usual_guard,
)

Data = dict[str, Any]
Path = tuple[str | int, ...]
_KEY = "early_terminate"


def read_early_terminate(read: Reader, data: Data) -> StopperSettings | None:
    """The settings under `early_terminate` of a whole spec; None where there are none or they are wrong."""
    settings, metrics = read.mapping(data, _KEY), _metrics(data)
    if settings is None:
        return None
    if "any" in settings and "type" not in settings:
        return _read_any(read, settings, metrics)
    return _read_rule(read, settings, (_KEY,), metrics)


def _metrics(data: Data) -> tuple[str, ...]:
    """The names of the spec's metrics, as far as they can be read; what is wrong with them is told elsewhere."""
    several = data.get("metrics") if "metrics" in data else [data.get("metric")]
    found = several if isinstance(several, list) else []
    return tuple(str(metric["name"]) for metric in found if isinstance(metric, dict) and metric.get("name"))


def _read_any(read: Reader, settings: Data, metrics: tuple[str, ...]) -> AnyOf | None:
    read.keys(settings, (_KEY,), keys.ANY)
    rules, path = settings["any"], (_KEY, "any")
    if not isinstance(rules, list) or not rules:
        hint = "write any: [{type: asha}, {type: plateau, patience: 20}]"
        read.fault(path, f"must be a list of rules, not {shown(rules)}", hint)
        return None
    found = []
    for index, rule in enumerate(rules):
        if isinstance(rule, dict):
            found.append(_read_rule(read, rule, (*path, index), metrics))
        else:
            read.fault((*path, index), f"must hold keys and values, not {shown(rule)}")
    whole = [rule for rule in found if rule is not None]
    return AnyOf(tuple(whole)) if len(whole) == len(rules) else None


def _read_rule(read: Reader, settings: Data, path: Path, metrics: tuple[str, ...]) -> Rule | Guarded | None:
    if "type" not in settings:
        hint = f"add type: {', '.join(keys.RULES)}" + ("" if len(path) > 1 else "; or any: [rule, rule]")
        read.fault(path, "the type is missing", hint)
        return None
    kind = read.choice(settings, "type", tuple(keys.RULES), path)
    if kind is None:
        return None
    before = len(read.faults)
    read.keys(settings, path, {**keys.RULES[kind], **keys.GUARD})
    usual, metric = usual_guard(kind), _metric(read, settings, path, metrics)
    if len(metrics) > 1 and metric is None and kind in _COMPARED:
        settings = {"compare": "value"} | settings
    rule, guard = _READERS[kind](read, settings, path), _read_guard(read, settings, path, usual)
    if len(read.faults) > before:
        return None
    return rule if guard == usual == Guard() and metric is None else Guarded(rule, guard, metric)


#: In several metrics these compare the values at a rung, which the trial did have together, and not the best of each.
_COMPARED = ("asha", "bohb")


def _metric(read: Reader, settings: Data, path: Path, metrics: tuple[str, ...]) -> str | None:
    """Which one of several metrics a rule looks at; None where the spec has one only, or the rule does not say."""
    metric = read.text(settings, "metric", path)
    if metric is None or not metrics:
        return metric
    if metric not in metrics:
        hint = nearest(metric, metrics) or f"write {' or '.join(metrics)}, or leave it out"
        read.fault((*path, "metric"), f"{metric!r} is no metric of the sweep", hint)
    return metric if len(metrics) > 1 else None


def _read_guard(read: Reader, settings: Data, path: Path, usual: Guard) -> Guard:
    counts = {key: read.whole(settings, key, 0, path) for key in ("warmup", "min_peers", "grace")}
    non_finite = read.choice(settings, "non_finite", ("ignore", "stop"), path) or usual.non_finite
    given = {key: getattr(usual, key) if count is None else count for key, count in counts.items()}
    return Guard(**given, non_finite=cast(Any, non_finite))


def _hyperband(read: Reader, settings: Data, path: Path) -> HyperbandSettings:
    _check_bands(read, settings, path)
    return HyperbandSettings(
        min_iter=read.whole(settings, "min_iter", 1, path),
        max_iter=read.whole(settings, "max_iter", 1, path),
        s=read.whole(settings, "s", 1, path),
        eta=read.number(settings, "eta", path, above=1) or 3,
        strict=settings.get("strict") is None or read.flag(settings, "strict", path) is not False,
    )


def _check_bands(read: Reader, settings: Data, path: Path) -> None:
    both = "give min_iter, or max_iter and s"
    if "min_iter" in settings and ("max_iter" in settings or "s" in settings):
        read.fault(path, "the bands are counted up from min_iter or down from max_iter, not both", both)
    elif "max_iter" in settings and "s" not in settings:
        read.fault(path, "max_iter needs s, the number of bands", both)
    elif "s" in settings and "max_iter" not in settings:
        read.fault(path, "s needs max_iter, where the bands end", both)
    elif "min_iter" not in settings and "max_iter" not in settings:
        read.fault(path, "hyperband does not know its bands", both)


def _asha(read: Reader, settings: Data, path: Path) -> AshaSettings:
    usual = AshaSettings()
    first, end, eta = _rungs(read, settings, path, usual.eta)
    return AshaSettings(
        min_iter=first,
        max_iter=end,
        eta=eta,
        brackets=_brackets(read, settings, path, first, end, eta) or usual.brackets,
        mode=cast(Any, read.choice(settings, "mode", ("stop", "promote"), path) or usual.mode),
        compare=cast(Any, read.choice(settings, "compare", ("value", "best"), path) or usual.compare),
    )


def _bohb(read: Reader, settings: Data, path: Path) -> BohbSettings:
    usual = BohbSettings(1)
    _needs(read, settings, "max_iter", path, "the greatest number of reports of a trial")
    first, end, eta = _rungs(read, settings, path, usual.eta)
    return BohbSettings(
        max_iter=end or 1,
        min_iter=first,
        eta=eta,
        brackets=_brackets(read, settings, path, first, end, eta),
        compare=cast(Any, read.choice(settings, "compare", ("value", "best"), path) or usual.compare),
    )


def _rungs(read: Reader, settings: Data, path: Path, usual_eta: float) -> tuple[int | None, int | None, float]:
    first, end = read.whole(settings, "min_iter", 1, path), read.whole(settings, "max_iter", 1, path)
    if end is not None and end <= (first or 1):
        hint = "it is how many reports a whole trial makes"
        read.fault((*path, "max_iter"), f"must be above min_iter, {first or 1}", hint)
    return first, end, read.number(settings, "eta", path, above=1) or usual_eta


def _brackets(
    read: Reader, settings: Data, path: Path, min_iter: int | None, end: int | None, eta: float
) -> int | None:
    brackets = read.whole(settings, "brackets", 1, path)
    if brackets is None or end is None:
        return brackets
    most, rung = 1, float(first_rung(min_iter, end))
    while rung < end:
        most, rung = most + 1, rung * eta
    if brackets > most:
        read.fault((*path, "brackets"), f"there are rungs for {most} brackets at most", f"write {most} or less")
    return brackets


def _median(read: Reader, settings: Data, path: Path) -> MedianSettings:
    compare = read.choice(settings, "compare", ("mean", "best"), path) or MedianSettings().compare
    return MedianSettings(cast(Any, compare))


def _plateau(read: Reader, settings: Data, path: Path) -> PlateauSettings:
    _needs(read, settings, "patience", path, "how many reports a trial may take to improve")
    delta = read.number(settings, "min_delta", path, least=0)
    return PlateauSettings(read.whole(settings, "patience", 1, path) or 1, float(delta or 0))


def _threshold(read: Reader, settings: Data, path: Path) -> ThresholdSettings:
    if "above" not in settings and "below" not in settings:
        read.fault(path, "there is no bound", "add above: or below: with the value beyond which a trial stops")
    above, below = read.number(settings, "above", path), read.number(settings, "below", path)
    if above is not None and below is not None and above < below:
        read.fault(path, "every value is above or below: no trial would go on", "give the upper bound as `above`")
    return ThresholdSettings(_real(above), _real(below), read.whole(settings, "after", 1, path) or 1)


def _real(value: float | None) -> float | None:
    return None if value is None else float(value)


def _curve(read: Reader, settings: Data, path: Path) -> CurveSettings:
    _needs(read, settings, "max_iter", path, "the greatest number of reports of a trial")
    usual, probability = CurveSettings(2), _share(read, settings, "probability", path)
    end = read.whole(settings, "max_iter", 2, path) or usual.max_iter
    return CurveSettings(end, usual.probability if probability is None else probability)


def _pbt(read: Reader, settings: Data, path: Path) -> PbtSettings:
    _needs(read, settings, "interval", path, "the number of reports between two decisions")
    usual = PbtSettings(1)
    quantile, resample = _share(read, settings, "quantile", path), _share(read, settings, "resample", path)
    if quantile is not None and quantile > 0.5:
        read.fault((*path, "quantile"), "the best and the worst would overlap", "write 0.5 or less")
    return PbtSettings(
        interval=read.whole(settings, "interval", 1, path) or 1,
        quantile=usual.quantile if quantile is None else quantile,
        resample=usual.resample if resample is None else resample,
        factors=_factors(read, settings, path) or usual.factors,
        parameters=_names(read, settings, path),
    )


def _factors(read: Reader, settings: Data, path: Path) -> tuple[float, ...]:
    factors = settings.get("factors")
    if "factors" not in settings:
        return ()
    if not isinstance(factors, list) or not factors:
        read.fault((*path, "factors"), f"must be a list of numbers, not {shown(factors)}", "such as [0.8, 1.2]")
        return ()
    numbers = [read.number({"factors": factor}, "factors", path, above=0) for factor in factors]
    return tuple(float(number) for number in numbers if number is not None)


def _names(read: Reader, settings: Data, path: Path) -> tuple[str, ...]:
    names = settings.get("parameters")
    if "parameters" not in settings:
        return ()
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        read.fault((*path, "parameters"), f"must be a list of names, not {shown(names)}", "such as [lr, momentum]")
        return ()
    return tuple(names)


def _share(read: Reader, settings: Data, key: str, path: Path) -> float | None:
    value = read.number(settings, key, path, least=0)
    if value is not None and value > 1:
        read.fault((*path, key), f"must be at most 1, not {shown(value)}", "it is a share: 0.05 is 5 %")
    return _real(value)


def _needs(read: Reader, settings: Data, key: str, path: Path, meaning: str) -> None:
    if key not in settings:
        near = nearest(key, settings)
        read.fault(path, f"{settings['type']} needs {key}", near or f"add {key}: {meaning}")


_READERS: dict[str, Callable[[Reader, Data, Path], Rule]] = {
    "hyperband": _hyperband,
    "asha": _asha,
    "bohb": _bohb,
    "median": _median,
    "plateau": _plateau,
    "threshold": _threshold,
    "curve": _curve,
    "pbt": _pbt,
}
