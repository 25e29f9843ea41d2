"""Agents as processes of this machine, each started with one and the same command; knows no Ray and no HTTP."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swath.agents.environment import inherited
from swath.agents.executors.group import descendants, kill_all, signal_group
from swath.agents.launchers.base import AgentEvent, Ended, Launcher, Worker, fate_of
from swath.tracking.errors import UsageError

OnLine = Callable[[str, str], None]
"""Called with an agent's name and a line of its output, without the line's end."""

#: Lines of an agent's stderr that its end is explained with.
LAST_WORDS = 20
#: A line that does not end is passed on in pieces of this size.
LONGEST_LINE = 64 * 1024


@dataclass(frozen=True)
class Seat:
    """What one of several agents has for itself: variables, and words of its command line."""

    environment: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()


class LocalLauncher(Launcher):
    """Runs `argv` as often as there are to be agents, with `--watch-parent FD` added.

    FD is the reading end of a pipe whose writing end only this process holds: when this process is gone, however it
    went, the agents read the end of the file, give their trials back and leave. Each agent is a session of its own, so
    that Ctrl-C in the terminal reaches this process alone. Their output goes line by line to `on_line`, what they say
    on stderr to `on_error` where there is one. With `seats` there are as many agents, and each has one of them for as
    long as it lives; the one that replaces a dead agent takes its seat.
    """

    def __init__(
        self,
        argv: Sequence[str],
        agents: int,
        *,
        on_line: OnLine = lambda agent, line: None,
        on_error: OnLine | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        seats: Sequence[Seat] = (),
        **options: Any,
    ) -> None:
        super().__init__(agents, **options)
        self._argv = list(argv)
        self._on_line = on_line
        self._on_error = on_error or on_line
        self._cwd = cwd
        self._env = env
        self._seats = list(seats) or [Seat()] * agents
        self._taken: dict[str, int] = {}
        self._pipe: tuple[int, int] | None = None

    def start(self) -> None:
        self._pipe = os.pipe()
        super().start()

    def close(self) -> None:
        super().close()
        if self._pipe is not None:
            for end in self._pipe:
                os.close(end)
            self._pipe = None

    def _hire(self, name: str) -> Worker:
        assert self._pipe is not None, "start() comes first"
        watched = self._pipe[0]
        seat = self._take_seat(name)
        argv = [*self._argv, *seat.words, "--watch-parent", str(watched)]
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(watched,),
                start_new_session=True,
                cwd=self._cwd,
                env={**(inherited() if self._env is None else self._env), **seat.environment},
                bufsize=0,
            )
        except OSError as error:
            raise UsageError(
                f"cannot start an agent with {argv[0]!r}: {error}", "see that it is a program, and that memory is left"
            ) from error
        return LocalWorker(name, process, self._on_line, self._on_error)

    def _take_seat(self, name: str) -> Seat:
        """The first seat that no living agent has."""
        alive = {worker.name for worker in self._workers}
        self._taken = {other: seat for other, seat in self._taken.items() if other in alive}
        free = next(index for index in range(len(self._seats)) if index not in self._taken.values())
        self._taken[name] = free
        return self._seats[free]


class LocalWorker:
    """One agent process."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], on_line: OnLine, on_error: OnLine) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.name = name
        self.pid = process.pid
        self._process = process
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._stdout = _Lines(process.stdout.fileno(), lambda line: on_line(name, line))
        self._stderr = _Lines(process.stderr.fileno(), self._heard(on_error))
        self._told = False
        self._drained = False

    def _heard(self, on_error: OnLine) -> Callable[[str], None]:
        def heard(line: str) -> None:
            self._last_words.append(line)
            on_error(self.name, line)

        return heard

    def look(self) -> tuple[list[AgentEvent], Ended | None]:
        code = self._process.poll()
        self._stdout.read()
        self._stderr.read()
        events = [] if self._told else [AgentEvent("started", self.name, f"process {self.pid}")]
        self._told = True
        return events, None if code is None else self._ended(code)

    def _ended(self, code: int) -> Ended:
        self._stdout.flush()
        self._stderr.flush()
        if code < 0:
            return Ended("died", f"process {self.pid} was killed by {_signal_name(-code)}")
        words = "\n".join(self._last_words).strip()
        fate = fate_of(code)
        return Ended(fate, words or f"process {self.pid} left with exit code {code}", code)

    def drain(self) -> None:
        if not self._drained:  # a second SIGINT would abort the trial
            self._drained = True
            self._process.send_signal(signal.SIGINT)

    def abort(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        if self._process.returncode is None:  # else its number may be another process's by now
            started = descendants(self.pid)
            signal_group(self.pid, signal.SIGKILL)
            kill_all(started)

    def close(self) -> None:
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()


class _Lines:
    """Cuts what comes out of a pipe into lines, without ever waiting for more."""

    def __init__(self, fd: int, on_line: Callable[[str], None]) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._on_line = on_line
        self._rest = b""

    def read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._fd, LONGEST_LINE):
                *lines, self._rest = (self._rest + data).split(b"\n")
                for line in lines:
                    self._tell(line)
                if len(self._rest) >= LONGEST_LINE:
                    self.flush()

    def flush(self) -> None:
        """Pass on a last line that has no end."""
        if self._rest:
            self._tell(self._rest)
            self._rest = b""

    def _tell(self, line: bytes) -> None:
        self._on_line(line.decode("utf-8", "replace").rstrip("\r"))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
