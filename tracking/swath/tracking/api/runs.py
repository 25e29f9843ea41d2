"""`Runs`: the runs that a query means, as a sequence that is loaded a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import overload

from swath.tracking.api.query import Query
from swath.tracking.api.run import Run
from swath.tracking.api.source import RunSource
from swath.tracking.api.values import whole
from swath.tracking.errors import NotFound


class Runs:
    """Which runs there are is asked once, at the first use; each run is loaded with its page when it is first needed.

    The same index gives the same `Run` each time. Runs that were deleted since are passed over.
    """

    def __init__(self, source: RunSource, query: Query, per_page: int = 50) -> None:
        self._source = source
        self._query = query
        self._per_page = whole("per_page", per_page, 1)
        self._ids: list[str] | None = None
        self._pages: dict[int, list[Run | None]] = {}

    def __len__(self) -> int:
        return len(self._found())

    def __iter__(self) -> Iterator[Run]:
        for at in range(len(self)):
            run = self._loaded(at)
            if run is not None:
                yield run

    @overload
    def __getitem__(self, index: int) -> Run: ...

    @overload
    def __getitem__(self, index: slice) -> list[Run]: ...

    def __getitem__(self, index: int | slice) -> Run | list[Run]:
        if isinstance(index, slice):
            loaded = [self._loaded(at) for at in range(*index.indices(len(self)))]
            return [run for run in loaded if run is not None]
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"run {index} of {count}")
        run = self._loaded(index % count)
        if run is None:
            raise NotFound(f"run {self._found()[index]!r} was deleted meanwhile", "ask for the runs again")
        return run

    def __repr__(self) -> str:
        return f"<Runs in {self._source.place}>"

    def _found(self) -> list[str]:
        if self._ids is None:
            self._ids = self._source.find(self._query)
        return self._ids

    def _loaded(self, at: int) -> Run | None:
        number, place = divmod(at, self._per_page)
        if number not in self._pages:
            ids = self._found()[number * self._per_page : (number + 1) * self._per_page]
            rows = self._source.rows(ids)
            self._pages[number] = [Run(self._source, rows[run_id]) if run_id in rows else None for run_id in ids]
        return self._pages[number][place]
