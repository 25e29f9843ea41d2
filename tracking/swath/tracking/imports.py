"""Lets a side thread import modules without leaving a forked child with half of one; imports nothing itself."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.RLock()
_watching = False


@contextmanager
def unforked() -> Iterator[None]:
    """Forks of this process wait until the block is over, so it must be short.

    A child forked in the middle of an import inherits the module's lock but not the thread that would release it,
    and hangs as soon as it imports the same module.
    """
    global _watching
    with _lock:
        if not _watching and hasattr(os, "register_at_fork"):
            os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
            _watching = True
        yield
