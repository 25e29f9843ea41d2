"""Which executor runs a task: the one place that knows them all. Each is imported when it is chosen."""

from __future__ import annotations

from swath.agents.executors.base import Executor
from swath.agents.protocol import Task
from swath.agents.task import Function
from swath.tracking.errors import UsageError

#: What may be asked for: a child process for each trial (what nobody needs to ask for), a new Python for each trial of
#: a program instead of one with its libraries loaded, or the agent's own process.
EXECUTORS = ("process", "cold", "inline")


def check_executor(kind: str | None) -> None:
    """Raise `UsageError` unless `kind` is one that may be asked for, or None."""
    if kind is not None and kind not in EXECUTORS:
        raise UsageError(f"there is no executor {kind!r}", f"the executors are {', '.join(EXECUTORS)}")


def executor_for(
    task: Task, kind: str | None = None, *, function: Function | None = None, echo: bool = False
) -> Executor:
    """The executor for a task: a child process for each trial, unless inline is asked for.

    Raises `UsageError` for a kind that there is not, or that is not for this task.

    A `function` is called in this process instead of whatever the task names. `echo`: print what children print.
    """
    check_executor(kind)
    if function is not None or kind == "inline":
        from swath.agents.executors.inline import InlineExecutor

        return InlineExecutor(function)
    if task.function is not None or task.pickled is not None:
        if kind == "cold":
            raise UsageError(f"{task.describe()!r} is no program, and cannot be started cold", "use process or inline")
        from swath.agents.executors.process import ProcessExecutor

        return ProcessExecutor(echo=echo)
    if kind == "cold":
        from swath.agents.executors.command import CommandExecutor

        return CommandExecutor(echo=echo)
    from swath.agents.executors.program import ProgramExecutor

    return ProgramExecutor(echo=echo)
