import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from tbot_bot.domain.entries import GENESIS_HASH, IdempotencyConflictError, PostingRefusedError, ReversalRefusedError
from tbot_bot.domain.ledger_port import KeptDifference
from tbot_bot.domain.money import Money, Quantity
from tbot_bot.domain.orders import Book
from tests.ledger_books import OPEN_AT, WALL, Books, books, lines, posting, written

INTEREST = """
    1.10.10     12.50
    4.20.20    -12.50
"""


@pytest.fixture
def desk(tmp_path):
    with books(tmp_path) as made:
        yield made


def post(desk: Books, text: str, key: str = "k1", **changes):
    return desk.ledger.post(posting(text, **changes), kind="journal", source="web", idempotency_key=key, actor="alice")


def tamper(desk: Books, *statements: str) -> None:
    """Change the file behind the ledger's back, triggers and all."""
    with closing(sqlite3.connect(desk.database.engine.url.database)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def balances(desk: Books, as_of=None) -> str:
    return "\n".join(f"{line.account.code} {line.balance}" for line in desk.ledger.trial_balance(as_of).lines)


def test_the_opening_balance_is_cash_and_capital(desk):
    assert balances(desk) == lines("""
        1.10.10  100000
        3.10.10 -100000
    """)
    assert desk.ledger.ledger_cash() == Money.of("100000")


def test_a_posting_is_recorded_with_both_clocks_and_the_chart(desk):
    posted = post(desk, INTEREST)
    (transaction,) = posted.transactions
    assert (transaction.effective_at, transaction.recorded_at, transaction.chart_version) == (OPEN_AT, WALL, 1)
    assert (transaction.version_of, transaction.version_no, transaction.reverses) == (transaction.id, 1, None)
    assert (posted.event.actor, posted.event.kind, posted.event.source) == ("alice", "journal", "web")
    assert desk.ledger.transaction(transaction.id) == transaction
    assert desk.ledger.transaction(99) is None


def test_the_same_key_with_the_same_input_is_posted_once(desk):
    first = post(desk, INTEREST)
    again = post(desk, INTEREST)
    assert (first.is_new, again.is_new) == (True, False)
    assert again == replace(first, is_new=False)
    assert len(desk.ledger.entries(10).items) == 2


def test_the_same_key_with_other_input_is_refused(desk):
    post(desk, INTEREST)
    with pytest.raises(IdempotencyConflictError, match="What was posted first stands"):
        post(desk, INTEREST, memo="other")
    assert len(desk.ledger.entries(10).items) == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1.10.10 5\n4.20.20 -4", "Debits and credits differ by 1"),
        ("1.10 5\n4.20.20 -5", "Account 1.10 does not exist or has others below it. Nothing was written."),
        ("1.99.10 5\n4.20.20 -5", "Account 1.99.10 does not exist"),
        ("1.20.10 5\n4.20.20 -5", "Account 1.20.10 stands for open lots"),
    ],
)
def test_what_cannot_be_posted_is_refused_with_the_reason(desk, text, sentence):
    with pytest.raises(PostingRefusedError, match=sentence):
        post(desk, text)
    assert balances(desk).count("\n") == 1


def test_a_reversal_undoes_and_points_back(desk):
    (original,) = post(desk, INTEREST).transactions
    (reversal,) = desk.ledger.reverse(
        original.id, effective_at=OPEN_AT, idempotency_key="r1", actor="alice"
    ).transactions
    assert written(reversal) == lines("""
        1.10.10 -12.5
        4.20.20  12.5
    """)
    assert (reversal.reverses, reversal.version_of) == (original.id, original.id)
    assert desk.ledger.ledger_cash() == Money.of("100000")
    repeat = desk.ledger.reverse(original.id, effective_at=OPEN_AT, idempotency_key="r1", actor="alice")
    assert repeat.transactions == (reversal,)
    assert not repeat.is_new


