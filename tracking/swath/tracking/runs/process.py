"""The open runs of this process, and what becomes of them when it fails, exits or forks."""

from __future__ import annotations

import atexit
import builtins
import importlib
import os
import signal
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from swath.tracking.background import BACKGROUND
from swath.tracking.context import ENTERED
from swath.tracking.errors import TrialStopped

if TYPE_CHECKING:
    from swath.tracking.runs.handle import Run

_MAX_ERROR = 64 * 1024
_open: list[Run] = []
_failure: BaseException | None = None
_exit_asked: tuple[SystemExit, int] | None = None
_installed = False
_watching_forks = False


def current() -> Run | None:
    """The run that module-level calls mean: that of the trial entered here, else the process's own."""
    scope = ENTERED.get()
    if scope is not None:
        return scope.run if scope.run is not None and not scope.run.finished else None
    own = [run for run in _open if run.is_global]
    if own:
        return own[-1]
    return _open[0] if len(_open) == 1 else None


def opened(run: Run) -> None:
    """Note an open run; one outside a trial entered in this process is finished when the process ends."""
    _open.append(run)
    _watch_forks()
    if not run.disabled:
        BACKGROUND.follow(run)
    scope = ENTERED.get()
    if scope is not None:
        scope.run = run
    else:
        _install()
        if not run.sweep_id and not run.disabled:
            _watch_sigterm()


def finishing(run: Run, *, hurried: bool) -> None:
    """Note that a run is about to be finished, while it can still be written to.

    `hurried`: by a signal. Nothing may be imported then, which makes Python forget to end as interrupted.
    """
    BACKGROUND.forget(run, hurried=hurried)


def closed(run: Run) -> None:
    """Forget a run that was finished."""
    if run in _open:
        _open.remove(run)


def exit_of(error: BaseException | None) -> tuple[int, str]:
    """The exit code of a program that ends with `error`, and the text to keep of it."""
    if error is None or isinstance(error, TrialStopped):
        return 0, ""
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            return int(error.code or 0), ""
        return 1, str(error.code)
    return (130 if isinstance(error, KeyboardInterrupt) else 1), _traceback_of(error)


def _traceback_of(error: BaseException) -> str:
    from traceback import format_exception

    text = "".join(format_exception(error))
    return text if len(text) <= _MAX_ERROR else f"{text[: _MAX_ERROR // 2]}\n...\n{text[-_MAX_ERROR // 2 :]}"


def _watch_sigterm() -> None:
    """Let a SIGTERM that nobody handles be the recorded end of the open runs, and then do what it does."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        return

    def on_term(number: int, frame: object) -> None:
        try:
            for run in reversed(_open.copy()):
                run.finish_by(number)
        finally:  # whatever becomes of the record, the process ends
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, on_term)


def _watch_forks() -> None:
    global _watching_forks
    if not _watching_forks and hasattr(os, "register_at_fork"):
        _watching_forks = True
        os.register_at_fork(after_in_child=_after_fork)


def _install() -> None:
    global _installed
    if _installed:
        return
    _installed = True
    # Imported before it is needed: an import after a Ctrl-C makes Python forget to end as interrupted.
    importlib.import_module("traceback")
    atexit.register(_finish_all)
    previous_hook, previous_exit = sys.excepthook, sys.exit

    def excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        global _failure
        if not hasattr(sys, "ps1"):  # where people type, a program does not end with an error
            _failure = error
        previous_hook(kind, error, trace)

    def noting_exit(code: Any = None, /) -> NoReturn:
        _note_exit(code)
        previous_exit(code)

    sys.excepthook = excepthook
    sys.exit = noting_exit
    program = vars(sys.modules["__main__"])
    for name in [name for name, value in program.items() if value is previous_exit]:
        program[name] = noting_exit  # it was imported by its name
    _watch_quitters()


def _watch_quitters() -> None:
    """Note what `exit()` and `quit()` ask for; they are there unless Python was started without `site`."""
    quitter = type(getattr(builtins, "exit", None))
    if quitter.__module__ != "_sitebuiltins":
        return
    previous = quitter.__call__

    def noting_call(self: Any, code: Any = None) -> NoReturn:
        _note_exit(code)
        previous(self, code)
        raise SystemExit(code)  # not reached: the previous one raises it

    quitter.__call__ = noting_call  # type: ignore[method-assign]


def _note_exit(code: Any) -> None:
    global _exit_asked
    if threading.current_thread() is threading.main_thread():  # elsewhere it ends the thread alone
        _exit_asked = (SystemExit(code), _steps())


def _finish_all() -> None:
    """At exit: finish what is open, as failed when the program failed.

    A `sys.exit()` counts when nothing was logged after it, so it was not caught. A `raise SystemExit(3)` outside a
    `with` block of the run leaves no trace that could be found here.
    """
    error = _failure
    if error is None and _exit_asked is not None and _exit_asked[1] == _steps():
        error = _exit_asked[0]
    for run in reversed(_open.copy()):
        run.finish_after(error)


def _steps() -> int:
    return sum(run.step for run in _open)


def _after_fork() -> None:
    BACKGROUND.after_fork()
    for run in _open:
        run.after_fork()
