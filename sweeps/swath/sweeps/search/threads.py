"""One thread for linear algebra while a suggestion is worked out: the one door to threadpoolctl."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """A context in which numpy and scipy, both loaded before, use one thread for linear algebra.

    The matrices are small, and a machine that trains is busy: there, threads that wait for each other made a
    suggestion eight times slower.
    """
    limited: AbstractContextManager[Any] = _libraries().limit(limits=1, user_api="blas")
    return limited


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()
