"""`Table`: rows and named columns of numbers, text, dates and media, built by hand or from a data frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, Literal, Self

from swath.tracking.blobs import Blobs
from swath.tracking.errors import UsageError
from swath.tracking.media.base import Media
from swath.tracking.media.cells import MediaFrom, is_plain, kind_of, pack_rows, plain_cell, unpack_rows
from swath.tracking.media.dataframes import columns_of, frame_of, is_frame
from swath.tracking.runlog.encoding import type_name, utf8_text

ColumnKey = str | int
LogMode = Literal["IMMUTABLE", "MUTABLE", "INCREMENTAL"]
_DEFAULT_COLUMNS = ("Input", "Output", "Expected")
_LOG_MODES = (None, "IMMUTABLE", "MUTABLE", "INCREMENTAL")
_FORMAT_VERSION = 1


class Table(Media):
    """Rows under named columns.

    `columns` are strings or integers, each once. `data` is a list of rows, a two-dimensional numpy array or a pandas
    DataFrame; a frame, also given as `dataframe`, brings its own column names and leaves its index behind. `rows` is
    an older name of `data`.

    A cell is None, a bool, an int of any size, a float (NaN and infinities too), a str, bytes, a datetime, date or
    time, a media value, or lists and dicts of these. numpy and torch values become Python's own, arrays become lists,
    figures, Pillow images and frames become media, durations become seconds, and the keys of dicts become strings.
    They are copied when they come in.

    `dtype` (a type, or one for each column) and `optional` (whether None is allowed, for all or for each) are checked
    on the rows that come in. Without `dtype` every column takes anything, and `allow_mixed_types` asks for just that.
    Every `log()` records the table whole as it is then, whatever the `log_mode`.

    The bytes are a msgpack map: `version`, `columns`, `types` (of each column: "boolean", "integer", "number",
    "string", "bytes", "datetime", "date", "time", "list", "dict", a media `_type`, "none", or "mixed") and `rows`,
    a list of lists; `cells` says how a cell is written.
    """

    TYPE = "table-file"

    columns: list[ColumnKey]
    data: list[list[Any]]

    def __init__(
        self,
        columns: Iterable[ColumnKey] | None = None,
        data: Any = None,
        rows: Any = None,
        dataframe: Any = None,
        dtype: Any = None,
        optional: bool | list[bool] = True,
        allow_mixed_types: bool = False,
        log_mode: LogMode | None = None,
    ) -> None:
        if log_mode not in _LOG_MODES:
            raise UsageError(f"there is no log_mode {log_mode!r}", 'use "IMMUTABLE", "MUTABLE" or "INCREMENTAL"')
        self.log_mode: LogMode = log_mode or "IMMUTABLE"
        self.data = []
        names: Any = _DEFAULT_COLUMNS if columns is None else columns
        content: Any = data if data is not None else rows if rows is not None else ()
        if dataframe is not None or is_frame(data):
            names, content = _of_frame(data if dataframe is None else dataframe)
        self.columns = _checked_columns(names)
        self._rules = _rules(None if allow_mixed_types else dtype, optional, len(self.columns))
        self._strict = any(rule.active for rule in self._rules)
        for row in _iterated(content):
            self._append(row)

    def add_data(self, *data: Any) -> None:
        """Add a row, a value for each column."""
        self._append(data)

    def add_row(self, *row: Any) -> None:
        """Add a row; an older name of `add_data`."""
        self._append(row)

    def add_column(self, name: ColumnKey, data: Any, optional: bool = True) -> None:
        """Add a column on the right: a value for each row that there is. `optional`: whether None is allowed."""
        (*_, key) = _checked_columns([*self.columns, name])
        values = [plain_cell(value, _where(at, key)) for at, value in enumerate(_iterated(data))]
        if self.columns and len(values) != len(self.data):
            raise UsageError(
                f"the column {key!r} has {len(values)} values and the table {len(self.data)} rows",
                "pass one value for each row",
            )
        rule = _Rule(None, optional)
        for at, value in enumerate(values):
            rule.check(value, at, key)
        self.data = self.data if self.columns else [[] for _ in values]
        for row, value in zip(self.data, values, strict=True):
            row.append(value)
        self.columns.append(key)
        self._rules.append(rule)
        self._strict |= rule.active

    def add_computed_columns(self, fn: Callable[[int, dict[ColumnKey, Any]], Mapping[str, Any]]) -> None:
        """Add the columns that `fn(index, row)` returns for each row, as a dict; a row is a dict by column."""
        made = [dict(fn(at, dict(zip(self.columns, row, strict=True)))) for at, row in enumerate(self.data)]
        for name in made[0] if made else ():
            self.add_column(name, [row.get(name) for row in made])

    def get_column(self, name: ColumnKey, convert_to: Literal["numpy"] | None = None) -> Any:
        """The values of a column: a list, or an array with `convert_to="numpy"` (of objects where types mix)."""
        if convert_to not in (None, "numpy"):
            raise UsageError(f"a column is not converted to {convert_to!r}", 'leave convert_to out, or pass "numpy"')
        at = self._position(name)
        values = [row[at] for row in self.data]
        return values if convert_to is None else _as_numpy(values)

    def get_dataframe(self) -> Any:
        """The table as a pandas DataFrame. An integer or bool column with None in it has a nullable type."""
        columns = {name: self.get_column(name) for name in self.columns}
        return frame_of(columns, self.column_types())

    def get_index(self) -> list[int]:
        """The row numbers."""
        return list(range(len(self.data)))

    def iterrows(self) -> Iterator[tuple[int, list[Any]]]:
        """Each row's number and values."""
        yield from enumerate(self.data)

    def column_types(self) -> list[str]:
        """The type of each column, as it is recorded."""
        return [kind_of(row[at] for row in self.data) for at in range(len(self.columns))]

    def __len__(self) -> int:
        return len(self.data)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table):
            return NotImplemented
        return self.columns == other.columns and (self.data == other.data or _same(self.data, other.data))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Table(columns={self.columns!r}, {len(self.data)} rows)"

    def to_record(self, blobs: Blobs) -> dict[str, Any]:
        """The record of the table as it is now."""
        for at, row in enumerate(self.data):  # users may have changed `data` itself
            self.data[at] = self._row(row if type(row) is list else _values(row, at), at)
        types = self.column_types()
        head = {"version": _FORMAT_VERSION, "columns": self.columns, "types": types}
        content = pack_rows(head, self.data, blobs)
        return {
            "_type": self.TYPE,
            "sha256": blobs.put(content),
            "size": len(content),
            "format": "msgpack",
            "ncols": len(self.columns),
            "nrows": len(self.data),
            "columns": list(self.columns),
            "types": types,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any], blobs: Blobs, media_from: MediaFrom | None = None) -> Self:
        """The table that was recorded. `media_from` reads the media in its cells; all known kinds by default."""
        content = unpack_rows(blobs.read(record["sha256"]), blobs, media_from or _read_media)
        table = cls(columns=content["columns"])
        table.data = content["rows"]
        return table

    def _append(self, row: Iterable[Any]) -> None:
        self.data.append(self._row(_values(row, len(self.data)), len(self.data)))

    def _row(self, values: list[Any], at: int) -> list[Any]:
        """A checked row in plain form; the same list when it is that already."""
        if len(values) != len(self.columns):
            raise UsageError(
                f"row {at} has {len(values)} values, and the table {len(self.columns)} columns: {self.columns}",
                "pass one value for each column; columns=[...] names them",
            )
        if not is_plain(values):
            values = [plain_cell(value, _where(at, name)) for name, value in zip(self.columns, values, strict=True)]
        if self._strict:
            for rule, value, name in zip(self._rules, values, self.columns, strict=True):
                rule.check(value, at, name)
        return values

    def _position(self, name: ColumnKey) -> int:
        if name not in self.columns:
            raise UsageError(f"the table has no column {name!r}", f"its columns are {self.columns}")
        return self.columns.index(name)


