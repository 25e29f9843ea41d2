"""Calls the user's training function with a trial's config and says how it ended. Starts no process."""

from __future__ import annotations

import inspect
import numbers
import traceback
from pathlib import Path
from typing import Any

from swath.agents.task import Function
from swath.tracking.runlog.encoding import utf8_text

_HERE = str(Path(__file__).parent)


class TrialConfig(dict[str, Any]):
    """A trial's parameters: `config["lr"]` and `config.lr` alike, nested ones too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the trial's config has no {name!r}; it has {', '.join(self)}") from None

    @classmethod
    def of(cls, config: dict[str, Any]) -> TrialConfig:
        return cls({key: cls.of(value) if isinstance(value, dict) else value for key, value in config.items()})


def call(function: Function, config: dict[str, Any], with_config: bool) -> None:
    """`function(config)` or `function()`.

    A dict it returns is logged as one last row when it holds numbers; other results are ignored.
    """
    result = function(TrialConfig.of(config)) if with_config else function()
    row = _numbers_in(result) if isinstance(result, dict) else {}
    if row:
        _log(row)


def takes_config(function: Function) -> bool:
    """Whether the first positional parameter is `config`, or one that must be given."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return True
    first = next((each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)), None)
    return first is not None and (first.name == "config" or first.default is first.empty)


def _numbers_in(result: dict[Any, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in result.items() if isinstance(value, numbers.Number)}


def _log(row: dict[str, Any]) -> None:
    from swath import tracking

    if tracking.run is None:
        tracking.init()
    tracking.log(row)


def traceback_of(error: BaseException) -> str:
    """The traceback as the user's code made it, without the frames of the executor above it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_HERE):
        trace = trace.tb_next
    return utf8_text("".join(traceback.format_exception(type(error), error, trace)))


def exit_code_of(error: SystemExit) -> tuple[int, str]:
    """What `sys.exit` was called with, as an exit code and a message."""
    if error.code is None:
        return 0, ""
    if isinstance(error.code, int):
        return error.code & 0xFF, ""
    return 1, utf8_text(str(error.code))
