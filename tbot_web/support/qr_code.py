"""QR codes (ISO/IEC 18004) of short texts: bytes, error correction M, versions 1 to 10, one mask.

QrTooLongError   the text does not fit
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

#: By version, from 1: check bytes of each block, and the data bytes of each block.
_BLOCKS = (
    (10, (16,)),
    (16, (28,)),
    (26, (44,)),
    (18, (32, 32)),
    (24, (43, 43)),
    (16, (27,) * 4),
    (18, (31,) * 4),
    (22, (38, 38, 39, 39)),
    (22, (36, 36, 36, 37, 37)),
    (26, (43, 43, 43, 43, 44)),
)
#: Centres of the alignment patterns, by version.
_CENTRES = ((), (6, 18), (6, 22), (6, 26), (6, 30), (6, 34), (6, 22, 38), (6, 24, 42), (6, 26, 46), (6, 28, 50))
_QUIET = 4
_LONG_COUNT = 10  # from this version on the length takes two bytes
_WITH_VERSION = 7  # from this version on the symbol names its version
_BYTE_MODE = 0b0100
_PADDING = (0xEC, 0x11)
_FORMAT_MASK = 0x5412
_TIMING = 6  # row and column of the timing patterns
_FIELD, _FORMAT, _VERSION = 0x11D, 0x537, 0x1F25

Matrix = list[list[bool | None]]


class QrTooLongError(ValueError):
    """The text is longer than version 10 holds."""


def as_path(text: str) -> tuple[int, str]:
    """The width in modules, quiet zone included, and the dark modules as the path of an SVG."""
    modules = matrix(text)
    dark = (
        f"M{x + _QUIET} {y + _QUIET}h1v1h-1z"
        for y, row in enumerate(modules)
        for x, is_dark in enumerate(row)
        if is_dark
    )
    return len(modules) + 2 * _QUIET, "".join(dark)


def matrix(text: str) -> list[list[bool]]:
    """The modules by row, True for dark."""
    data = text.encode()
    version = _version_for(len(data))
    made = _patterns(version)
    bits = _bits(_codewords(data, version))
    for x, y in _places(made):
        made[y][x] = next(bits, False) ^ ((x + y) % 2 == 0)
    _put_format(made)
    return [[bool(one) for one in row] for row in made]


def _version_for(length: int) -> int:
    for version, (_, blocks) in enumerate(_BLOCKS, 1):
        if length + (3 if version >= _LONG_COUNT else 2) <= sum(blocks):  # mode and length take 12 or 20 bits
            return version
    raise QrTooLongError(f"{length} bytes do not fit into a QR code of version {len(_BLOCKS)}")


def _codewords(data: bytes, version: int) -> bytes:
    """Data and check bytes, interleaved."""
    check, blocks = _BLOCKS[version - 1]
    count_bits = 16 if version >= _LONG_COUNT else 8
    number = (_BYTE_MODE << count_bits | len(data)) << 8 * len(data) | int.from_bytes(data, "big")
    head = (number << 4).to_bytes((4 + count_bits + 8 * len(data) + 4) // 8, "big")  # four bits end the message
    whole = head + bytes(_PADDING[index % 2] for index in range(sum(blocks) - len(head)))
    starts = [sum(blocks[:index]) for index in range(len(blocks))]
    parts = [whole[start : start + size] for start, size in zip(starts, blocks, strict=True)]
    checks = [_check_bytes(part, check) for part in parts]
    data_part = bytes(part[index] for index in range(max(blocks)) for part in parts if index < len(part))
    return data_part + bytes(one[index] for index in range(check) for one in checks)


def _check_bytes(part: bytes, count: int) -> bytes:
    """The remainder of the data by the generator polynomial, over the field of 256 elements."""
    generator = [1]
    root = 1
    for _ in range(count):
        shifted = [*generator, 0]
        generator = [one ^ _times(root, two) for one, two in zip(shifted, [0, *generator], strict=True)]
        root = _times(root, 2)
    rest = list(part) + [0] * count
    for index in range(len(part)):
        factor = rest[index]
        for offset, one in enumerate(generator):
            rest[index + offset] ^= _times(factor, one)
    return bytes(rest[-count:])


def _times(one: int, two: int) -> int:
    product = 0
    while two:
        product ^= one if two & 1 else 0
        one = one << 1 ^ (_FIELD if one & 0x80 else 0)
        two >>= 1
    return product


def _bits(codewords: bytes) -> Iterator[bool]:
    for one in codewords:
        yield from (bool(one >> place & 1) for place in range(7, -1, -1))


def _patterns(version: int) -> Matrix:
    """What every symbol of a version has; None where the message goes, format bits reserved."""
    size = 17 + 4 * version
    made: Matrix = [[None] * size for _ in range(size)]
    for x, y in ((3, 3), (size - 4, 3), (3, size - 4)):
        _ring(made, x, y, (0, 1, 3), 4)
    for place in range(8, size - 8):
        made[_TIMING][place] = made[place][_TIMING] = place % 2 == 0
    centres = _CENTRES[version - 1]
    far = size - 1 - _TIMING
    finders = {(_TIMING, _TIMING), (_TIMING, far), (far, _TIMING)}
    for x, y in {(x, y) for x in centres for y in centres} - finders:
        _ring(made, x, y, (0, 2), 2)
    for place in range(9):
        for x, y in ((8, place), (place, 8)):
            made[y][x] = made[y][x] or False
    for place in range(8):
        made[8][size - 1 - place] = False
        made[size - 1 - place][8] = False
    made[size - 8][8] = True
    if version >= _WITH_VERSION:
        for index in range(18):
            dark = bool(_with_remainder(version, 12, _VERSION) >> index & 1)
            made[index // 3][size - 11 + index % 3] = made[size - 11 + index % 3][index // 3] = dark
    return made


def _ring(made: Matrix, x: int, y: int, dark: tuple[int, ...], reach: int) -> None:
    """Rings around a centre, dark at these distances."""
    for row in range(max(0, y - reach), min(len(made), y + reach + 1)):
        for column in range(max(0, x - reach), min(len(made), x + reach + 1)):
            distance = max(abs(row - y), abs(column - x))
            made[row][column] = distance in dark


def _places(made: Matrix) -> Iterator[tuple[int, int]]:
    """Where the message goes: in pairs of columns from the right, up and down in turn."""
    size = len(made)
    free = [[one is None for one in row] for row in made]
    for turn, right in enumerate(range(size - 1, 0, -2)):
        column = right - 1 if right <= _TIMING else right  # the timing pattern has a column of its own
        rows = range(size - 1, -1, -1) if turn % 2 == 0 else range(size)
        for y in rows:
            for x in (column, column - 1):
                if free[y][x]:
                    yield x, y


def _put_format(made: Matrix) -> None:
    """Error correction M is 00, and so is the mask 000."""
    size = len(made)
    bits = _with_remainder(0, 10, _FORMAT) ^ _FORMAT_MASK
    around = [
        (8, 0),
        (8, 1),
        (8, 2),
        (8, 3),
        (8, 4),
        (8, 5),
        (8, 7),
        (8, 8),
        (7, 8),
        *((x, 8) for x in range(5, -1, -1)),
    ]
    split = [*((size - 1 - index, 8) for index in range(8)), *((8, size - 7 + index) for index in range(7))]
    for index in range(15):
        for x, y in (around[index], split[index]):
            made[y][x] = bool(bits >> index & 1)


def _with_remainder(value: int, count: int, divisor: int) -> int:
    """A value followed by its check bits."""

    def step(rest: int, place: int) -> int:
        return rest ^ divisor << place - count if rest >> place & 1 else rest

    places = range(value.bit_length() + count, count - 1, -1)
    return value << count | reduce(step, places, value << count)
