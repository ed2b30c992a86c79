"""The path of a QR code is the symbol, where a reader looks for it."""

from __future__ import annotations

import re

import pytest
from segno import DataOverflowError

from tbot_web.support.qr_code import as_path

FINDER = ["#######", "#.....#", "#.###.#", "#.###.#", "#.###.#", "#.....#", "#######"]
QUIET = 4


def drawn(path: str) -> set[tuple[int, int]]:
    return {(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", path)}


def test_the_corners_are_where_a_reader_looks_and_the_border_is_quiet() -> None:
    width, path = as_path("otpauth://totp/RIGD:ada?secret=ABCDEFGHIJKLMNOPQRSTUVWXYZ234567&issuer=RIGD")
    assert (width - 2 * QUIET - 17) % 4 == 0
    dark = drawn(path)
    far = width - QUIET - 7
    for left, top in ((QUIET, QUIET), (far, QUIET), (QUIET, far)):
        seen = ["".join(".#"[(left + x, top + y) in dark] for x in range(7)) for y in range(7)]
        assert seen == FINDER
    assert all(QUIET <= at < width - QUIET for module in dark for at in module)


def test_other_texts_have_other_codes() -> None:
    assert as_path("ada") != as_path("bob")


def test_a_text_that_no_code_holds_is_refused() -> None:
    with pytest.raises(DataOverflowError):
        as_path("x" * 3000)
