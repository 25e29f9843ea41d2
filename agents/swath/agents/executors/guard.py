"""Ends process groups when whoever started them has died: the watching side, and the program that does it.

The program is this file, run by its path in a Python of its own; it imports nothing of swath.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class Guard:
    """Watches over groups for this process. Its program is in a session of its own, and ends after this process."""

    def __init__(self) -> None:
        self._program = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )

    @contextmanager
    def over(self, groups: Sequence[int]) -> Iterator[None]:
        """While the block lasts, these groups end with this process."""
        self._say("watch", groups)
        try:
            yield
        finally:
            self._say("forget", groups)

    def close(self) -> None:
        """End the program; nothing is watched any more."""
        if self._program.stdin is not None:
            self._program.stdin.close()
        self._program.wait()

    def _say(self, word: str, groups: Sequence[int]) -> None:
        assert self._program.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # somebody killed the guard: the trial goes on without
            self._program.stdin.write("".join(f"{word} {group}\n" for group in groups).encode())


def main() -> None:
    """Note what is said, and when nobody is there to say more, kill what was not forgotten."""
    watched: set[int] = set()
    while line := sys.stdin.readline():
        word, _, group = line.partition(" ")
        (watched.add if word == "watch" else watched.discard)(int(group))
    for group in watched:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
