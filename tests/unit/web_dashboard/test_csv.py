from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_web.support.utils_web import csv_response


def cells(*values: str | None) -> list[str]:
    text = csv_response("x", ("a",), [values]).get_data(as_text=True)
    return list(csv.reader(io.StringIO(text, newline="")))[1]


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "-", "-.5", "-1.x", "-\u0661"]
)
def test_what_a_spreadsheet_could_run_is_made_text(text: str) -> None:
    assert cells(text, "x")[0] == "'" + text


@pytest.mark.parametrize("text", ["-12.4", "-5", "0", "T-20101122-0009", "a=b", ""])
def test_numbers_and_plain_text_stay_as_they_are(text: str) -> None:
    assert cells(text, "x")[0] == text


def test_unknown_is_an_empty_cell() -> None:
    assert cells(None, "x") == ["", "x"]


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_text_comes_back_whole(text: str) -> None:
    found = cells(text, "x")[0]
    assert found.removeprefix("'") == text.removeprefix("'")
    assert not found.startswith(("=", "+", "@", "\t", "\r", "\n"))
