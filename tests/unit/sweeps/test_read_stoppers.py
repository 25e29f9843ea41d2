"""`early_terminate` of a sweep file: each rule is read, said again, described in the schema, and faults are named."""

from __future__ import annotations

from typing import Any

import pytest

from swath.sweeps.spec import stopper_keys as keys
from swath.sweeps.spec.loader import load_mapping
from swath.sweeps.spec.model import HyperbandSettings
from swath.sweeps.spec.read_stoppers import read_early_terminate
from swath.sweeps.spec.reader import Reader
from swath.sweeps.spec.stopper_keys import early_terminate_schema
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
    StopperSettings,
    ThresholdSettings,
)


def read(given: Any) -> tuple[StopperSettings | None, list[str]]:
    loaded = load_mapping({"early_terminate": given})
    reader = Reader(loaded)
    settings = read_early_terminate(reader, loaded.data)
    return settings, [f"{fault.path}: {fault.message}" for fault in reader.faults]


GOOD: list[tuple[dict[str, Any], StopperSettings]] = [
    ({"type": "hyperband", "min_iter": 3}, HyperbandSettings(min_iter=3)),
    ({"type": "hyperband", "max_iter": 27, "s": 2, "strict": False}, HyperbandSettings(max_iter=27, s=2, strict=False)),
    (
        {"type": "hyperband", "min_iter": 3, "warmup": 5, "non_finite": "stop"},
        Guarded(HyperbandSettings(min_iter=3), Guard(warmup=5, non_finite="stop")),
    ),
    ({"type": "asha"}, AshaSettings()),
    (
        {"type": "asha", "min_iter": 2, "max_iter": 81, "eta": 4, "brackets": 2, "mode": "promote", "compare": "value"},
        AshaSettings(2, 81, 4, 2, "promote", "value"),
    ),
    ({"type": "bohb", "max_iter": 81, "brackets": 4}, BohbSettings(81, brackets=4)),
    ({"type": "median"}, Guarded(MedianSettings(), Guard(min_peers=5))),
    ({"type": "median", "min_peers": 0}, Guarded(MedianSettings())),
    ({"type": "median", "compare": "best", "grace": 2}, Guarded(MedianSettings("best"), Guard(min_peers=5, grace=2))),
    ({"type": "plateau", "patience": 10, "min_delta": 0.01}, PlateauSettings(10, 0.01)),
    ({"type": "threshold", "above": 3, "after": 5}, ThresholdSettings(above=3.0, after=5)),
    ({"type": "curve", "max_iter": 100, "probability": 0.1}, CurveSettings(100, 0.1)),
    (
        {"type": "pbt", "interval": 5, "quantile": 0.2, "resample": 0, "factors": [0.5, 2], "parameters": ["lr"]},
        PbtSettings(5, 0.2, 0.0, (0.5, 2.0), ("lr",)),
    ),
    (
        {"any": [{"type": "asha"}, {"type": "plateau", "patience": 9, "warmup": 2}]},
        AnyOf((AshaSettings(), Guarded(PlateauSettings(9), Guard(warmup=2)))),
    ),
]


@pytest.mark.parametrize(("given", "settings"), GOOD)
def test_a_rule_is_read_and_said_again(given: dict[str, Any], settings: StopperSettings) -> None:
    assert read(given) == (settings, [])
    assert read(settings.to_dict()) == (settings, [])


def test_without_the_key_nothing_is_read() -> None:
    loaded = load_mapping({})
    assert read_early_terminate(Reader(loaded), loaded.data) is None


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({}, "early_terminate: the type is missing"),
        ({"min_iter": 3}, "early_terminate: the type is missing"),
        ({"type": "asah"}, "early_terminate.type: must be"),
        ({"type": "asha", "etaa": 3}, "early_terminate.etaa: unknown key 'etaa'"),
        ({"type": "asha", "eta": 1}, "early_terminate.eta: must be a number above 1"),
        ({"type": "asha", "min_iter": 9, "max_iter": 9}, "early_terminate.max_iter: must be above min_iter"),
        ({"type": "asha", "max_iter": 9, "brackets": 4}, "early_terminate.brackets: there are rungs for 3 brackets"),
        ({"type": "asha", "mode": "both"}, "early_terminate.mode: must be"),
        ({"type": "bohb"}, "early_terminate: bohb needs max_iter"),
        ({"type": "median", "min_peers": -1}, "early_terminate.min_peers: must be a whole number"),
        ({"type": "plateau"}, "early_terminate: plateau needs patience"),
        ({"type": "threshold"}, "early_terminate: there is no bound"),
        ({"type": "threshold", "above": 1, "below": 2}, "early_terminate: every value is above or below"),
        ({"type": "curve", "max_iter": 9, "probability": 5}, "early_terminate.probability: must be at most 1"),
        ({"type": "pbt", "interval": 5, "quantile": 0.6}, "early_terminate.quantile: the best and the worst"),
        ({"type": "pbt", "interval": 5, "factors": 2}, "early_terminate.factors: must be a list"),
        ({"type": "pbt", "interval": 5, "parameters": "lr"}, "early_terminate.parameters: must be a list"),
        ({"type": "hyperband", "min_iter": 1, "s": 2}, "early_terminate: the bands are counted up"),
        ({"type": "hyperband"}, "early_terminate: hyperband does not know its bands"),
        ({"type": "asha", "non_finite": "fail"}, "early_terminate.non_finite: must be"),
        ({"any": []}, "early_terminate.any: must be a list of rules"),
        ({"any": ["asha"]}, "early_terminate.any[0]: must hold keys and values"),
        ({"any": [{"any": []}]}, "early_terminate.any[0]: the type is missing"),
        ({"any": [{"type": "asha"}], "warmup": 3}, "early_terminate.warmup: unknown key"),
    ],
)
def test_a_fault_is_named_once_with_its_key(given: dict[str, Any], fault: str) -> None:
    settings, faults = read(given)
    assert settings is None or fault.startswith("early_terminate.warmup")
    assert len(faults) == 1
    assert faults[0].startswith(fault)


def test_the_schema_describes_every_key_of_every_rule() -> None:
    rules = {rule["title"]: rule for rule in early_terminate_schema()["anyOf"]}
    assert rules.keys() == {*keys.RULES, "any"}
    for kind, texts in keys.RULES.items():
        described = {key: value["description"] for key, value in rules[kind]["properties"].items()}
        assert described == {**texts, **keys.GUARD}
        assert rules[kind]["properties"]["type"]["const"] == kind


def test_what_the_schema_says_is_the_default_is_the_default() -> None:
    for rule in early_terminate_schema()["anyOf"]:
        kind = rule["title"]
        needed = {"bohb": {"max_iter": 9}, "plateau": {"patience": 9}, "curve": {"max_iter": 9}, "pbt": {"interval": 9},
                  "threshold": {"above": 1}, "hyperband": {"min_iter": 1}}.get(kind, {})  # fmt: skip
        if kind == "any":
            continue
        defaults = {key: item["default"] for key, item in rule["properties"].items() if "default" in item}
        assert read({"type": kind, **needed}) == read({"type": kind, **defaults, **needed})
