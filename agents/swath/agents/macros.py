"""Command macros: turns a sweep's `command` and one configuration into the words of a command line. Runs nothing."""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from swath.tracking.errors import SwathError, UsageError

_MACRO = re.compile(r"(\$?)\$\{([^{}]*)\}")
_ENVVAR = "envvar:"
_PYTHON_SUFFIXES = (".py", ".pyw")


class MacroError(UsageError):
    """A command cannot be written out: mend the sweep's `command`."""


def default_command(program: str, cwd: str | None = None) -> list[str]:
    """The command of a sweep that names only a program.

    Python files, and everything that cannot be executed by itself, go through the interpreter; an executable of any
    other kind (a shell script, a compiled program) is started directly.
    """
    path = program_path(program, cwd)
    direct = path.suffix not in _PYTHON_SUFFIXES and path.is_file() and os.access(path, os.X_OK)
    return ["${env}", "${program}", "${args}"] if direct else ["${env}", "${interpreter}", "${program}", "${args}"]


def program_path(program: str, cwd: str | None = None) -> Path:
    """Where `program` stands, seen from the folder the trial runs in."""
    return Path(cwd or ".").joinpath(Path(program).expanduser())


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every name that `${name}` can mean: the keys of `config`, and those of nested ones joined by dots."""
    names: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            names |= flatten(value, f"{prefix}{key}.")
        names[f"{prefix}{key}"] = value
    return names


def _args(config: Mapping[str, Any], prefix: str = "--") -> list[str]:
    return [f"{prefix}{key}={value}" for key, value in config.items()]


def _args_no_equals(config: Mapping[str, Any]) -> list[str]:
    return [word for key, value in config.items() for word in (f"--{key}", str(value))]


def _args_no_boolean_flags(config: Mapping[str, Any]) -> list[str]:
    words = []
    for key, value in config.items():
        if not isinstance(value, bool):
            words.append(f"--{key}={value}")
        elif value:
            words.append(f"--{key}")
    return words


#: Macros that stand for several words, so that they must be a token of their own.
LIST_MACROS: dict[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "args": _args,
    "args_no_equals": _args_no_equals,
    "args_no_hyphens": lambda config: _args(config, ""),
    "args_no_boolean_flags": _args_no_boolean_flags,
    "args_append_hydra": lambda config: _args(config, "+"),
    "args_override_hydra": lambda config: _args(config, "++"),
}
#: Macros that stand for one word.
WORD_MACROS = ("env", "interpreter", "program", "args_json", "args_json_file")


def expand(
    command: Sequence[str],
    config: Mapping[str, Any],
    program: str | None = None,
    *,
    json_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    interpreter: str = sys.executable,
    cwd: str | None = None,
) -> list[str]:
    """The words of the command line that runs `config`.

    Values are written as `str(value)`, as W&B's agent does: `True`, `None`, `[1, 2]`, and nested dicts in Python's form
    (`--model={'width': 3}`); for JSON use `${args_json}`, or `${args_json_file}`, which writes `json_file`.
    `${name}` inside a token is the parameter of that name, with dots for nested ones; `$${x}` is a literal `${x}`.

    `${interpreter}` is the Python that runs this agent and not the first `python` on PATH: that may be another virtual
    environment, without the packages the agent was started beside, or not exist at all. For another Python write its
    name as a token. A Python file that is started directly and is not executable is given to that interpreter too.

    Raises `MacroError` for an unknown macro (with the nearest name), a macro that cannot stand inside a token, and an
    environment variable that is not set.
    """
    words = _Words(config, program, json_file, environ or {}, interpreter)
    expanded = [word for token in command for word in words.of(str(token))]
    at = 1 if expanded[:1] == ["/usr/bin/env"] else 0
    if len(expanded) > at and _needs_interpreter(expanded[at], program, cwd):
        expanded.insert(at, interpreter)
    if len(expanded) <= at:
        raise MacroError("the command is empty", "write a program into `command:`, or leave it out and set `program:`")
    return expanded


def _needs_interpreter(word: str, program: str | None, cwd: str | None) -> bool:
    is_python = word == program and Path(word).suffix in _PYTHON_SUFFIXES
    return is_python and not os.access(program_path(word, cwd), os.X_OK)


class _Words:
    """The values of all macros for one configuration; each is worked out when it is asked for."""

    def __init__(
        self,
        config: Mapping[str, Any],
        program: str | None,
        json_file: Path | None,
        environ: Mapping[str, str],
        interpreter: str,
    ) -> None:
        self._config = config
        self._program = program
        self._json_file = json_file
        self._environ = environ
        self._interpreter = interpreter
        self._names = flatten(config)

    def of(self, token: str) -> list[str]:
        """The words that one token of the command becomes."""
        whole = _MACRO.fullmatch(token)
        if whole and not whole[1] and whole[2] in LIST_MACROS:
            return LIST_MACROS[whole[2]](self._config)
        return [_MACRO.sub(self._inside, token)]

    def _inside(self, match: re.Match[str]) -> str:
        escaped, name = match[1], match[2]
        if escaped:
            return match[0][1:]
        if name in WORD_MACROS:
            return self._word(name)
        if name in self._names:
            return str(self._names[name])
        if name.startswith(_ENVVAR):
            return self._variable(name.removeprefix(_ENVVAR))
        raise _fault(name, self._names)

    def _word(self, name: str) -> str:
        if name == "env":
            return "/usr/bin/env"
        if name == "interpreter":
            return self._interpreter
        if name == "program":
            return self._program_name()
        return json.dumps(self._config) if name == "args_json" else self._written()

    def _program_name(self) -> str:
        if not self._program:
            raise MacroError("the command uses ${program}, and the sweep names no program", "set `program:`")
        return self._program

    def _written(self) -> str:
        if self._json_file is None:
            raise MacroError("${args_json_file} has no folder to be written to here", "use ${args_json}")
        self._json_file.parent.mkdir(parents=True, exist_ok=True)
        self._json_file.write_text(json.dumps(self._config))
        return str(self._json_file)

    def _variable(self, name: str) -> str:
        if name not in self._environ:
            raise MacroError(
                f"the command uses ${{{_ENVVAR}{name}}}, and the agent's environment has no {name}",
                f"set it before the agent starts: export {name}=...",
            )
        return self._environ[name]


def _fault(name: str, parameters: Iterable[str]) -> MacroError:
    if name in LIST_MACROS:
        return MacroError(
            f"${{{name}}} stands for several words and cannot be a part of a token",
            f'write "${{{name}}}" as an item of its own in `command:`, or use ${{args_json}} inside a token',
        )
    known = [*LIST_MACROS, *WORD_MACROS, *parameters]
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean ${{{near[0]}}}? " if near else ""
    return MacroError(
        f"unknown macro ${{{name}}} in the sweep's command",
        f"{meant}Macros are {', '.join([*LIST_MACROS, *WORD_MACROS])}, {_ENVVAR}NAME and the parameters' names;"
        f" $${{{name}}} leaves it to the shell",
    )


def check_command(command: Sequence[str], parameters: Iterable[str]) -> list[SwathError]:
    """All faults of a command that can be seen before there is a config. `parameters`: names, dots for nested."""
    names = set(parameters)
    faults: list[SwathError] = []
    for token in map(str, command):
        whole = _MACRO.fullmatch(token)
        for escaped, name in _MACRO.findall(token):
            known = name in WORD_MACROS or name in names or name.startswith(_ENVVAR)
            if not (escaped or known or (whole and name in LIST_MACROS)):
                faults.append(_fault(name, names))
    return faults
