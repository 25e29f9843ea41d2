"""A table reads back as it was: every cell, every type, from rows, arrays and data frames."""

from __future__ import annotations

import datetime
import math
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swath.tracking import plot
from swath.tracking.blobs import Blobs
from swath.tracking.errors import StoreCorrupt, UsageError
from swath.tracking.media.histogram import Histogram
from swath.tracking.media.table import Table


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Blobs:
    return Blobs(tmp_path_factory.mktemp("blobs"))


def again(table: Table, blobs: Blobs) -> Table:
    return Table.from_record(table.to_record(blobs), blobs)


def exact(value: Any) -> Any:
    """A value with its types, so that 1, 1.0 and True differ, 0.0 and -0.0 too, and NaN is NaN."""
    if isinstance(value, list):
        return [exact(each) for each in value]
    if isinstance(value, dict):
        return {key: exact(each) for key, each in value.items()}
    if isinstance(value, datetime.datetime | datetime.time):
        return type(value), value.isoformat()
    return type(value), repr(value) if isinstance(value, float) else value


offsets = st.integers(-1439, 1439).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))
atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.datetimes(timezones=st.none() | offsets)
    | st.dates()
    | st.times()
)
cells = st.recursive(
    atoms,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_", max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.lists(st.text("abc xyz/é", max_size=4) | st.integers(-(2**40), 2**40), unique=True, max_size=4)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_every_cell_reads_back_with_its_type(blobs: Blobs, data: st.DataObject) -> None:
    columns = data.draw(names)
    rows = data.draw(st.lists(st.lists(cells, min_size=len(columns), max_size=len(columns)), max_size=4))
    table = Table(columns=columns, data=rows)

    back = again(table, blobs)

    assert back == table
    assert exact(back.data) == exact(rows)
    assert back.columns == columns
    assert back.column_types() == table.column_types()


def test_the_record_says_what_is_in_the_table(blobs: Blobs) -> None:
    table = Table(columns=["i", 2, "mixed", "empty"], data=[[1, 1, "a", None], [None, 2.5, 3, None]])
    record = table.to_record(blobs)
    content = blobs.read(record["sha256"])
    assert record == {
        "_type": "table-file",
        "sha256": record["sha256"],
        "size": len(content),
        "format": "msgpack",
        "ncols": 4,
        "nrows": 2,
        "columns": ["i", 2, "mixed", "empty"],
        "types": ["integer", "number", "mixed", "none"],
    }
    assert msgspec.json.decode(msgspec.json.encode(record)) == record
    assert msgspec.msgpack.decode(content) == {
        "version": 1,
        "columns": ["i", 2, "mixed", "empty"],
        "types": ["integer", "number", "mixed", "none"],
        "rows": [[1, 1, "a", None], [None, 2.5, 3, None]],
    }


def test_media_in_cells_read_back_wherever_they_are(blobs: Blobs) -> None:
    one, two = Histogram([1, 2, 3]), Histogram([4.5, 4.5])
    inner = Table(columns=["h"], data=[[one]])
    table = Table(columns=["a", "b", "c"], data=[[one, [one, {"deep": two}], inner], [None, [], inner]])
    readable: dict[str, Any] = {Histogram.TYPE: Histogram, Table.TYPE: Table}

    def media_from(record: Any, blobs: Blobs) -> Any:
        if record["_type"] == Table.TYPE:
            return Table.from_record(record, blobs, media_from)
        return readable[record["_type"]].from_record(record, blobs)

    back = Table.from_record(table.to_record(blobs), blobs, media_from)

    assert back == table
    assert back.data[0][1][1]["deep"] == two
    assert table.column_types() == ["histogram", "list", "table-file"]


def test_media_in_cells_are_found_without_help(blobs: Blobs) -> None:
    table = Table(columns=["h"], data=[[Histogram([1, 2])]])
    assert again(table, blobs) == table


def test_a_dict_that_looks_like_media_stays_a_dict(blobs: Blobs) -> None:
    table = Table(columns=["d"], data=[[{"_type": "histogram", "values": [1], "bins": [0, 1]}]])
    assert again(table, blobs).data == table.data


class Colour(str, Enum):  # noqa: UP042 - str() of these is not their text
    RED = "red"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float64(0.1), 0.1),
        (np.longdouble(0.5), 0.5),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (Colour.RED, "red"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([1.5]), [1.5]),
        (np.array(7), 7),
        (np.array([], dtype=np.int8), []),
        (np.array(["a", None], dtype=object), ["a", None]),
        (np.array(["2020-01-01", "NaT"], dtype="datetime64[D]"), [datetime.date(2020, 1, 1), None]),
        (np.datetime64("2020-01-01T10:00:00", "ns"), datetime.datetime(2020, 1, 1, 10)),
        (np.datetime64("2020-01-01T10:00:00.123456789"), "2020-01-01T10:00:00.123456789"),
        (np.timedelta64(1500, "ms"), 1.5),
        (np.datetime64("NaT"), None),
        (datetime.timedelta(seconds=1.5), 1.5),
        (pd.Timestamp("2020-01-01 10:00"), datetime.datetime(2020, 1, 1, 10)),
        (pd.Timestamp("2020-01-01 10:00:00.123456789"), "2020-01-01T10:00:00.123456789"),
        (pd.NaT, None),
        (pd.NA, None),
        (pd.Interval(0, 1), "(0, 1]"),
        (Path("a/b"), "a/b"),
        ((1, "a"), [1, "a"]),
        ({1: 2}, {"1": 2}),
        (bytearray(b"ab"), b"ab"),
        ("\ud800", "\ud800"),
    ],
)
def test_values_of_other_libraries_become_pythons_own(value: Any, plain: Any) -> None:
    table = Table(columns=["a"], data=[[value]])
    assert exact(table.data) == exact([[plain]])


