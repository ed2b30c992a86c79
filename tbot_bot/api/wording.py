"""Words that the runner and the pages say alike."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """A count of things: `1 trade`, `1,214 trades`; `many` where it is not `one` and an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def kill_words(open_positions: int | None) -> str:
    """What the kill switch would do, as its button, its question and its confirmation name it; None is unknown."""
    if open_positions is None:
        return "Kill: flatten all positions"
    return f"Kill: flatten {counted(open_positions, 'position')}" if open_positions else "Kill: lock trading"
