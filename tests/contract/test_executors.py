"""Every executor keeps the laws of `Executor`."""

from __future__ import annotations

from pathlib import Path

from swath.agents import Executor, Task
from swath.agents.executors.command import CommandExecutor
from swath.agents.executors.inline import InlineExecutor
from swath.agents.executors.process import ProcessExecutor
from swath.agents.executors.program import ProgramExecutor
from swath.agents.testing.executors import ExecutorLaws, FunctionLaws


def function_task(function: str, folder: Path) -> Task:
    return Task(function=f"lawful_train:{function}", cwd=str(folder))


class TestInline(FunctionLaws):
    def make(self) -> Executor:
        return InlineExecutor()

    def task(self, function: str, folder: Path) -> Task:
        return function_task(function, folder)


class TestProcess(FunctionLaws):
    def make(self) -> Executor:
        return ProcessExecutor()

    def task(self, function: str, folder: Path) -> Task:
        return function_task(function, folder)


class TestCommand(ExecutorLaws):
    def make(self) -> Executor:
        return CommandExecutor()

    def task(self, function: str, folder: Path) -> Task:
        command = ("${env}", "${interpreter}", "-c", call(function), "${args}")
        return Task(command=command, cwd=str(folder))


class TestProgram(ExecutorLaws):
    """A program that is forked with its libraries loaded."""

    def make(self) -> Executor:
        return ProgramExecutor()

    def task(self, function: str, folder: Path) -> Task:
        (folder / "program.py").write_text(call(function))
        return Task(program="program.py", cwd=str(folder))


def call(function: str) -> str:
    """A program that calls the function as a user's program would call its own."""
    argument = "" if function == "no_argument" else "{'epochs': 3}"
    return f"import lawful_train; lawful_train.{function}({argument})"
