"""What every test can rely on, however the suite was started."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts its background jobs so, and every process that a test starts would inherit it, deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a fifth of the suite's time tests wait for processes and deadlines."""
    return (os.cpu_count() or 1) + 1


#: Files that load torch, pandas or matplotlib.
LIBRARIES = ("tests/unit/tracking/media/", "tests/unit/tracking/test_watching.py")


def _group(item: pytest.Item) -> str:
    if item.get_closest_marker("ray"):
        return "ray"
    return "libraries" if item.nodeid.startswith(LIBRARIES) else ""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start a Ray wait for it most of their time: one worker begins with them, the others do the rest.

    What loads libraries for seconds is done by one worker too, and early, so that no other one waits for it at the end.
    """
    for item in items:
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: ("ray", "libraries", "").index(_group(item)))


@pytest.fixture(autouse=True, scope="session")
def no_login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees what the person who runs it is logged in to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield
