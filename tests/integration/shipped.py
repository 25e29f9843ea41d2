"""What the tests of shipping share: a server of a store, in a thread or as a process, and training programs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from swath.tracking import layout
from swath.tracking.runlog.history import read_history
from swath.tracking.runlog.logfile import read_from
from swath.tracking.server import ServerThread, create_app
from swath.tracking.server.alerts import ServerAlerts
from swath.tracking.server.run_routes import run_routes
from swath.tracking.store import Database, RunRow, runs
from swath.tracking.store.tables import MIGRATIONS

TOKEN = "a-token"
DEADLINE_S = 90

SERVE = """
    import sys, pathlib
    sys.path.insert(0, sys.argv[3])
    from tests.integration.shipped import Store
    with Store(pathlib.Path(sys.argv[1]), port=int(sys.argv[2]), alerts=sys.argv[4:]) as store:
        print(store.server.port, flush=True)
        sys.stdin.read()
"""

TRAIN = """
    import sys, time, os, pathlib
    import swath.tracking as tracking
    from swath.tracking.shipping.shipper import Shipper
    root, url, name = pathlib.Path(os.environ["SWATH_DIR"]), sys.argv[1], sys.argv[2]
    run = tracking.init(id=name, **INIT)
    shipper = Shipper(root / "runs" / name, url, TOKEN, interval_s=0.05)
    os.register_at_fork(after_in_child=shipper.after_fork)
    shipper.start()
    def said():
        return sys.stdin.readline().strip()
    def finish(timeout_s=60.0):
        run.finish()
        print("finished", shipper.finish(timeout_s), shipper.trouble is not None, flush=True)
"""


class Store:
    """A server's store, served from a thread; notes the requests that come. A context manager."""

    def __init__(self, root: Path, port: int = 0, token: str = TOKEN, alerts: Sequence[str] = ()) -> None:
        self.root = root
        self.requests: list[str] = []
        self.database = Database(layout.database_path(root), {"tracking": MIGRATIONS})
        app = create_app(token, run_routes(root, self.database), alerts=ServerAlerts(self.database, alerts))
        self.server = ServerThread(self._noting(app), port=port)

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.stop()
        self.database.close()

    def run(self, run_id: str) -> RunRow:
        with self.database.read() as connection:
            found = runs.get(connection, run_id)
        assert found is not None
        return found

    def puts(self, what: str) -> list[str]:
        """The parts that came of segments or of blobs."""
        return [request for request in self.requests if request.startswith("PUT") and f"/{what}/" in request]

    def _noting(self, app: ASGIApp) -> ASGIApp:
        async def noting(scope: Scope, receive: Receive, send: Send) -> None:
            async def answering(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self.requests.append(f"{scope['method']} {scope['path']} {message['status']}")
                await send(message)

            await app(scope, receive, answering)

        return noting


class ServerProcess:
    """A server as a process of its own, to be killed and started again at the same port."""

    def __init__(self, root: Path, *alerts: str) -> None:
        self.root = root
        self.alerts = alerts
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        repository = str(Path(__file__).parents[2])
        self._process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SERVE), str(self.root), str(self.port), repository,
             *self.alerts],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.communicate()
            self._process = None


class Machine:
    """A machine that trains: its folder, and programs run in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.processes: list[subprocess.Popen[str]] = []

    def start(
        self, code: str, url: str, run_id: str = "r1", token: str = TOKEN, **init: object
    ) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "WANDB_"))}
        opening = textwrap.dedent(TRAIN).replace("INIT", repr(init)).replace("TOKEN", repr(token))
        process = subprocess.Popen(
            [sys.executable, "-c", opening + textwrap.dedent(code), url, run_id],
            env={**kept, "SWATH_DIR": str(self.root), "PYTHONWARNINGS": "default"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def train(self, code: str, url: str) -> tuple[str, str]:
        """What a program prints to stdout and stderr; it must end well."""
        return ended(self.start(code, url))

    def folder(self, run_id: str = "r1") -> Path:
        return self.root / "runs" / run_id

    def detached(self, run_id: str = "r1") -> list[psutil.Process]:
        """The shippers of a run that are processes of their own."""
        found = psutil.process_iter(["cmdline"])
        return [process for process in found if str(self.folder(run_id)) in (process.info["cmdline"] or [])]

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()
        for shipper in self.detached():
            shipper.kill()


def ended(process: subprocess.Popen[str], said: str = "") -> tuple[str, str]:
    out, err = process.communicate(said, timeout=DEADLINE_S)
    assert process.returncode == 0, err
    return out, err


def say(process: subprocess.Popen[str], word: str = "go") -> None:
    assert process.stdin is not None
    process.stdin.write(word + "\n")
    process.stdin.flush()


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def wait_for(what: Callable[[], object]) -> None:
    until = time.monotonic() + DEADLINE_S
    while not what():
        assert time.monotonic() < until, "it did not come to that in time"
        time.sleep(0.02)


def segments_of(folder: Path) -> dict[str, bytes]:
    """The frames of each segment."""
    return {path.name: read_from(path, 0) for path in layout.segments(folder)}


def numbers(folder: Path) -> list[int]:
    """The metric `n` of all rows."""
    return [row.values["n"] for row in read_history(folder)]


def ends_at(url: str, run_id: str = "r1") -> dict[str, int]:
    """Up to where the server has each segment; nothing when it does not answer."""
    try:
        answer = httpx.get(
            f"{url}/v1/runs/{run_id}/segments", headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False
        )
    except httpx.TransportError:
        return {}
    told: dict[str, int] = answer.json()
    return told