def test_a_correction_is_a_reversal_and_a_new_version_together(desk):
    (original,) = post(desk, INTEREST).transactions
    fixed = posting("1.10.10 13\n4.20.20 -13")
    posted = desk.ledger.correct(original.id, fixed, effective_at=OPEN_AT, idempotency_key="c1", actor="alice")
    reversal, version = posted.transactions
    assert (reversal.reverses, version.version_of, version.version_no) == (original.id, original.id, 2)
    assert desk.ledger.ledger_cash() == Money.of("100013")
    again = posting("1.10.10 14\n4.20.20 -14")
    (_, third) = desk.ledger.correct(
        version.id, again, effective_at=OPEN_AT, idempotency_key="c2", actor="alice"
    ).transactions
    assert (third.version_of, third.version_no) == (original.id, 3)


def test_a_refused_correction_leaves_the_original(desk):
    (original,) = post(desk, INTEREST).transactions
    with pytest.raises(PostingRefusedError):
        desk.ledger.correct(
            original.id, posting("1.10.10 13"), effective_at=OPEN_AT, idempotency_key="c1", actor="alice"
        )
    assert len(desk.ledger.entries(10).items) == 2


def test_reversals_that_make_no_sense_are_refused(desk):
    (original,) = post(desk, INTEREST).transactions

    def reverse(transaction_id, key, at=OPEN_AT):
        return desk.ledger.reverse(transaction_id, effective_at=at, idempotency_key=key, actor="alice")

    with pytest.raises(ReversalRefusedError, match="There is no transaction 99"):
        reverse(99, "r0")
    with pytest.raises(ReversalRefusedError, match="cannot take effect before 2013-10-04"):
        reverse(original.id, "r1", OPEN_AT - timedelta(seconds=1))
    (reversal,) = reverse(original.id, "r2").transactions
    with pytest.raises(ReversalRefusedError, match=f"was reversed by {reversal.id}"):
        reverse(original.id, "r3")
    with pytest.raises(ReversalRefusedError, match="is itself a reversal"):
        reverse(reversal.id, "r4")
    with pytest.raises(IdempotencyConflictError):
        reverse(reversal.id, "r2")
    fill = desk.fill("buy", "1", "10")
    (filled,) = [item for item in desk.ledger.entries(1).items if item.event_seq == fill.event_seq]
    with pytest.raises(ReversalRefusedError, match="is a fill"):
        reverse(filled.id, "r5", filled.effective_at)


def test_balances_stand_as_of_any_moment(desk):
    days = [OPEN_AT + timedelta(days=day) for day in range(3)]
    for day, at in enumerate(days):
        post(desk, "1.10.10 1\n4.20.20 -1", key=f"d{day}", at=at)
    post(desk, "1.10.10 100\n4.20.20 -100", key="back-dated", at=days[0] + timedelta(hours=1))

    def cash(at):
        return {balance.account: balance.value for balance in desk.ledger.balances(at)}["1.10.10"]

    assert cash(days[0]) == Money.of("100001")
    assert cash(days[0] + timedelta(hours=1)) == Money.of("100101")
    assert cash(days[1]) == Money.of("100102")
    assert cash(None) == cash(days[2]) == Money.of("100103")
    before = desk.ledger.trial_balance(OPEN_AT - timedelta(days=1))
    assert (before.lines, before.balanced) == ((), True)


def test_the_trial_balance_proves_itself(desk):
    desk.fill("sell", "3", "10", "0.10")
    trial = desk.ledger.trial_balance()
    assert trial.balanced
    assert trial.debit == trial.credit == Money.of("100030")
    assert {line.account.name for line in trial.lines} >= {"Trading float", "Strategy positions"}


def test_pages_run_from_the_newest_to_the_oldest(desk):
    for number in range(5):
        post(desk, INTEREST, key=f"k{number}")
    post(desk, "1.10.20 1\n1.10.10 -1", key="reserve")
    first = desk.ledger.entries(4)
    second = desk.ledger.entries(4, before=first.next)
    ids = [transaction.id for transaction in (*first.items, *second.items)]
    assert ids == sorted(ids, reverse=True)
    assert (len(ids), second.next) == (7, None)
    assert first.items[0].entries[0].account == "1.10.20"


