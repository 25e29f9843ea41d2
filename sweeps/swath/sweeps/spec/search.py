"""Reads `method` and `search`: which search method, and its options; the tables of options; no searching."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from swath.sweeps.spec import keys
from swath.sweeps.spec.faults import nearest
from swath.sweeps.spec.reader import Reader, shown

Kind = Literal["whole", "share", "positive", "flag"]

CUSTOM = "custom"
_CUSTOM = re.compile(r"custom\s*:\s*([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)")
_WRITE = 'write it as method: "custom: package.module:Searcher"'


@dataclass(frozen=True)
class Option:
    """One option of a method. A default of None is worked out by the method, as `about` says.

    Kinds: `whole` numbers of `least` or more, a `share` from 0 to 1, a `positive` number, a `flag` true or false.
    """

    about: str
    kind: Kind
    default: Any
    least: int = 1


_STARTUP = Option("Trials with a result before the model is asked; until then configurations are random.", "whole", 10)
_GENETIC: dict[str, Option] = {
    "population": Option("Trials of one generation; the first one is random.", "whole", 10, 2),
    "crossover": Option("How likely a child has two parents and not one.", "share", 0.9),
    "mutation": Option("How likely one parameter of a child is changed; default: 1 / parameters.", "share", None),
    "swapping": Option("How likely a value of a list in a child is that of its second parent.", "share", 0.5),
}
#: method -> its options; custom takes any, and gives them to the searcher as they are.
OPTIONS: dict[str, dict[str, Option]] = {
    "grid": {},
    "random": {},
    "bayes": {},
    "qmc": {"scramble": Option("false: the plain Sobol sequence, the same for every seed.", "flag", True)},
    "tpe": {
        "startup": _STARTUP,
        "candidates": Option("Candidates that are compared for one suggestion.", "whole", 24),
        "liar": Option("true: trials in flight count as bad, so that none is suggested beside them.", "flag", True),
    },
    "gp": {
        "startup": _STARTUP,
        "trials": Option("Trials that the model learns from: the best and the newest.", "whole", 200, 10),
        "deterministic": Option("true: equal configurations have equal results, without noise.", "flag", False),
    },
    "cmaes": {
        "population": Option("Trials of one generation; default: 4 + 3 ln(parameters).", "whole", None, 2),
        "sigma0": Option("The first standard deviation, where the range of each parameter is 1.", "positive", 0.3),
    },
    "nsga2": _GENETIC,
    "nsga3": _GENETIC,
}


def read_method(read: Reader, data: Mapping[str, Any]) -> str | None:
    """The method by name, or `custom: package.module:Searcher` in this form; None where it noted a fault."""
    method = data.get("method")
    if isinstance(method, dict) and list(method) == [CUSTOM]:
        method = f"{CUSTOM}: {method[CUSTOM]}"
    known = (*OPTIONS, CUSTOM)
    if "method" not in data:
        read.fault(("method",), "the key is missing", f"add method: {', '.join(known)}")
        return None
    if isinstance(method, str) and is_custom(method):
        return _custom(read, method)
    if isinstance(method, str) and method in OPTIONS:
        return method
    near = nearest(method, known) if isinstance(method, str) else ""
    read.fault(("method",), f"must be one of {', '.join(known)}, not {shown(method)}", near)
    return None


def _custom(read: Reader, method: str) -> str | None:
    found = _CUSTOM.fullmatch(method.strip())
    if found is None:
        read.fault(("method",), f"{shown(method)} does not name a searcher", _WRITE)
        return None
    return f"{CUSTOM}: {found[1]}"


def is_custom(method: str) -> bool:
    """Whether the method is a searcher of the user's own."""
    return method.partition(":")[0].strip() == CUSTOM


def several_goals(method: str) -> bool:
    """Whether the method can search for several metrics at once; of a custom one only its searcher knows."""
    return (CUSTOM if is_custom(method) else method) in keys.MULTI_OBJECTIVE


def learns(method: str) -> bool:
    """Whether the method needs a metric to learn from; a custom one may do without."""
    return method in keys.LEARNING and not is_custom(method)


def read_search(read: Reader, data: Mapping[str, Any], method: str | None) -> dict[str, Any]:
    """The options under `search` as they are given; those of a custom method are not checked."""
    given, path = read.mapping(data, "search"), ("search",)
    if given is None or method is None or is_custom(method):
        return given or {}
    options = OPTIONS[method]
    if not options:
        read.fault(path, f"method {method} has no options", "remove `search`")
        return {}
    read.keys(given, path, options)
    return {name: _option(read, given, name, options[name]) for name in given if name in options}


def _option(read: Reader, given: Mapping[str, Any], name: str, option: Option) -> Any:
    path = ("search",)
    match option.kind:
        case "whole":
            return read.whole(given, name, option.least, path)
        case "flag":
            return read.flag(given, name, path)
        case "positive":
            return read.number(given, name, path, above=0)
        case "share":
            share = read.number(given, name, path, least=0)
            if share is not None and share > 1:
                read.fault((*path, name), f"must be a number from 0 to 1, not {shown(share)}")
            return share


def options_of(method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a method that is not custom: those given, and the defaults of the others."""
    return {name: given.get(name, option.default) for name, option in OPTIONS[method].items()}