def test_torch_values_become_numbers_and_lists() -> None:
    torch = pytest.importorskip("torch")
    weights = torch.tensor([1.0, 2.0], requires_grad=True)
    table = Table(columns=["a", "b", "c"])
    table.add_data(weights, weights.sum(), torch.ones(2, dtype=torch.bfloat16))
    assert exact(table.data) == exact([[[1.0, 2.0], 3.0, [1.0, 1.0]]])


def test_a_lone_surrogate_is_written_as_its_escape(blobs: Blobs) -> None:
    table = Table(columns=["a"], data=[["x\ud800"], [2**70]])
    assert again(table, blobs).data == [["x\\ud800"], [2**70]]


def test_rows_are_copied_when_they_come_in() -> None:
    row, inner = [1, 2], np.array([1, 2])
    table = Table(columns=["a", "b"], data=[row])
    table.add_data(inner, 3)
    row[0] = inner[0] = 100
    assert table.data == [[1, 2], [[1, 2], 3]]


def test_rows_and_columns_are_added_and_read() -> None:
    table = Table(columns=["a"])
    table.add_data(1)
    table.add_row(2)
    table.add_column("b", np.array([0.5, 1.5]))
    table.add_computed_columns(lambda at, row: {"sum": row["a"] + row["b"], "at": at})
    assert table.columns == ["a", "b", "sum", "at"]
    assert list(table.iterrows()) == [(0, [1, 0.5, 1.5, 0]), (1, [2, 1.5, 3.5, 1])]
    assert table.get_column("b") == [0.5, 1.5]
    assert table.get_index() == [0, 1]
    assert len(table) == 2


def test_the_first_column_brings_the_rows() -> None:
    table = Table(columns=[])
    table.add_column("a", [1, 2])
    assert table == Table(columns=["a"], data=[[1], [2]])


