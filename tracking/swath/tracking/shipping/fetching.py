"""Brings the last attempt of a run from a server into a folder, as the next one of this machine; it sends nothing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from swath.tracking import layout
from swath.tracking.errors import UsageError
from swath.tracking.runlog.frames import HEADER_SIZE, decode
from swath.tracking.runlog.logfile import write_at
from swath.tracking.runlog.records import Header
from swath.tracking.shipping.client import Client

#: How long a server that does not answer is asked: `init()` waits for it.
DEADLINE_S = 5.0
ANSWER_S = 30.0
_DRAFT = ".part"


class Remote:
    """What a server has of one run. A context manager; whatever the server or the way to it says is raised."""

    def __init__(self, url: str, token: str, run_id: str) -> None:
        self._client = Client(url, token, deadline_s=DEADLINE_S, answer_s=ANSWER_S)
        self._path = f"/v1/runs/{layout.check_run_id(run_id)}/segments"
        self._ends: dict[str, int] = {}

    def __enter__(self) -> Remote:
        try:
            self._ends = msgspec.json.decode(self._client.ask("GET", self._path).content, type=dict[str, int])
        except msgspec.MsgspecError as error:
            self._client.close()
            told = f"{self._client.url} does not answer as a swath server: {error}"
            raise UsageError(told, "check the URL") from None
        except BaseException:
            self._client.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    @property
    def attempt(self) -> int:
        """The last attempt that a run's own process began there; 0 when there is none."""
        mains = (name for name in self._ends if layout.is_segment(name) and not layout.writer_of(name))
        return max(map(layout.attempt_of, mains), default=0)

    def header(self) -> Header | None:
        """What the last attempt was opened with; None when that is not there yet."""
        data = self._part(layout.segment_name(self.attempt), HEADER_SIZE)
        return next((record for record in decode(data)[0] if isinstance(record, Header)), None)

    def fetch(self, folder: Path, attempt: int) -> None:
        """Write what the last attempt holds into `folder`, as that `attempt`; nothing is there before all has come."""
        found = [name for name in self._ends if layout.is_segment(name) and layout.attempt_of(name) == self.attempt]
        folder.mkdir(parents=True, exist_ok=True)
        drafts = []
        for name in sorted(found, key=layout.writer_of):
            target = folder / layout.segment_name(attempt, layout.writer_of(name))
            drafts.append((self._draft(name, target), target))
        for draft, target in drafts:
            draft.replace(target)

    def _draft(self, name: str, target: Path) -> Path:
        draft = target.with_name(target.name + _DRAFT)
        with suppress(FileNotFoundError):
            draft.unlink()
        offset = HEADER_SIZE
        write_at(draft, offset, b"")
        while data := self._part(name, offset):
            write_at(draft, offset, data)
            offset += len(data)
        return draft

    def _part(self, name: str, offset: int) -> bytes:
        return self._client.ask("GET", f"{self._path}/{name}", query={"offset": offset}).content