class _Rule:
    """What a column takes: cells of these types, or any where there are none, and None if `optional`."""

    def __init__(self, types: tuple[type, ...] | None, optional: bool) -> None:
        self._types = types
        self._optional = optional
        self.active = types is not None or not optional

    def check(self, value: Any, row: int, column: ColumnKey) -> None:
        if value is None:
            if not self._optional:
                raise UsageError(f"the value of {_where(row, column)} is None", "pass optional=True to allow that")
        elif self._types is not None and not (
            isinstance(value, self._types) and (bool in self._types or type(value) is not bool)
        ):
            expected = " or ".join(kind.__name__ for kind in self._types)
            raise UsageError(
                f"the value of {_where(row, column)} is {type_name(value)}, the column's dtype is {expected}",
                "convert the value, or leave dtype out",
            )


def _rules(dtype: Any, optional: bool | list[bool], count: int) -> list[_Rule]:
    kinds = list(dtype) if isinstance(dtype, list | tuple) else [dtype] * count
    nones = list(optional) if isinstance(optional, list | tuple) else [optional] * count
    if len(kinds) != count or len(nones) != count:
        raise UsageError(
            f"there are {count} columns, {len(kinds)} dtypes and {len(nones)} values of optional",
            "pass one for all columns, or a list with one for each",
        )
    return [_Rule(_cell_types(kind), bool(none)) for kind, none in zip(kinds, nones, strict=True)]


