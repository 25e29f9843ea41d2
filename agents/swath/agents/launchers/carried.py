"""What a trial runs, when the folder it lies in was sent to another machine: the same task with the paths of there."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from swath.agents.http_source import HttpSource
from swath.agents.protocol import AgentInfo, Job, Task


class CarriedSource(HttpSource):
    """The trial source of an agent whose code was sent along: the folder `before` is `now` here."""

    def __init__(self, url: str, token: str, sweep_id: str, before: str, now: str) -> None:
        super().__init__(url, token, sweep_id)
        self._before = before
        self._now = now

    def join(self, agent: AgentInfo) -> Job:
        job = super().join(agent)
        return msgspec.structs.replace(job, task=carried(job.task, self._before, self._now))


def carried(task: Task, before: str, now: str) -> Task:
    """`task` with what lies below the folder `before` below `now`; one that ran outside of it runs in `now` itself."""
    folder = task.cwd or before
    program = task.program
    if program is not None:
        there = os.path.normpath(os.path.join(folder, program))
        program = _moved(there, before, now) or program
    paths = tuple(_moved(path, before, now) or path for path in task.import_paths)
    return msgspec.structs.replace(
        task, cwd=_moved(folder, before, now) or now, program=program, import_paths=(*dict.fromkeys((*paths, now)),)
    )


def _moved(path: str, before: str, now: str) -> str | None:
    """Where a path lies now; None when it did not lie in the folder."""
    if not Path(path).is_relative_to(before):
        return None
    return str(Path(now) / Path(path).relative_to(before))
