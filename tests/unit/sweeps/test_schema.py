"""The JSON Schema for editors knows what the parser knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swath.sweeps.spec import json_schema, keys, parse_spec

jsonschema = pytest.importorskip("jsonschema")
CASES = Path(__file__).parents[2] / "conformance" / "verdicts.json"


def validator() -> Any:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    return jsonschema.Draft202012Validator(json_schema())


def test_every_accepted_key_is_described() -> None:
    properties = json_schema()["properties"]
    for table, known in [
        (keys.TOP, properties),
        (keys.METRIC, properties["metric"]["properties"]),
        (keys.METRICS, properties["metrics"]["items"]["properties"]),
        (keys.BUDGET, properties["budget"]["properties"]),
        (keys.WARM_START, properties["warm_start"]["properties"]),
        (keys.REPEATS, properties["repeats"]["anyOf"][1]["properties"]),
        (keys.RESOURCES, properties["resources"]["properties"]),
        (keys.RETRY, properties["retry"]["properties"]),
    ]:
        assert known.keys() == table.keys()
        assert all(known[key]["description"] for key in known)
    forms = json_schema()["$defs"]["parameter"]["anyOf"]
    assert {key for form in forms for key in form["properties"]} == keys.PARAMETER.keys()


def test_every_valid_case_passes_and_most_invalid_ones_do_not() -> None:
    check, cases = validator(), json.loads(CASES.read_text(encoding="utf-8"))
    assert [case["config"] for case in cases if case["valid"] and not check.is_valid(case["config"])] == []
    missed = [case["config"] for case in cases if not case["valid"] and check.is_valid(case["config"])]
    assert len(missed) <= 6, missed


def test_a_dumped_spec_passes() -> None:
    spec = parse_spec(
        {
            "method": "bayes",
            "parameters": {"a": {"min": 0.0, "max": 1.0}, "b": {"parameters": {"c": {"values": [1]}}}},
            "metric": {"name": "m", "target": 1},
            "early_terminate": {"type": "hyperband", "max_iter": 9, "s": 2},
            "resources": {"memory": "8GiB"},
            "retry": {"on": ["failed"]},
        }
    )
    validator().validate(spec.to_dict())


def test_a_dumped_spec_with_everything_passes_and_parses_into_the_same() -> None:
    spec = parse_spec(
        {
            "method": "tpe",
            "search": {"startup": 5},
            "parameters": {
                "a": {"min": 0.0, "max": 1.0, "when": {"b": [1, 2]}},
                "b": {"values": [1, 2, 3]},
                "m": {"choice": {"x": {"parameters": {"c": {"values": [1, 2]}}}, "y": None}},
            },
            "constraints": ["a < b"],
            "metrics": [{"name": "m", "limit": 3}, {"name": "n", "goal": "maximize", "target": 2}],
            "early_terminate": {"any": [{"type": "asha", "max_iter": 9}, {"type": "plateau", "patience": 3}]},
            "budget": {"time": "2h", "trials": 10, "no_improvement": 5},
            "repeats": {"count": 3, "aggregate": "median"},
            "warm_start": {"points": [{"b": 2}], "sweeps": ["abc"]},
        }
    )
    validator().validate(spec.to_dict())
    assert parse_spec(spec.to_dict()) == spec


def test_the_greatest_seed_is_the_parsers() -> None:
    spec = {"method": "random", "parameters": {"a": {"value": 1}}}
    assert validator().is_valid({**spec, "seed": keys.GREATEST_SEED})
    assert parse_spec({**spec, "seed": keys.GREATEST_SEED}).seed == 2**63 - 1
    assert not validator().is_valid({**spec, "seed": keys.GREATEST_SEED + 1})
