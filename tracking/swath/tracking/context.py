"""Which trial the code here belongs to, and how an agent tells `init()`: in-process or by environment."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from swath.tracking.layout import check_run_id

if TYPE_CHECKING:
    from swath.tracking.runs.handle import Run

PARAMS_NAME = "params.yaml"


class TrialContext(msgspec.Struct, frozen=True):
    """The trial that `init()` is called in.

    `config` holds the sweep's parameters: they win over the program's own and cannot be changed by it.
    `on_row` is called with the values of every row after it is in the log, in the thread that logged (same
    process only). `rank`: which process of the trial this is; rank 0 reports, the others record only what is their own.
    """

    run_id: str
    attempt: int
    sweep_id: str
    run_dir: Path
    name: str = ""
    project: str = ""
    group: str = ""
    config: dict[str, Any] = {}
    capture_console: bool = True
    on_row: Callable[[dict[str, Any]], None] | None = None
    rank: int = 0

    def to_environment(self) -> dict[str, str]:
        """The variables that make a child process this trial; writes the config into the run's folder."""
        params = self.run_dir / PARAMS_NAME
        self.run_dir.mkdir(parents=True, exist_ok=True)
        params.write_text(params_text(self.config), encoding="utf-8")
        variables = {
            "SWATH_RUN_ID": self.run_id,
            "SWATH_SWEEP_ID": self.sweep_id,
            "SWATH_ATTEMPT": str(self.attempt),
            "SWATH_RUN_DIR": str(self.run_dir),
            "SWATH_RUN_NAME": self.name,
            "SWATH_PROJECT": self.project,
            "SWATH_RUN_GROUP": self.group,
            "SWATH_SWEEP_PARAM_PATH": str(params),
            "WANDB_RUN_ID": self.run_id,
            "WANDB_SWEEP_ID": self.sweep_id,
            "WANDB_SWEEP_PARAM_PATH": str(params),
        }
        if not self.capture_console:
            variables["SWATH_CONSOLE"] = "off"
        if self.rank:
            variables["SWATH_RANK"] = str(self.rank)
        return variables


class Entered:
    """A trial that was entered in this context, and the run that `init()` opened in it."""

    __slots__ = ("context", "run")

    def __init__(self, context: TrialContext) -> None:
        self.context = context
        self.run: Run | None = None


#: The folder that takes the place of every `.swath` while a test suite captures runs.
CAPTURED: ContextVar[Path | None] = ContextVar("swath_capture", default=None)


def is_captured() -> bool:
    """Whether runs are captured here."""
    return CAPTURED.get() is not None


ENTERED: ContextVar[Entered | None] = ContextVar("swath_trial", default=None)


@contextmanager
def entered(context: TrialContext) -> Iterator[TrialContext]:
    """Make `context` the trial of this thread (or task) for `init()`; it wins over the environment.

    A run that is still open at the end is finished, as failed when an exception passes.
    """
    scope = Entered(context)
    token = ENTERED.set(scope)
    try:
        yield context
    finally:
        ENTERED.reset(token)
        if scope.run is not None:
            scope.run.finish_after(sys.exc_info()[1])


def from_environment(variables: Mapping[str, str]) -> TrialContext | None:
    """The trial that `variables` speak of, or None when this process is no trial."""
    needed = ("SWATH_RUN_ID", "SWATH_ATTEMPT", "SWATH_RUN_DIR")
    if not all(variables.get(name) for name in needed):
        return None
    params = variables.get("SWATH_SWEEP_PARAM_PATH")
    return TrialContext(
        run_id=check_run_id(variables["SWATH_RUN_ID"]),
        attempt=int(variables["SWATH_ATTEMPT"]),
        sweep_id=variables.get("SWATH_SWEEP_ID", ""),
        run_dir=Path(variables["SWATH_RUN_DIR"]),
        name=variables.get("SWATH_RUN_NAME", ""),
        project=variables.get("SWATH_PROJECT", ""),
        group=variables.get("SWATH_RUN_GROUP", ""),
        config=read_params(Path(params)) if params else {},
        capture_console=variables.get("SWATH_CONSOLE", "").lower() != "off",
        rank=int(variables.get("SWATH_RANK") or 0),
    )


def params_text(config: Mapping[str, Any]) -> str:
    """A config in W&B's file form, written so that YAML 1.1, YAML 1.2 and JSON readers agree about it."""
    lines = ['"wandb_version": 1']
    lines += [f'{_text(key)}: {{"value": {_literal(value)}}}' for key, value in config.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_params(path: Path) -> dict[str, Any]:
    """The config in a file of W&B's form."""
    text = path.read_text(encoding="utf-8")
    try:
        loaded = msgspec.json.decode(text)
    except msgspec.DecodeError:
        from swath.tracking import yamlfile

        loaded = yamlfile.load(text)
    return {key: entry["value"] for key, entry in loaded.items() if isinstance(entry, dict) and "value" in entry}


def _literal(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(key)}: {_literal(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, float):
        return _number(float(value))
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(int(value)) if isinstance(value, int) else _text(value)


def _number(value: float) -> str:
    """A float that YAML 1.1 takes for one: it wants a point before the exponent."""
    if not math.isfinite(value):
        return ".nan" if value != value else ".inf" if value > 0 else "-.inf"
    mantissa, mark, exponent = repr(value).partition("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}{mark}{exponent}"


def _text(value: object) -> str:
    import json

    text = str(value)
    if text.isascii() or max(text) <= "\uffff":
        return json.dumps(text)
    # YAML reads the two escapes that JSON has for such a character as two characters.
    return '"' + "".join(char if char > "\uffff" else json.dumps(char)[1:-1] for char in text) + '"'
