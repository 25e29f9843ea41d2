"""JSON text of columns keeps every value that Python's own json keeps."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from swath.tracking.store.jsontext import from_json, to_json

ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()))
VALUES = st.recursive(ATOMS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))


@given(VALUES)
def test_a_value_comes_back_as_from_pythons_json(value: Any) -> None:
    assert repr(from_json(to_json(value))) == repr(json.loads(json.dumps(value)))


@given(VALUES)
def test_texts_of_pythons_json_are_read_too(value: Any) -> None:
    assert repr(from_json(json.dumps(value))) == repr(json.loads(json.dumps(value)))
