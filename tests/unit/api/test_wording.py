from __future__ import annotations

import pytest

from tbot_bot.api.wording import counted, kill_words


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 trades"), (1, "1 trade"), (2, "2 trades"), (1214, "1,214 trades")]
)
def test_a_count_of_things(number: int, words: str) -> None:
    assert counted(number, "trade") == words


def test_a_plural_of_its_own() -> None:
    assert [counted(number, "entry", "entries") for number in (1, 2)] == ["1 entry", "2 entries"]


@pytest.mark.parametrize(
    ("positions", "words"),
    [
        (None, "Kill: flatten all positions"),
        (0, "Kill: lock trading"),
        (1, "Kill: flatten 1 position"),
        (3, "Kill: flatten 3 positions"),
    ],
)
def test_the_kill_switch_says_what_it_would_do(positions: int | None, words: str) -> None:
    assert kill_words(positions) == words