def test_without_columns_a_table_has_the_usual_three() -> None:
    assert Table(rows=[["x", "y", "z"]]).columns == ["Input", "Output", "Expected"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([1, 2], "int64"), ([2**63], "object"), ([1, 2.5], "float64"), ([1, None], "object"), (["a", 1], "object")],
)
def test_a_column_becomes_an_array_of_its_type(values: list[Any], dtype: str) -> None:
    array = Table(columns=["a"], data=[[value] for value in values]).get_column("a", convert_to="numpy")
    assert array.dtype == dtype
    assert array.tolist() == values


def test_lists_of_one_length_become_rows_of_an_array_and_others_objects() -> None:
    table = Table(columns=["even", "odd"], data=[[[1, 2], [1]], [[3, 4], [1, 2]]])
    assert table.get_column("even", convert_to="numpy").shape == (2, 2)
    assert table.get_column("odd", convert_to="numpy").tolist() == [[1], [1, 2]]


def test_pictures_of_one_size_become_one_array_and_others_objects() -> None:
    from swath.tracking.media.image import Image

    small, large = np.zeros((2, 3, 3), np.uint8), np.ones((4, 3, 3), np.uint8)
    table = Table(columns=["same", "other"], data=[[Image(small), Image(small)], [Image(small), Image(large)]])
    assert table.column_types() == ["image-file", "image-file"]
    assert table.get_column("same", convert_to="numpy").shape == (2, 2, 3, 3)
    assert [each.shape for each in table.get_column("other", convert_to="numpy")] == [(2, 3, 3), (4, 3, 3)]
    histograms = Table(columns=["h"], data=[[Histogram([1])], [None]]).get_column("h", convert_to="numpy")
    assert histograms.shape == (2,)


def test_media_with_unprintable_text_are_written(blobs: Blobs) -> None:
    chart = plot.line(Table(columns=["x"], data=[[1]]), "x", "x", title="\ud800")
    back = again(Table(columns=["chart"], data=[[chart]]), blobs)
    assert back.data[0][0].title == "\\ud800"


def test_pictures_in_cells_read_back(blobs: Blobs) -> None:
    from swath.tracking.media.image import Image

    pixels = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    table = Table(columns=["image", "prediction"], data=[[Image(pixels, caption="c"), "cat"]])
    back = again(table, blobs)
    assert np.array_equal(back.data[0][0].to_numpy(), pixels)
    assert back.data[0][1] == "cat"


def test_numpy_rows_read_back(blobs: Blobs) -> None:
    array = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    back = again(Table(columns=["a", "b", "c"], data=array), blobs)
    assert np.array_equal(np.array(back.data, dtype=np.float32), array)


def test_a_data_frame_reads_back(blobs: Blobs) -> None:
    frame = pd.DataFrame(
        {
            "int": [1, 2, 3],
            "float": [1.5, math.nan, math.inf],
            "bool": [True, False, True],
            "text": ["a", "b", "c"],
            "when": pd.to_datetime(["2020-01-01T00:00:00.000", "2021-02-03T04:05:06.789", "2022-01-01T00:00:00.000"]),
            "maybe": pd.array([2**60 + 1, None, 3], dtype="Int64"),
            "flag": pd.array([True, None, False], dtype="boolean"),
            "list": [[1], [], [2, 3]],
        }
    )
    back = again(Table(dataframe=frame), blobs).get_dataframe()
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)
    assert back["int"].dtype == "int64"
    assert back["maybe"].dtype == "Int64"
    assert back["when"].dtype.kind == "M"
    assert back["maybe"][0] == 2**60 + 1


def test_categories_time_zones_and_missing_values_of_a_data_frame() -> None:
    frame = pd.DataFrame(
        {
            "category": pd.Categorical(["x", None, "y"]),
            "zone": pd.to_datetime(["2020-01-01", None, "2020-01-02"]).tz_localize("Europe/Berlin"),
            "text": ["a", None, "b"],
            "span": pd.to_timedelta([1, None, 3], unit="s"),
            "numbers": pd.Categorical([1, 2, 1]),
        }
    )
    table = Table(data=frame)
    assert table.column_types() == ["string", "datetime", "string", "number", "integer"]
    assert table.get_column("category") == ["x", None, "y"]
    assert table.get_column("zone")[0].isoformat() == "2020-01-01T00:00:00+01:00"
    assert table.data[1] == [None, None, None, None, 2]


