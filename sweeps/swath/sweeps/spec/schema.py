"""The JSON Schema of a sweep file, for editors; `parse` is stricter and is what decides."""

from __future__ import annotations

from typing import Any

from swath.sweeps.spec import keys
from swath.sweeps.spec.stopper_keys import early_terminate_schema

Schema = dict[str, Any]

_NUMBER: Schema = {"type": "number"}
_PARAMETER_NAME = "^[A-Za-z_][A-Za-z0-9_.-]*$"
_NAME: Schema = {"type": "string", "pattern": _PARAMETER_NAME}
_TEXT: Schema = {"type": "string", "minLength": 1}
_POSITIVE: Schema = {"type": "number", "exclusiveMinimum": 0}
_WHEN: Schema = {"type": "object", "minProperties": 1}
_PARAMETER_TYPES: dict[str, Schema] = {
    "value": {},
    "values": {"type": "array", "minItems": 1},
    "probabilities": {"type": "array", "items": {"type": "number", "minimum": 0}},
    "min": {"anyOf": [_NUMBER, _NAME]},
    "max": {"anyOf": [_NUMBER, _NAME]},
    "mu": _NUMBER,
    "sigma": {"type": "number", "minimum": 0},
    "q": _POSITIVE,
    "a": _POSITIVE,
    "b": _POSITIVE,
}


