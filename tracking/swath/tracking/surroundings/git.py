"""What git knows of the code: commit, branch, remote, and what was not committed; asks `git`, changes nothing."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from swath.tracking.clock import SYSTEM_CLOCK
from swath.tracking.imports import unforked
from swath.tracking.surroundings.gitfiles import inside_of, remote_of
from swath.tracking.surroundings.program import clean

if TYPE_CHECKING:
    from subprocess import Popen

MOST_BYTES = 10 * 1000 * 1000
_TIMEOUT_S = 5.0
_DIFF_TIMEOUT_S = 20.0
_MOST_OUTPUT = 4 * 1024 * 1024
_MOST_UNTRACKED = 1000
#: How long a git that was ended is waited for: one that hangs in the kernel, on a dead file server, does not end.
_END_S = 1.0

# No lock is taken, no daemon started, and a clone that lacks objects does not fetch them.
_GIT = (
    "git",
    "--no-optional-locks",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "diff.autoRefreshIndex=false",
    "-c",
    "protocol.allow=never",
)


class _TooMuch(Exception):
    """git says more than is wanted."""


class _TooSlow(Exception):
    """git takes longer than is wanted."""


def facts(cwd: Path, program: Path | None = None) -> dict[str, Any]:
    """commit, branch, remote, dirty, root, and `program` inside the repository; nothing where there is none.

    commit is left out before the first one, branch with a detached HEAD, remote without any. dirty: tracked files
    differ from the commit.
    """
    top = _ask(cwd, "rev-parse", "--show-toplevel")
    if not top:
        return {}
    root = Path(os.fsdecode(top.removesuffix(b"\n")))
    found: dict[str, Any] = {"root": clean(str(root))}
    said = _ask(root, "status", "--porcelain=v2", "--branch", "--untracked-files=no", "-z")
    found.update(_status(said) if said else _head(root))
    if url := _remote(_ask(root, "config", "-z", "--get-regexp", r"^remote\..*\.url$")):
        found["remote"] = url
    if program is not None and (inside := inside_of(program, root)):
        found["program"] = inside
    return found


def diff(cwd: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """What was not committed, as a patch that `git apply` takes; empty when nothing is different.

    Untracked files are named in comments above it, and so is the reason when the patch had to be left out.
    """
    base = _base(cwd)
    if not base:
        return b""
    notes = _untracked(cwd)
    patch = b""
    try:
        patch, said = _patch(cwd, base, most_bytes)
        notes = said + notes
    except _TooMuch:
        notes.insert(0, f"left out: the diff is larger than {most_bytes / 1e6:g} MB")
    except _TooSlow:
        notes.insert(0, f"left out: git took longer than {_DIFF_TIMEOUT_S:g} s")
    return b"".join(f"# {note}\n".encode() for note in notes) + patch


def _patch(cwd: Path, base: str, most_bytes: int) -> tuple[bytes, list[str]]:
    command = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")
    try:
        return _run(cwd, *command, "--binary", base, "--", most=most_bytes, timeout_s=_DIFF_TIMEOUT_S), []
    except _TooMuch:
        patch = _run(cwd, *command, base, "--", most=most_bytes, timeout_s=_DIFF_TIMEOUT_S)
        return patch, [f"binary files are left out: with them the diff is larger than {most_bytes / 1e6:g} MB"]


def _base(cwd: Path) -> str:
    """What to compare with: HEAD, or the empty tree before the first commit; "" without a working tree."""
    if _ask(cwd, "rev-parse", "--is-inside-work-tree") != b"true\n":
        return ""
    if _ask(cwd, "rev-parse", "--verify", "--quiet", "HEAD"):
        return "HEAD"
    return _ask(cwd, "hash-object", "-t", "tree", "--stdin").decode().strip()


def _untracked(cwd: Path) -> list[str]:
    which = ("--others", "--exclude-standard", "--directory", "--no-empty-directory")
    listed = _ask(cwd, "ls-files", *which, "--full-name", "-z", "--", ":/")
    names = [clean(os.fsdecode(name)).replace("\n", "?") for name in listed.split(b"\0") if name]
    notes = [f"untracked, not included: {name}" for name in names[:_MOST_UNTRACKED]]
    if len(names) > _MOST_UNTRACKED:
        notes.append(f"untracked, not included: {len(names) - _MOST_UNTRACKED} more")
    return notes


def _status(said: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    entries = [entry for entry in said.split(b"\0") if entry]
    headers = {key: value for key, _, value in (e[2:].partition(b" ") for e in entries if e.startswith(b"# "))}
    commit = headers.get(b"branch.oid", b"(initial)").decode()
    branch = clean(os.fsdecode(headers.get(b"branch.head", b"(detached)")))
    if commit != "(initial)":
        found["commit"] = commit
    if branch != "(detached)":
        found["branch"] = branch
    if entries:
        found["dirty"] = any(not entry.startswith(b"# ") for entry in entries)
    return found


def _head(root: Path) -> dict[str, Any]:
    """Commit and branch where the files are too many to look through in time."""
    said = {
        "commit": _ask(root, "rev-parse", "--verify", "--quiet", "HEAD"),
        "branch": _ask(root, "symbolic-ref", "--quiet", "--short", "HEAD"),
    }
    return {key: clean(os.fsdecode(value.strip())) for key, value in said.items() if value}


def _remote(said: bytes) -> str:
    urls: dict[str, str] = {}
    for entry in said.split(b"\0"):
        key, _, url = os.fsdecode(entry).partition("\n")
        if url:
            urls.setdefault(key.removeprefix("remote.").removesuffix(".url"), url)
    return remote_of(urls)


def _ask(cwd: Path, *arguments: str) -> bytes:
    """git's answer; empty when it has none to give, in time or at all."""
    try:
        return _run(cwd, *arguments, most=_MOST_OUTPUT, timeout_s=_TIMEOUT_S)
    except (_TooMuch, _TooSlow):
        return b""


def _run(cwd: Path, *arguments: str, most: int, timeout_s: float) -> bytes:
    with unforked():
        from subprocess import TimeoutExpired

    try:
        with _started(cwd, *arguments) as process:
            assert process.stdout is not None
            said = _read(process.stdout, most, SYSTEM_CLOCK.monotonic() + timeout_s)
            process.wait(timeout_s)
            return said if process.returncode == 0 else b""
    except TimeoutExpired:
        raise _TooSlow from None
    except (OSError, ValueError):  # no git, no such folder, a folder's name with a zero in it
        return b""


@contextmanager
def _started(cwd: Path, *arguments: str) -> Iterator[Popen[bytes]]:
    """git at work; it is ended with the block."""
    with unforked():
        from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired

    # A session of its own has no terminal that git or its helpers could ask for a password.
    process = Popen(
        [*_GIT, *arguments], cwd=cwd, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, bufsize=0, start_new_session=True
    )
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.stdout.close()
        if process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            with suppress(TimeoutExpired):
                process.wait(_END_S)


def _read(pipe: IO[bytes], most: int, deadline: float) -> bytes:
    chunks: list[bytes] = []
    size = 0
    poll = select.poll()
    poll.register(pipe, select.POLLIN | select.POLLHUP)
    while True:
        left = deadline - SYSTEM_CLOCK.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise _TooSlow
        chunk = pipe.read(1 << 16)
        if not chunk:
            return b"".join(chunks)
        size += len(chunk)
        if size > most:
            raise _TooMuch
        chunks.append(chunk)
