"""The environment variables of trials: the one file of this wing that reads them, and what a child gets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from swath.tracking.context import TrialContext

#: Names that say which run or sweep a process belongs to; an agent that is itself inside a run must not hand them on.
_OF_A_RUN = ("SWATH_RUN_ID", "SWATH_SWEEP_ID", "SWATH_ATTEMPT", "SWATH_RUN_DIR", "SWATH_SWEEP_PARAM_PATH", "SWATH_RANK")


def inherited() -> dict[str, str]:
    """A copy of this process's environment."""
    return dict(os.environ)


def adopt(environment: Mapping[str, str]) -> None:
    """Make `environment` this process's own; only a freshly forked child may do so."""
    os.environ.clear()
    os.environ.update(environment)


def taken(name: str) -> str | None:
    """A variable that was meant for this process alone: it is removed."""
    return os.environ.pop(name, None)


@contextmanager
def having(name: str, value: str) -> Iterator[None]:
    """Have one more variable, for a process that is started meanwhile by code that hands on this environment."""
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)


def child_environment(context: TrialContext, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a trial's process gets: the agent's environment and the names of its run.

    Output is unbuffered, so that lines reach the log when they are printed and not when 8 KiB are full, and it is
    UTF-8, so that the log shows what was printed.
    """
    environment = dict(inherited() if base is None else base)
    for name in _OF_A_RUN:
        environment.pop(name, None)
    environment.setdefault("PYTHONUNBUFFERED", "1")
    environment.setdefault("PYTHONIOENCODING", "utf-8:backslashreplace")
    environment.setdefault("PYTHONFAULTHANDLER", "1")
    return environment | context.to_environment()