def test_a_page_can_show_one_account(desk):
    for number in range(3):
        post(desk, INTEREST, key=f"k{number}")
    first = desk.ledger.entries(2, account="4.20.20")
    second = desk.ledger.entries(2, account="4.20.20", before=first.next)
    assert [len(first.items), len(second.items)] == [2, 1]
    assert second.next is None
    assert len(first.items[0].entries) == 2
    assert desk.ledger.entries(2, account="5.90.10").items == ()


def test_positions_are_read_from_entries(desk):
    desk.fill("buy", "3", "10")
    desk.fill("sell", "1.5", "10", symbol="IBM", book=Book.HOLDINGS)
    desk.fill("buy", "2", "10", symbol="BAC")
    desk.fill("sell", "2", "10", symbol="BAC")
    assert desk.ledger.ledger_positions() == {
        (Book.STRATEGY, "SPY"): Quantity.of("3"),
        (Book.HOLDINGS, "IBM"): Quantity.of("-1.5"),
    }


def test_reserves_are_cash_at_the_broker_and_cash_in_transit_is_not(desk):
    post(desk, "1.10.20 40\n1.10.10 -40", key="reserve")
    assert desk.ledger.ledger_cash() == Money.of("100000")
    post(desk, "1.10.40 40\n1.10.10 -40", key="withdrawal")
    assert desk.ledger.ledger_cash() == Money.of("99960")


def test_an_untouched_ledger_verifies(desk):
    post(desk, INTEREST)
    report = desk.ledger.verify_chain()
    assert (report.is_intact, report.events) == (True, 3)
    assert desk.ledger.recompute() == ()


@pytest.mark.parametrize(
    ("statement", "broken_at", "reason"),
    [
        ("UPDATE event SET payload = '{}' WHERE seq = 2", 2, "its payload was changed"),
        ("UPDATE event SET actor = 'bob' WHERE seq = 3", 3, "its record was changed"),
        ("DELETE FROM event WHERE seq = 2", 3, "it does not follow the event before it"),
        ("UPDATE event SET prev_hash = 'x' WHERE seq = 3", 3, "it does not follow the event before it"),
        ("UPDATE txn SET memo = 'x' WHERE event_seq = 3", 3, "its transactions or entries were changed"),
        ("UPDATE entry SET value = value * 2 WHERE txn_id = 2", 3, "its transactions or entries were changed"),
        ("DELETE FROM entry WHERE txn_id = 2", 3, "its transactions or entries were changed"),
        (
            "INSERT INTO txn SELECT 9, 9, book, effective_us, recorded_us, 9, 1, NULL, state, memo, 1 FROM txn LIMIT 1",
            None,
            "there are transactions that no event posted",
        ),
    ],
)
def test_the_chain_finds_what_was_changed_in_the_file(desk, statement, broken_at, reason):
    post(desk, INTEREST)
    tamper(desk, statement)
    report = desk.ledger.verify_chain()
    assert (report.is_intact, report.broken_at, report.reason) == (False, broken_at, reason)


def test_an_empty_chain_ends_in_the_genesis_hash(desk):
    tamper(desk, "DELETE FROM entry", "DELETE FROM txn", "DELETE FROM event")
    assert desk.ledger.verify_chain().head_hash == GENESIS_HASH


def test_recomputing_finds_a_kept_balance_that_is_wrong(desk):
    day = OPEN_AT.toordinal() - 719163
    tamper(
        desk,
        "UPDATE balance SET debit = debit + 1 WHERE account = '1.10.10'",
        "DELETE FROM balance_day WHERE account = '3.10.10'",
        "INSERT INTO balance VALUES ('5.90.10', 'USD', 1, 1, 0)",
    )
    cash = Money.of("100000").units
    assert set(desk.ledger.recompute()) == {
        KeptDifference("1.10.10", "USD", None, (cash + 1, 0, 0), (cash, 0, 0)),
        KeptDifference("3.10.10", "USD", day, None, (0, cash, 0)),
        KeptDifference("5.90.10", "USD", None, (1, 1, 0), None),
    }
