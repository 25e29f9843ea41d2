"""Console output of a child: from its pipes into the agent's segment of the run log; the last lines for messages."""

from __future__ import annotations

import codecs
import contextlib
import logging
import os
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

from swath.tracking.clock import Clock
from swath.tracking.layout import segment_name
from swath.tracking.runlog.logfile import LogWriter
from swath.tracking.runlog.records import AnyRecord, Finish, Output

logger = logging.getLogger("swath.agents")

#: Read from a pipe at once.
_READ = 64 * 1024
#: A line longer than this is cut into several records, and so is what a message shows of it.
_LONGEST_LINE = 64 * 1024
_SHOWN_LINE = 2_000
#: Lines kept for the message of a failed trial.
TAIL_LINES = 40
#: A line that has not ended (a progress bar) is recorded after so long all the same.
_PARTIAL_S = 0.5


Echo = Callable[[str], None]


class AgentLog:
    """The agent's own segment of one attempt, made at the first record. A full disk costs records, never the trial.

    `writer` names it: another one for those who watch over ranks on other nodes.
    """

    def __init__(self, run_dir: Path, attempt: int, writer: str = "agent") -> None:
        self._path = run_dir / segment_name(attempt, writer)
        self._writer: LogWriter | None = None
        self._dropped = 0

    @property
    def opened(self) -> bool:
        return self._writer is not None

    def append(self, record: AnyRecord) -> None:
        try:
            if self._writer is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._writer = LogWriter(self._path)
            self._writer.append(record)
        except OSError as error:
            self._dropped += 1
            if self._dropped == 1:
                logger.warning("cannot write %s: %s; the trial goes on, its output is not kept", self._path, error)

    def finish(
        self, time: float, exit_code: int | None, signal: int | None, error: str, *, stopped: bool = False
    ) -> None:
        """How the attempt ended; `stopped`: well, but not by itself."""
        self.append(Finish(exit_code, time, error, self._dropped, signal, stopped=stopped))

    def close(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()
            self._writer = None


class Tail:
    """The last lines that a trial printed, on whichever stream."""

    def __init__(self, lines: int = TAIL_LINES) -> None:
        self._lines: deque[str] = deque(maxlen=lines)

    def add(self, text: str) -> None:
        self._lines.extend(line.rstrip()[:_SHOWN_LINE] for line in text.splitlines())

    def text(self) -> str:
        return "\n".join(self._lines)


class Pipe:
    """One stream of a child: bytes in, whole lines out. Bytes that are not UTF-8 become replacement characters.

    `label` stands before each line, to tell whose it is where several children write to one log.
    """

    def __init__(
        self, fd: int, stream: str, log: AgentLog, tail: Tail, clock: Clock, echo: Echo | None, label: str = ""
    ) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self.open = True
        self._stream = stream
        self._log = log
        self._tail = tail
        self._clock = clock
        self._echo = echo
        self._label = label
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._partial = ""
        self._partial_since = 0.0

    def read(self) -> bool:
        """Take what is there; False when there was nothing now, or the other end is closed."""
        try:
            data = os.read(self.fd, _READ)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.close()
            return False
        self._take(self._decoder.decode(data))
        return True

    def tick(self) -> None:
        """Record a line that has been unfinished for long."""
        if self._partial and self._clock.monotonic() - self._partial_since > _PARTIAL_S:
            self._record(self._partial)
            self._partial = ""

    def close(self) -> None:
        """Record the rest and let the pipe go; a child that still holds its other end gets SIGPIPE when it writes."""
        if self.open:
            self.open = False
            os.close(self.fd)
            rest = self._partial + self._decoder.decode(b"", final=True)
            if rest:
                self._record(rest)

    def _take(self, text: str) -> None:
        if not self._partial:
            self._partial_since = self._clock.monotonic()
        whole, newline, self._partial = (self._partial + text).rpartition("\n")
        if newline:
            self._record(whole + newline)
            self._partial_since = self._clock.monotonic()
        if len(self._partial) > _LONGEST_LINE:
            self._record(self._partial)
            self._partial = ""

    def _record(self, text: str) -> None:
        self._tail.add(text)
        if self._label:
            text = "".join(f"{self._label}{line}" for line in text.splitlines(keepends=True))
            text += "" if text.endswith("\n") else "\n"
        self._log.append(Output(self._stream, self._clock.now(), text))
        if self._echo is not None:
            for line in text.splitlines():
                self._echo(line)


def echo_with(prefix: str) -> Echo:
    """Print each line to this process's stdout, with `prefix` before it."""

    def echo(line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(f"{prefix}{line}\n")
            sys.stdout.flush()

    return echo
