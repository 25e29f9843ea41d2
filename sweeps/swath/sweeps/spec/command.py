"""Checks the macros of a sweep's command; the executor expands them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from swath.sweeps.spec import keys
from swath.sweeps.spec.faults import nearest
from swath.sweeps.spec.loader import Path
from swath.sweeps.spec.reader import Reader, shown

_MACRO = re.compile(r"\$\{([^}]*)\}")
_VARIABLE = re.compile(r"envvar:[A-Za-z_][A-Za-z0-9_]*")


def read_command(read: Reader, data: Mapping[str, Any], parameters: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The tokens of `command`; each `${...}` must be a macro (as a whole token), `envvar:NAME` or a parameter."""
    if "command" not in data:
        return None
    command = data["command"]
    if not isinstance(command, list) or not command:
        read.fault(("command",), f"must be a list of tokens, not {shown(command)}", "write - ${env} and so on")
        return None
    names = set(parameter_names(parameters))
    for index, token in enumerate(command):
        if isinstance(token, bool) or not isinstance(token, (str, int, float)):
            read.fault(("command", index), f"a token must be text, not {shown(token)}", "put it in quotes")
        else:
            _check_token(read, ("command", index), str(token), names)
    return tuple(str(token) for token in command)


def parameter_names(parameters: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The names of all parameters that are not nested, with dots."""
    names = []
    for name, parameter in parameters.items():
        inner = parameter.get("parameters") if isinstance(parameter, dict) else None
        names += parameter_names(inner, f"{prefix}{name}.") if isinstance(inner, dict) else [f"{prefix}{name}"]
    return names


def _check_token(read: Reader, path: Path, token: str, names: set[str]) -> None:
    for found in _MACRO.finditer(token):
        macro = found[1]
        if macro in names or _VARIABLE.fullmatch(macro):
            continue
        if macro in keys.MACROS:
            if found[0] != token:
                read.fault(
                    path,
                    f"${{{macro}}} must be a token of its own, not a part of '{token}'",
                    "split the token",
                )
            continue
        known = [*keys.MACROS, *names, "envvar:NAME"]
        hint = nearest(macro, known) or f"known: {', '.join(known)}"
        read.fault(path, f"unknown macro ${{{macro}}}: neither a macro nor a parameter", hint)