def _cell_types(dtype: Any) -> tuple[type, ...] | None:
    if dtype is None or dtype is object:
        return None
    if not isinstance(dtype, type):
        raise UsageError(f"the dtype {dtype!r} is no type", "pass int, float, str, bool, list, dict, Image or such")
    if hasattr(dtype, "dtype"):  # a numpy scalar type
        dtype = type(dtype(0).item())
    return (float, int) if dtype is float else (dtype,)


def _checked_columns(columns: Any) -> list[ColumnKey]:
    if isinstance(columns, str | bytes) or not isinstance(columns, Iterable):
        raise UsageError(f"columns is {type_name(columns)}", 'pass a list of names: columns=["a", "b"]')
    checked: dict[ColumnKey, None] = {}
    for name in columns:
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise UsageError(
                f"the column name {name!r} is {type_name(name)}", "name columns by strings or integers: str(name)"
            )
        key = utf8_text(name) if isinstance(name, str) else int(name)
        if key in checked:
            raise UsageError(f"the column name {key!r} is there twice", "give each column a name of its own")
        checked[key] = None
    return list(checked)


def _of_frame(frame: Any) -> tuple[list[Any], Iterator[list[Any]]]:
    if not is_frame(frame):
        raise UsageError(f"dataframe is {type_name(frame)}, not a pandas DataFrame", "pass other rows as data=...")
    names, columns = columns_of(frame)
    return names, map(list, zip(*columns, strict=True))


def _iterated(data: Any) -> Iterable[Any]:
    """The rows of what was passed as a table's data, or the values of a column's."""
    if getattr(getattr(data, "dtype", None), "kind", "O") in "biuf" and hasattr(data, "tolist"):
        data = data.tolist() if getattr(data, "ndim", 1) else None
    if isinstance(data, str | bytes | Mapping) or not isinstance(data, Iterable):
        raise UsageError(f"the data are {type_name(data)}", "pass a list, a numpy array or a pandas DataFrame")
    return data


def _values(row: Any, at: int) -> list[Any]:
    """The cells of a row that was passed, in a list of their own."""
    if type(row) is list or type(row) is tuple:
        return list(row)
    if isinstance(row, str | bytes | Mapping) or not isinstance(row, Iterable):
        raise UsageError(
            f"row {at} is {type_name(row)}",
            "pass each row as a list with one value for each column; for dicts, dataframe=pandas.DataFrame(rows)",
        )
    return list(row)


def _where(row: int, column: ColumnKey) -> str:
    return f"row {row}, column {column!r}"


def _as_numpy(values: list[Any]) -> Any:
    import numpy as np

    values = [
        value.to_numpy() if isinstance(value, Media) and hasattr(value, "to_numpy") else value for value in values
    ]
    kind = kind_of(values)
    try:
        if kind == "integer" and None not in values:
            return np.array(values, dtype=np.int64)
        if kind in ("boolean", "number", "string", "list") and None not in values:
            return np.array(values)
        if values and all(isinstance(value, np.ndarray) for value in values):
            return np.stack(values)
    except (ValueError, OverflowError):  # lists or pictures of different shapes, integers beyond 64 bits
        pass
    array = np.empty(len(values), dtype=object)
    for at, value in enumerate(values):
        array[at] = value
    return array


def _same(one: Any, other: Any) -> bool:
    """Equality with NaN equal to NaN, inside lists and dicts too."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(each, other[key]) for key, each in one.items())
    return bool(one == other) or (one != one and other != other)


def _read_media(record: Mapping[str, Any], blobs: Blobs) -> Media:
    """Any kind of media. Found by name, since the module that reads every kind imports this one."""
    media: Media = import_module("swath.tracking.media.reading").read_media(record, blobs)
    return media
