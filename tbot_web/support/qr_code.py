"""A text as a QR code, drawn as one path of an SVG: nothing is inlined as an image, and both themes can colour it."""

from __future__ import annotations

import segno


def as_path(text: str) -> tuple[int, str]:
    """The width in modules, quiet zone included, and the dark modules as the path of an SVG.

    Raises segno.DataOverflowError for a text that no code holds.
    """
    code = segno.make_qr(text, error="m")
    rows = list(code.matrix_iter(border=code.default_border_size))
    dark = (f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, is_dark in enumerate(row) if is_dark)
    return len(rows), "".join(dark)
