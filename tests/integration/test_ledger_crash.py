"""A ledger whose process is killed while it posts holds every acknowledged fill whole, and no half one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tbot_bot.accounting.ledger import Ledger
from tbot_bot.domain.money import Money
from tests.ledger_books import OPEN_AT, books
from tests.ledger_poster import book

ROOT = Path(__file__).parents[2]


def kill_after(path: Path, acknowledged: int) -> int:
    """Run the poster until it has acknowledged that many fills, kill it, and return the last number it printed."""
    poster = subprocess.Popen(
        [sys.executable, "-m", "tests.ledger_poster", str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert poster.stdout is not None
    with poster:
        for _ in range(acknowledged):
            assert poster.stdout.readline()
        poster.kill()
        printed = poster.stdout.read().split()
    return int(printed[-1]) if printed else 0


@pytest.mark.soak
def test_a_kill_loses_no_acknowledged_fill_and_leaves_no_half_one(tmp_path, rounds):
    with books(tmp_path) as desk:
        for round_number in range(rounds(3, 200)):
            before = desk.trades.execution_cursor()
            last = kill_after(tmp_path / "LEDGER.db", 5 + round_number % 7)
            booked = desk.trades.execution_cursor()
            assert booked >= max(last, before + 5 + round_number % 7)
            assert_whole(desk)
            cash = desk.ledger.ledger_cash()
            for number in range(1, booked + 1):
                assert book(desk.trades, number).is_repeat
            assert desk.ledger.ledger_cash() == cash
        assert desk.ledger.ledger_cash() != Money.of("100000")


def assert_whole(desk):
    ledger: Ledger = desk.ledger
    report = ledger.verify_chain()
    assert report.is_intact
    assert report.events == 2 + desk.trades.execution_cursor()
    assert ledger.trial_balance().balanced
    assert ledger.recompute() == ()
    assert desk.trades.verify_results() == ()
    assert ledger.ledger_positions() == desk.trades.book_positions()
    assert ledger.entries(1).items[0].effective_at == OPEN_AT