def json_schema() -> Schema:
    """JSON Schema (draft 2020-12) with a description of every key."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "swath sweep",
        "description": "A hyperparameter sweep.",
        **_object(keys.TOP, _top_types(), required=["method", "parameters"]),
        "$defs": {
            "parameters": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": False,
                "patternProperties": {_PARAMETER_NAME: {"$ref": "#/$defs/parameter"}},
            },
            "parameter": {"type": "object", "anyOf": _parameter_forms()},
        },
    }


def _object(descriptions: dict[str, str], types: dict[str, Schema], required: list[str] | None = None) -> Schema:
    properties = {key: {"description": text, **types[key]} for key, text in descriptions.items()}
    needed = {"required": required} if required else {}
    return {"type": "object", "properties": properties, "additionalProperties": False, **needed}


def _top_types() -> dict[str, Schema]:
    texts = (
        "program",
        "function",
        "name",
        "description",
        "project",
        "entity",
        "job",
        "image_uri",
        "apiVersion",
        "kind",
    )
    return {
        **dict.fromkeys(texts, _TEXT),
        "method": _method(),
        "search": {"type": "object"},
        "parameters": {"$ref": "#/$defs/parameters"},
        "constraints": {"anyOf": [_TEXT, {"type": "array", "minItems": 1, "items": _TEXT}]},
        "metric": _metric(),
        "metrics": _metrics(),
        "repeats": _repeats(),
        "budget": _budget(),
        "warm_start": _warm_start(),
        "early_terminate": early_terminate_schema(),
        "command": {"type": "array", "minItems": 1, "items": {"type": ["string", "number"]}},
        "run_cap": {"type": "integer", "minimum": 1},
        "seed": {"type": "integer", "minimum": 0, "maximum": keys.GREATEST_SEED},
        "agents": {"type": "integer", "minimum": 1},
        "resources": _resources(),
        "retry": _retry(),
        "controller": {"type": "object", "properties": {"type": {"enum": ["local", "cloud"]}}},
        "scheduler": {"type": "object"},
    }


def _method() -> Schema:
    own: Schema = {"type": "object", "properties": {"custom": _TEXT}, "required": ["custom"]}
    return {"anyOf": [{"enum": list(keys.METHODS)}, {"type": "string", "pattern": "^custom *:"}, own]}


def _metric() -> Schema:
    imputes: list[Any] = list(keys.IMPUTES)
    types: dict[str, Schema] = {
        "name": _TEXT,
        "goal": {"enum": list(keys.GOALS), "default": "minimize"},
        "target": _NUMBER,
        "impute": {"enum": imputes, "default": "worst"},
        "impute_while_running": {"enum": [*imputes, "false", False], "default": False},
    }
    return _object(keys.METRIC, types, required=["name"])


def _metrics() -> Schema:
    types: dict[str, Schema] = {
        "name": _TEXT,
        "goal": {"enum": list(keys.GOALS), "default": "minimize"},
        "target": _NUMBER,
        "limit": _NUMBER,
        "impute": {"enum": list(keys.IMPUTES), "default": "worst"},
    }
    return {"type": "array", "minItems": 2, "items": _object(keys.METRICS, types, required=["name"])}


def _repeats() -> Schema:
    whole: Schema = {"type": "integer", "minimum": 1}
    types: dict[str, Schema] = {
        "count": whole,
        "aggregate": {"enum": list(keys.AGGREGATES), "default": "mean"},
        "over": {**_TEXT, "default": "seed"},
        "early": {"type": "boolean", "default": True},
    }
    return {"anyOf": [whole, _object(keys.REPEATS, types, required=["count"])]}


def _budget() -> Schema:
    whole: Schema = {"type": "integer", "minimum": 1}
    types = {"trials": whole, "time": _TEXT, "gpu_hours": _POSITIVE, "no_improvement": whole}
    return {**_object(keys.BUDGET, types), "minProperties": 1}


def _warm_start() -> Schema:
    ids: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
    points: Schema = {"type": "array", "items": {"type": "object"}}
    return _object(keys.WARM_START, {"sweeps": ids, "runs": ids, "points": points})


def _resources() -> Schema:
    memory = {
        "anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": "^ *[0-9.]+ *[kKmMgGtTpP]?i?[bB]? *$"},
        ]
    }
    whole: Schema = {"type": "integer", "minimum": 1}
    types: dict[str, Schema] = {
        "cpu": _POSITIVE, "gpu": {"type": "number", "minimum": 0}, "memory": memory,
        "nodes": whole, "processes": whole, "placement": {"enum": list(keys.PLACEMENTS)},
        "custom": {
            "type": "object", "additionalProperties": False, "patternProperties": {_PARAMETER_NAME: _POSITIVE},
        },
    }  # fmt: skip
    return _object(keys.RESOURCES, types)


def _retry() -> Schema:
    oom: dict[str, Schema] = {
        "memory": {"type": "string", "pattern": "^ *[xX] *[0-9]+([.][0-9]+)? *$"},
        "max": {"type": "integer", "minimum": 1, "default": 2},
    }
    types: dict[str, Schema] = {
        "max": {"type": "integer", "minimum": 0, "default": 5},
        "on": {"type": "array", "items": {"enum": list(keys.RETRY_ON)}},
        "backoff": _TEXT,
        "backoff_max": {**_TEXT, "default": "10m"},
        "hang_after": _TEXT,
        "oom": _object(keys.RETRY_OOM, oom, required=["memory"]),
        "set_aside": {"type": "integer", "minimum": 1, "default": 20},
    }
    return _object(keys.RETRY, types)


def _parameter_forms() -> list[Schema]:
    nested = _with_when("parameters", {"$ref": "#/$defs/parameters"})
    inner = {"parameters": {"$ref": "#/$defs/parameters"}}
    branch = {"anyOf": [{"type": "null"}, _object({"parameters": keys.PARAMETER["parameters"]}, inner)]}
    choice = _with_when("choice", {"type": "object", "minProperties": 1, "additionalProperties": branch}, "prior")
    return [nested, choice, *(_parameter_form(name) for name in keys.DISTRIBUTIONS)]


def _with_when(key: str, schema: Schema, *more: str) -> Schema:
    descriptions = {name: keys.PARAMETER[name] for name in (key, "when", *more)}
    return _object(descriptions, {key: schema, "when": _WHEN, "prior": _prior()}, [key])


def _prior() -> Schema:
    types: dict[str, Schema] = {"value": {}, "confidence": {"enum": list(keys.CONFIDENCES), "default": "medium"}}
    return {"anyOf": [{"not": {"type": "object"}}, _object(keys.PRIOR, types, required=["value"])]}


def _parameter_form(name: str) -> Schema:
    needed, allowed = keys.DISTRIBUTIONS[name]
    guessed = name in ("constant", "categorical", "int_uniform", "uniform")
    types: dict[str, Schema] = {**_PARAMETER_TYPES, "distribution": {"const": name}, "when": _WHEN, "prior": _prior()}
    if name == "int_uniform":
        whole: Schema = {"anyOf": [{"type": "integer"}, _NAME]}
        types |= {"min": whole, "max": whole}
    if "log_uniform" in name:
        types["min"] = {"anyOf": [_POSITIVE, _NAME]}
    common = ("when",) if name == "constant" else ("when", "prior")
    descriptions = {key: keys.PARAMETER[key] for key in ("distribution", *needed, *allowed, *common)}
    return {"title": name, **_object(descriptions, types, [*needed, *([] if guessed else ["distribution"])])}