def test_a_frame_without_rows_keeps_its_columns(blobs: Blobs) -> None:
    frame = pd.DataFrame({"a": [1], 5: [2]}).iloc[:0]
    back = again(Table(dataframe=frame), blobs)
    assert back.columns == ["a", 5]
    assert list(back.get_dataframe().columns) == ["a", 5]
    assert len(back) == 0


def test_integers_of_any_size_survive_pandas() -> None:
    table = Table(columns=["a"], data=[[2**80], [None]])
    assert table.get_dataframe()["a"].tolist() == [2**80, None]


def test_a_hundred_thousand_rows_read_back(blobs: Blobs) -> None:
    rows = [[at, at / 7, f"row {at}", at % 2 == 0, None] for at in range(100_000)]
    table = Table(columns=["a", "b", "c", "d", "e"], data=rows)
    record = table.to_record(blobs)
    assert record["nrows"] == 100_000
    assert Table.from_record(record, blobs).data == rows


def test_the_same_table_is_the_same_file(blobs: Blobs) -> None:
    rows = [[1, math.nan, datetime.date(2020, 1, 1)]]
    one, two = (Table(columns=["a", "b", "c"], data=rows).to_record(blobs) for _ in range(2))
    assert one == two


def test_what_users_put_into_data_themselves_is_recorded(blobs: Blobs) -> None:
    table = Table(columns=["a"], data=[[1]])
    table.data.append([np.float32(2.5)])
    table.data.append((3,))  # type: ignore[arg-type]
    assert again(table, blobs).data == [[1], [2.5], [3]]
    table.data.append([1, 2])
    with pytest.raises(UsageError, match="row 3 has 2 values"):
        table.to_record(blobs)


def test_tables_differ_by_columns_rows_and_cells() -> None:
    table = Table(columns=["a"], data=[[math.nan]])
    assert table == Table(columns=["a"], data=[[float("nan")]])
    assert table != Table(columns=["b"], data=[[math.nan]])
    assert table != Table(columns=["a"], data=[[1]])
    assert table != Table(columns=["a"])
    assert table != "a table"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": "ab"}, "columns is a str"),
        ({"columns": 3}, "columns is an int"),
        ({"columns": ["a", "a"]}, "'a' is there twice"),
        ({"columns": ["a", 1.5]}, "column name 1.5 is a float"),
        ({"columns": ["a", True]}, "column name True"),
        ({"columns": ["a", "b"], "data": [[1, 2], [3]]}, "row 1 has 1 values"),
        ({"columns": ["a"], "data": [{"a": 1}]}, "row 0 is a dict"),
        ({"columns": ["a"], "data": ["x"]}, "row 0 is a str"),
        ({"columns": ["a"], "data": [1]}, "row 0 is an int"),
        ({"columns": ["a"], "data": np.zeros(3)}, "row 0 is a float"),
        ({"columns": ["a"], "data": np.zeros((2, 2))}, "row 0 has 2 values"),
        ({"columns": ["a"], "data": "x"}, "the data are a str"),
        ({"columns": ["a"], "data": {"a": [1]}}, "the data are a dict"),
        ({"columns": ["a"], "data": np.float64(3)}, "the data are None|the data are a"),
        ({"dataframe": [[1]]}, "dataframe is a list"),
        ({"dataframe": pd.DataFrame([[1, 2]], columns=["a", "a"])}, "'a' is there twice"),
        ({"dataframe": pd.DataFrame({("a", "b"): [1]})}, "is a tuple"),
        ({"columns": ["a"], "data": [[object()]]}, "row 0, column 'a'"),
        ({"columns": ["a"], "data": [[1j]]}, "row 0, column 'a'"),
        ({"columns": ["a"], "data": [[np.zeros(1_000_001)]]}, "array of 1000001 numbers"),
        ({"columns": ["a"], "log_mode": "SOMETIMES"}, "no log_mode 'SOMETIMES'"),
        ({"columns": ["a"], "dtype": "float"}, "dtype 'float' is no type"),
        ({"columns": ["a"], "dtype": [int, int]}, "2 dtypes"),
        ({"columns": ["a"], "data": [["x"]], "dtype": float}, "is a str, the column's dtype is float or int"),
        ({"columns": ["a"], "data": [[True]], "dtype": int}, "is a bool"),
        ({"columns": ["a"], "data": [[None]], "optional": False}, "row 0, column 'a' is None"),
    ],
)
def test_a_wrong_table_is_refused_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Table(**arguments)
    assert caught.value.hint


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(UsageError, match="contains itself"):
        Table(columns=["a"], data=[[loop]])


