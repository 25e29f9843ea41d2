"""The keys of `early_terminate`, as tables: what each is for, and what it may hold as JSON Schema; no rules."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

ANY: dict[str, str] = {"any": "Several rules; a trial is stopped as soon as one of them says so."}

GUARD: dict[str, str] = {
    "metric": "Which one of several metrics the rule looks at; default: all, for plateau, threshold, curve the first.",
    "warmup": "How many reports a trial makes before the rule may act on it; default 0.",
    "min_peers": "How many other trials there must be to compare with before the rule acts; default 0 (median: 5).",
    "grace": "How many trials must have ended before the rule acts on any; default 0.",
    "non_finite": "stop: a trial whose metric is NaN or infinite is stopped; ignore (default): that is no report.",
}

_RUNGS: dict[str, str] = {
    "min_iter": "The first rung: reports before a trial is compared; default: max_iter / 40, at least 1.",
    "max_iter": "How many reports a whole trial makes; the rungs are min_iter * eta^k below it.",
    "eta": "The ratio between rungs, and the share that goes on: one in eta; default 3.",
    "brackets": "How many groups of trials there are, each beginning one rung later; default 1 (bohb: 3).",
}

RULES: dict[str, dict[str, str]] = {
    "hyperband": {
        "type": "hyperband",
        "min_iter": "The first band: reports of the metric before a trial can be stopped; later bands follow by eta.",
        "max_iter": "The greatest number of reports; the bands are counted down from it, with s.",
        "s": "How many bands to count down from max_iter.",
        "eta": "The ratio between bands, and the share that goes on: one in eta; default 3.",
        "strict": "true (default): the value at the band counts; false: the best value so far.",
    },
    "asha": {
        "type": "asha",
        **_RUNGS,
        "mode": "stop (default): bad trials end; promote: a trial waits at each rung until it is among the best.",
        "compare": "What is compared at a rung: the best value up to there (default), or the value there.",
    },
    "bohb": {
        "type": "bohb",
        **_RUNGS,
        "compare": "What is compared at a rung: the best value up to there (default), or the value there.",
    },
    "median": {
        "type": "median",
        "compare": "What is held against the median: the trial's mean so far (default), or its best value so far.",
    },
    "plateau": {
        "type": "plateau",
        "patience": "How many reports a trial may make without an improvement.",
        "min_delta": "By how much a value must be better to count as an improvement; default 0: by anything.",
    },
    "threshold": {
        "type": "threshold",
        "above": "A trial whose latest value is above this is stopped.",
        "below": "A trial whose latest value is below this is stopped.",
        "after": "From which report on the bound holds; default 1.",
    },
    "curve": {
        "type": "curve",
        "max_iter": "How many reports a whole trial makes: where the curve is extrapolated to.",
        "probability": "A trial stops when it beats the best so far with less than this probability; default 0.05.",
    },
    "pbt": {
        "type": "pbt",
        "interval": "How many reports a trial makes between two decisions.",
        "quantile": "Which share of the trials counts as the best, and as the worst; default 0.25.",
        "resample": "How likely a parameter is drawn anew instead of being multiplied; default 0.25.",
        "factors": "By what a number is multiplied, each as likely; default [0.8, 1.2].",
        "parameters": "The parameters that change; default: all that are searched.",
    },
}

_COUNT: Schema = {"type": "integer", "minimum": 1}
_WAIT: Schema = {"type": "integer", "minimum": 0, "default": 0}
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_TYPES: dict[str, Schema] = {
    "metric": {"type": "string"},
    "min_iter": _COUNT,
    "max_iter": _COUNT,
    "s": _COUNT,
    "brackets": _COUNT,
    "patience": _COUNT,
    "after": {**_COUNT, "default": 1},
    "interval": _COUNT,
    "eta": {"type": "number", "exclusiveMinimum": 1, "default": 3},
    "strict": {"type": "boolean", "default": True},
    "mode": {"enum": ["stop", "promote"], "default": "stop"},
    "compare": {"enum": ["best", "value"], "default": "best"},
    "min_delta": {"type": "number", "minimum": 0, "default": 0},
    "above": {"type": "number"},
    "below": {"type": "number"},
    "probability": {**_SHARE, "default": 0.05},
    "quantile": {"type": "number", "minimum": 0, "maximum": 0.5, "default": 0.25},
    "resample": {**_SHARE, "default": 0.25},
    "factors": {"type": "array", "minItems": 1, "items": {"type": "number", "exclusiveMinimum": 0}},
    "parameters": {"type": "array", "items": {"type": "string"}},
    "warmup": _WAIT,
    "min_peers": {"type": "integer", "minimum": 0},
    "grace": _WAIT,
    "non_finite": {"enum": ["ignore", "stop"], "default": "ignore"},
}
_NEEDED: dict[str, list[str]] = {
    "bohb": ["max_iter"], "plateau": ["patience"], "curve": ["max_iter"], "pbt": ["interval"]
}  # fmt: skip
_FORMS: dict[str, Schema] = {
    "hyperband": {"oneOf": [{"required": ["min_iter"]}, {"required": ["max_iter", "s"]}]},
    "threshold": {"anyOf": [{"required": ["above"]}, {"required": ["below"]}]},
}


def early_terminate_schema() -> Schema:
    """What `early_terminate` may hold, as JSON Schema with a description of every key."""
    rules = [_rule(kind) for kind in RULES]
    several = {"description": ANY["any"], "type": "array", "minItems": 1, "items": {"anyOf": rules}}
    any_of: Schema = {
        "title": "any",
        "type": "object",
        "properties": {"any": several},
        "additionalProperties": False,
        "required": ["any"],
    }
    return {"anyOf": [*rules, any_of]}


def _rule(kind: str) -> Schema:
    types = {**_TYPES, "type": {"const": kind}}
    if kind == "median":
        types["compare"] = {"enum": ["mean", "best"], "default": "mean"}
    texts = {**RULES[kind], **GUARD}
    properties = {key: {"description": text, **types[key]} for key, text in texts.items()}
    return {
        "title": kind,
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": ["type", *_NEEDED.get(kind, [])],
        **_FORMS.get(kind, {}),
    }
