"""QR codes read back: by the rules of the standard, not by the code that made them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_web.support.qr_code import QrTooLongError, as_path, matrix

#: Data bytes of each block and the number of blocks, for versions of equal blocks.
BLOCKS = {1: (16, 1), 2: (28, 1), 3: (44, 1), 4: (32, 2), 5: (43, 2), 6: (27, 4), 7: (31, 4)}
FINDER = ["#######", "#.....#", "#.###.#", "#.###.#", "#.###.#", "#.....#", "#######"]
ALIGNMENT = {1: [], 2: [18], 3: [22], 4: [26], 5: [30], 6: [34], 7: [6, 22, 38]}


def read(modules: list[list[bool]]) -> str:
    """Walk the symbol as a reader does: mask 0, columns in pairs, blocks put apart."""
    size = len(modules)
    version = (size - 17) // 4
    bits = [
        modules[y][x] ^ ((x + y) % 2 == 0)
        for turn, right in enumerate([*range(size - 1, 6, -2), *range(5, 0, -2)])
        for y in (range(size - 1, -1, -1) if turn % 2 == 0 else range(size))
        for x in (right, right - 1)
        if not is_pattern(x, y, size, version)
    ]
    codewords = [int("".join("01"[bit] for bit in bits[start : start + 8]), 2) for start in range(0, len(bits) - 7, 8)]
    each, count = BLOCKS[version]
    data = bytes(codewords[index * count + block] for block in range(count) for index in range(each))
    number = int.from_bytes(data, "big") << 0
    whole = f"{number:0{len(data) * 8}b}"
    assert whole[:4] == "0100"
    length = int(whole[4:12], 2)
    return bytes(int(whole[12 + 8 * index : 20 + 8 * index], 2) for index in range(length)).decode()


def is_pattern(x: int, y: int, size: int, version: int) -> bool:
    corners = (x < 9 and y < 9) or (x >= size - 8 and y < 9) or (x < 9 and y >= size - 8)
    named = version >= 7 and ((x < 6 and y >= size - 11) or (y < 6 and x >= size - 11))
    centres = {(a, b) for a in [6, *ALIGNMENT[version]] for b in [6, *ALIGNMENT[version]]}
    centres -= {(6, 6), (6, size - 7), (size - 7, 6)}
    aligned = version > 1 and any(abs(x - a) <= 2 and abs(y - b) <= 2 for a, b in centres)
    return corners or named or aligned or 6 in {x, y}


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=40))
def test_what_is_written_is_read(text: str) -> None:
    if len(text.encode()) <= 122:
        assert read(matrix(text)) == text


@pytest.mark.parametrize("length", [0, 14, 15, 26, 27, 42, 43, 62, 63, 84, 85, 106, 107, 122])
def test_each_version_takes_what_it_holds(length: int) -> None:
    assert read(matrix("x" * length)) == "x" * length


def test_three_finders_and_the_timing_between_them() -> None:
    modules = matrix("x" * 200)
    size = len(modules)
    for x, y in ((0, 0), (size - 7, 0), (0, size - 7)):
        found = ["".join(".#"[modules[y + row][x + column]] for column in range(7)) for row in range(7)]
        assert found == FINDER
    assert [modules[6][place] for place in range(8, size - 8)] == [place % 2 == 0 for place in range(8, size - 8)]


def test_a_known_symbol() -> None:
    """The format bits of level M and mask 0, in both places."""
    modules = matrix("https://example.org")
    size = len(modules)
    first = [modules[8][x] for x in (0, 1, 2, 3, 4, 5, 7, 8)] + [modules[y][8] for y in (7, 5, 4, 3, 2, 1, 0)]
    second = [modules[size - 1 - index][8] for index in range(7)] + [modules[8][size - 8 + index] for index in range(8)]
    assert "".join("01"[bit] for bit in first) == "".join("01"[bit] for bit in second) == "101010000010010"
    assert modules[size - 8][8]


def test_what_is_too_long_is_refused() -> None:
    assert len(matrix("x" * 213)) == 57
    with pytest.raises(QrTooLongError):
        matrix("x" * 214)


def test_the_path_has_a_quiet_zone() -> None:
    width, path = as_path("x")
    assert width == 21 + 8
    assert path.startswith("M4 4h1v1h-1z")
