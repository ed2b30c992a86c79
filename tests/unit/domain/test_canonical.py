from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbot_bot.domain.canonical import NotCanonicalError, canonical_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VALUES)
def test_equal_values_have_equal_bytes_and_come_back(value: object) -> None:
    data = canonical_json(value)
    assert json.loads(data) == value
    assert canonical_json(json.loads(data)) == data


def test_order_and_kind_of_container_do_not_matter() -> None:
    assert canonical_json({"b": (1, None), "a": "ä"}) == canonical_json({"a": "ä", "b": [1, None]})
    assert canonical_json({"b": 1, "a": True}) == b'{"a":true,"b":1}'


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (1.5, "value is a float"),
        ({"a": [1, Decimal(1)]}, r"value.a\[1\] is a Decimal"),
        ({1: 1}, "value has a key that is a int"),
        ({"a": {None: 1}}, "value.a has a key that is a NoneType"),
        (b"", "value is a bytes"),
        (["\ud800"], "is not Unicode"),
    ],
)
def test_what_has_no_single_spelling_is_refused(value: object, where: str) -> None:
    with pytest.raises(NotCanonicalError, match=where):
        canonical_json(value)
