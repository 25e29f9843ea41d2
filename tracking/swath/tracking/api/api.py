"""`Api`: finds recorded runs, in a folder of this machine or on a server; what a run is, is told in `run`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from swath.tracking import layout
from swath.tracking.api.local import LocalSource
from swath.tracking.api.paths import RunPath, project_path, run_path
from swath.tracking.api.query import DEFAULT_ORDER, Query, query
from swath.tracking.api.run import Run
from swath.tracking.api.runs import Runs
from swath.tracking.api.source import RunSource
from swath.tracking.context import CAPTURED
from swath.tracking.errors import NotFound, UsageError
from swath.tracking.settings import Settings

_OVERRIDES = ("entity", "project", "base_url")


class Api:
    """Reads the runs of a store: the `.swath` folder `root`, the server `url`, that of SWATH_URL, or the one here.

    Here is the working directory's. A server is given the token of SWATH_TOKEN. `overrides` may name the `entity` and
    the `project` of paths that do not, and the server as `base_url`. May be used as a context manager; the store is let
    go at the end, or when the `Api` is.
    """

    def __init__(
        self,
        overrides: Mapping[str, Any] | None = None,
        root: str | os.PathLike[str] | None = None,
        url: str | None = None,
        *,
        source: RunSource | None = None,
    ) -> None:
        given = dict(overrides or {})
        for name in given:
            if name not in _OVERRIDES:
                raise UsageError(f"there is no override {name!r}", f"overrides are {', '.join(_OVERRIDES)}")
        self._entity: str | None = given.get("entity")
        self._project: str | None = given.get("project")
        self._source = source if source is not None else open_source(root, url or given.get("base_url"))

    def run(self, path: str | Sequence[str]) -> Run:
        """The run at `entity/project/id`, `project/id` or `id`, from what its log says now.

        Ids are unique in a store, so that the id alone is enough; what else is said must be true of the run.
        """
        where = run_path(path)
        try:
            row = self._source.row(where.id)
        except NotFound as error:
            raise NotFound(error.message, self._named(where.id) or error.hint) from None
        run = Run(self._source, row)
        if not _lies_at(run, where):
            there = "/".join(run.path)
            raise NotFound(f"there is no run {path!r} in {self._source.place}", f"run {run.id} is at {there!r}")
        return run

    def runs(
        self,
        path: str | Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        order: str = DEFAULT_ORDER,
        per_page: int = 50,
        include_sweeps: bool = False,
        lazy: bool = True,
    ) -> Runs:
        """The runs of `entity/project`, of `project`, or all, that the filters leave, loaded `per_page` at a time.

        Filters are those of MongoDB: `{"config.lr": {"$lt": 0.1}, "state": "finished"}`, with $and, $or, $nor, $not,
        $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, $regex. Keys: id, display_name, name (a run is found by
        either), state, group, job_type, tags, notes, entity, project, sweep, host, created_at, heartbeat_at, duration
        (seconds), config.KEY and summary_metrics.KEY, where dots lead into nested dicts. `order` is one of these keys
        behind + (rising) or - (falling); runs that have no such value come last. `include_sweeps` and `lazy` are
        accepted and mean nothing. Raises `UsageError` for what means nothing.
        """
        place = project_path(path)
        asked = query(filters, order, entity=place.entity or self._entity, project=place.project or self._project)
        return Runs(self._source, asked, per_page)

    def flush(self) -> None:
        """Nothing: every call asks anew."""

    def close(self) -> None:
        """Let go of the store."""
        self._source.close()

    def __enter__(self) -> Api:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Api of {self._source.place}>"

    def _named(self, name: str) -> str:
        """A hint for those who gave a run's name where its id belongs."""
        found = self._source.find(Query({"display_name": name}))
        return f"{name!r} is the name of run {found[-1]}: pass its id" if found else ""


def open_source(root: str | os.PathLike[str] | None, url: str | None) -> RunSource:
    """Where runs are read: the folder or the server that is named, else what the environment and the place mean."""
    if root is not None and url:
        raise UsageError(f"root={os.fspath(root)!r} and url={url!r} are two stores", "name one of them")
    known = Settings.from_environment()
    captured = CAPTURED.get()
    if root is None and not url and captured is not None:
        return LocalSource(captured)
    if root is not None:
        return LocalSource(Path(root).expanduser().absolute())
    if url or known.url:
        from swath.tracking.api.remote import RemoteSource  # its HTTP client takes longer to import than all else here

        where = url or known.url or ""
        return RemoteSource(where, known.token_for(where) or "")
    if known.dir and not known.root:
        return LocalSource(Path(known.dir).expanduser().absolute() / layout.ROOT_NAME)
    return LocalSource(layout.find_root(override=known.root))


def _lies_at(run: Run, where: RunPath) -> bool:
    """Whether the run is where a path says; of a run without a project, the entity may stand in its place."""
    if where.entity is not None and where.entity != run.entity:
        return False
    return where.project is None or where.project == (run.project or run.entity)
