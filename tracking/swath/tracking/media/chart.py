"""`Chart`: the recorded form of a plot, a table and how to draw it; drawing is left to whoever shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from swath.tracking.blobs import Blobs
from swath.tracking.errors import UsageError
from swath.tracking.media.base import Media
from swath.tracking.media.cells import MediaFrom
from swath.tracking.media.table import ColumnKey, Table
from swath.tracking.runlog.encoding import type_name

CHART_FIELDS: Mapping[str, tuple[str, ...]] = {
    "line": ("x", "y"),
    "scatter": ("x", "y"),
    "bar": ("label", "value"),
    "histogram": ("value",),
    "line-series": ("step", "lineKey", "lineVal"),
    "confusion-matrix": ("Actual", "Predicted", "nPredictions"),
    "roc-curve": ("x", "y", "class"),
    "pr-curve": ("x", "y", "class"),
    "area-under-curve": ("x", "y", "class"),
}
"""The kinds of chart that are known, and what each draws; a "line" may have a "stroke" too, a line for each value."""


class Chart(Media):
    """A plot of a table. It does not change, though its table may until it is logged.

    `kind`: one of `CHART_FIELDS`, or the name of somebody's own. `fields`: what is drawn (such as "x") to the column
    that has it. `strings`: texts such as "x-axis-title". `split_table`: whether the table is shown apart from it.
    """

    TYPE = "chart"

    def __init__(
        self,
        kind: str,
        table: Table,
        fields: Mapping[str, ColumnKey],
        title: str = "",
        strings: Mapping[str, str] | None = None,
        split_table: bool = False,
    ) -> None:
        if not isinstance(table, Table):
            raise UsageError(
                f"the data of a {kind} chart are {type_name(table)}", "pass a Table(columns=[...], data=[...])"
            )
        for drawn in CHART_FIELDS.get(kind, ()):
            _check_column(kind, table, drawn, fields.get(drawn))
        if kind == "line" and fields.get("stroke") is not None:
            _check_column(kind, table, "stroke", fields["stroke"])
        self.kind = str(kind)
        self.table = table
        self.fields = {str(drawn): column for drawn, column in fields.items() if column is not None}
        self.title = str(title)
        self.strings = {str(name): str(text) for name, text in (strings or {}).items()}
        self.split_table = bool(split_table)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Chart):
            return NotImplemented
        return self._look() == other._look() and self.table == other.table

    def __hash__(self) -> int:
        return hash((self.kind, self.title, tuple(self.fields.items())))

    def __repr__(self) -> str:
        return f"Chart({self.kind!r}, {self.table!r}, title={self.title!r})"

    def to_record(self, blobs: Blobs) -> dict[str, Any]:
        """The record; `table` in it is the table's."""
        return {"_type": self.TYPE, **self._look(), "table": self.table.to_record(blobs)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], blobs: Blobs, media_from: MediaFrom | None = None) -> Self:
        """The chart that was recorded; `media_from` as in `Table.from_record`."""
        table = Table.from_record(record["table"], blobs, media_from)
        fields, strings, split = record["fields"], record["strings"], record["split_table"]
        return cls(record["kind"], table, fields, record["title"], strings, split)

    def _look(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "title": self.title,
            "fields": dict(self.fields),
            "strings": dict(self.strings),
            "split_table": self.split_table,
        }


def _check_column(kind: str, table: Table, drawn: str, column: Any) -> None:
    if column is None:
        raise UsageError(f"the {kind} chart has no column for {drawn!r}", f"name one of {table.columns}")
    if column not in table.columns:
        raise UsageError(
            f"{drawn!r} of the {kind} chart is {column!r}, which is no column of its table",
            f"the columns are {table.columns}",
        )
