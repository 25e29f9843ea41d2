"""Runs a Python program in a forked child as `python program.py arguments` would; loads nothing beforehand."""

from __future__ import annotations

import importlib.machinery
import io
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from swath.agents.executors.birth import Birth, reseed
from swath.agents.executors.function import exit_code_of
from swath.agents.executors.titles import set_title


@dataclass
class Script(Birth):
    """A trial that runs a program; `words` is its command line from the program's name on."""

    words: tuple[str, ...]

    def _run(self) -> int:
        set_title([sys.executable, *self.words])
        reseed()
        try:
            _run_as_main(self.words)
        except SystemExit as leave:
            code, message = exit_code_of(leave)
            if message:
                sys.stderr.write(message + "\n")
            return code
        except KeyboardInterrupt as error:
            _show(error)
            return self._die_of(signal.SIGINT)
        except BaseException as error:
            _show(error)
            return 1
        return 0

    def _die_of(self, number: signal.Signals) -> int:
        self._leave(128 + number)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return 128 + number


def _run_as_main(words: tuple[str, ...]) -> None:
    """Execute the file as `__main__`, with what Python sets up for a program: arguments, import path, module."""
    program = str(Path(words[0]).absolute())
    sys.argv = list(words)
    sys.orig_argv = [sys.executable, *words]
    sys.path[:] = [str(Path(program).resolve().parent), *(path for path in sys.path if path)]
    main = ModuleType("__main__")
    main.__file__ = program
    main.__builtins__ = __builtins__  # type: ignore[attr-defined]
    main.__loader__ = importlib.machinery.SourceFileLoader("__main__", program)
    main.__dict__.update(__annotations__={}, __cached__=None)
    sys.modules["__main__"] = main
    with io.open_code(program) as file:
        code = compile(file.read(), program, "exec", dont_inherit=True)
    exec(code, main.__dict__)


def _show(error: BaseException) -> None:
    """What Python does with an error that nobody caught, without the frames of this file."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    sys.excepthook(type(error), error.with_traceback(trace), trace)
