"""Real `sweep` commands for tests, forked from a process that has the command line loaded: no Python starts for them.

Each is a process of its own, with its own session, folder, variables and pipes. A test whose law is the start of the
command, or what `ps` calls it, starts a cold one.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import TextIO

from swath.agents.executors.birth import Birth
from swath.agents.executors.server import ForkedChild

#: What the verbs import when they run, without libraries that start threads: a process with threads must not fork.
LOADED = (
    *(f"swath.sweeps.cli.{name}" for name in ("running", "reading", "agents", "slots", "crewing", "logs", "checking")),
    "swath.agents.launchers.local",
    "swath.sweeps.search.grid",
    "typer._adapters",
)


@dataclass
class Verb(Birth):
    """A forked child that becomes `sweep WORDS`, as `python -m swath.sweeps WORDS` would."""

    words: tuple[str, ...]

    def _run(self) -> int:
        from swath.sweeps.cli import main

        gc.freeze()
        sys.stdout = sys.__stdout__ = os.fdopen(1, "w", closefd=False)  # type: ignore[misc]
        sys.path.insert(0, os.getcwd())
        sys.argv = ["sweep", *self.words]
        try:
            main()
        except SystemExit as ending:
            return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            return 1
        return 0


class Command:
    """A command that runs; of `subprocess.Popen` what tests use."""

    def __init__(self, words: tuple[str, ...], folder: Path, env: Mapping[str, str]) -> None:
        self.args = ("sweep", *words)
        out, out_w = os.pipe()
        err, err_w = os.pipe()
        self.stdout, self.stderr = os.fdopen(out), os.fdopen(err)
        self._child = _born([out_w, err_w], Verb(dict(env), str(folder), words))
        os.close(out_w)
        os.close(err_w)
        self.pid = self._child.pid

    @property
    def returncode(self) -> int | None:
        """As `poll`, which it asks."""
        return self.poll()

    def poll(self) -> int | None:
        code = self._child.poll()
        if code is not None:
            self._child.close()
        return code

    def wait(self, timeout: float | None = None) -> int:
        until = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            select.select([self._child.exit_fd or 0], [], [], left)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All that it prints from now on, once it has ended and nobody else holds its pipes."""
        read = [Reading(self.stdout), Reading(self.stderr)]
        until = None if timeout is None else time.monotonic() + timeout
        for each in read:
            each.join(None if until is None else max(0.0, until - time.monotonic()))
            if each.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        self.wait(timeout)
        self._close()
        return read[0].text, read[1].text

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def end(self) -> None:
        """Kill it, if it still runs, and throw away what it printed."""
        self.kill()
        self.wait()
        self._close()

    def _close(self) -> None:
        self.stdout.close()
        self.stderr.close()


class Reading(threading.Thread):
    """Reads one pipe to its end."""

    def __init__(self, pipe: TextIO) -> None:
        super().__init__(daemon=True)
        self.text = ""
        self._pipe = pipe
        self.start()

    def run(self) -> None:
        self.text = self._pipe.read()


_server = forkserver.ForkServer()
_server.set_forkserver_preload([__name__, *LOADED])


def _born(fds: list[int], verb: Verb) -> ForkedChild:
    """A child of the one fork server of these tests, which is started for the first one and ends with this process."""
    status, order = _server.connect_to_new_process(fds)
    with os.fdopen(order, "wb") as pipe:
        child = ForkedChild(status)
        pipe.write(pickle.dumps({}) + pickle.dumps(verb))
    return child