def test_dtypes_are_checked_on_what_comes_in() -> None:
    table = Table(
        columns=["f", "i", "any", "h"], dtype=[float, np.int32, None, Histogram], optional=[True, False, True, True]
    )
    table.add_data(1, np.int64(2), "x", Histogram([1]))
    table.add_data(None, 3, 3, None)
    with pytest.raises(UsageError, match="row 2, column 'i' is None"):
        table.add_data(1, None, 1, None)
    with pytest.raises(UsageError, match="row 2, column 'h' is a str"):
        table.add_data(1, 2, 1, "picture")
    assert len(table) == 2
    assert Table(columns=["a"], data=[["x"]], dtype=int, allow_mixed_types=True).data == [["x"]]


def test_a_column_that_does_not_fit_changes_nothing() -> None:
    table = Table(columns=["a"], data=[[1], [2]])
    for name, data in (("a", [1, 2]), ("b", [1]), ("b", "xy"), ("b", [1, object()]), (1.5, [1, 2])):
        with pytest.raises(UsageError):
            table.add_column(name, data)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="row 1, column 'b' is None"):
        table.add_column("b", [1, None], optional=False)
    assert table == Table(columns=["a"], data=[[1], [2]])


def test_unknown_columns_are_named_with_those_there_are() -> None:
    table = Table(columns=["a"], data=[[1]])
    with pytest.raises(UsageError, match="no column 'b'") as caught:
        table.get_column("b")
    assert "['a']" in caught.value.hint
    with pytest.raises(UsageError, match="not converted"):
        table.get_column("a", convert_to="list")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode([1]),
        msgspec.msgpack.encode({"columns": ["a"]}),
        msgspec.msgpack.encode({"columns": ["a"], "rows": [[1, 2]]}),
        msgspec.msgpack.encode({"columns": ["a"], "rows": [1]}),
        msgspec.msgpack.encode({"columns": ["a"], "rows": [[msgspec.msgpack.Ext(3, b"never")]]}),
        msgspec.msgpack.encode({"columns": ["a"], "rows": [[msgspec.msgpack.Ext(99, b"")]]}),
    ],
)
def test_damaged_bytes_are_said_to_be_damaged(blobs: Blobs, content: bytes) -> None:
    with pytest.raises(StoreCorrupt, match="damaged"):
        Table.from_record({"_type": "table-file", "sha256": blobs.put(content)}, blobs)


def test_figures_pictures_and_frames_in_cells_become_media(blobs: Blobs) -> None:
    pandas, figures = pytest.importorskip("pandas"), pytest.importorskip("matplotlib.figure")
    pillow = pytest.importorskip("PIL.Image")
    figure = figures.Figure()
    table = Table(
        columns=["picture", "figure", "axes", "frame"],
        data=[[pillow.new("L", (3, 2), 7), figure, figure.subplots(), pandas.DataFrame({"a": [1]})]],
    )
    assert table.column_types() == ["image-file", "image-file", "image-file", "table-file"]
    again = Table.from_record(table.to_record(blobs), blobs)
    assert again.data[0][0].to_numpy().tolist() == [[7] * 3] * 2
    assert again.data[0][3] == Table(columns=["a"], data=[[1]])
