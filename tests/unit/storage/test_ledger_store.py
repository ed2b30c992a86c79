"""The database refuses what the ledger must never hold, whoever asks."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tbot_bot.domain.accounts import FUNCTIONAL_CURRENCY, Account, Chart
from tbot_bot.domain.entries import Draft, Entry, EventDraft, LedgerCorruptError, PostingRefusedError
from tbot_bot.domain.money import UNITS_MAX, Money
from tbot_bot.storage.ledger_database import LedgerDatabase
from tests.ledger_books import OPEN_AT, WALL, books, posting

DRAFT_TXN = """
    INSERT INTO txn SELECT 9, event_seq, book, effective_us, recorded_us, 9, 1, NULL, 'draft', memo, chart_version
    FROM txn WHERE id = 1
"""
BALANCED_TXN = [
    DRAFT_TXN,
    "INSERT INTO entry VALUES (9, 0, '1.10.10', 1, 'USD', 0, NULL)",
    "INSERT INTO entry VALUES (9, 1, '3.10.10', -1, 'USD', 0, NULL)",
]
SECOND_EVENT = """
    {verb} INTO event SELECT 3, kind, source, external_id, {key}, input_sha256, payload, postings_sha256, {previous},
                             hash, actor, recorded_us
    FROM event WHERE seq = 2
"""


def execute(desk, statements):
    with desk.database.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.fixture
def desk(tmp_path):
    with books(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (["UPDATE event SET actor = 'x'"], "events never change"),
        (["DELETE FROM event"], "events are never deleted"),
        (["INSERT OR REPLACE INTO event SELECT * FROM event WHERE seq = 2"], "continues the chain"),
        (
            [SECOND_EVENT.format(verb="INSERT OR REPLACE", key="idempotency_key", previous="hash")],
            "continues the chain",
        ),
        (
            [SECOND_EVENT.format(verb="INSERT", key="'new'", previous="prev_hash")],
            "continues the chain",
        ),
        (["UPDATE txn SET memo = 'x'"], "never changes"),
        (["UPDATE txn SET state = 'draft'"], "never changes"),
        (["DELETE FROM txn"], "never deleted"),
        (["INSERT OR REPLACE INTO txn SELECT * FROM txn WHERE id = 1"], "begins as a draft"),
        ([DRAFT_TXN.replace("9, event", "1, event")], "begins as a draft"),
        ([DRAFT_TXN.replace("'draft'", "'posted'")], "begins as a draft"),
        ([DRAFT_TXN.replace("us, 9, 1, NULL", "us, 1, 1, NULL")], "replaced once"),
        ([DRAFT_TXN, "UPDATE txn SET memo = 'x' WHERE id = 9"], "never changes"),
        ([*BALANCED_TXN, "UPDATE txn SET state = 'posted', memo = 'x' WHERE id = 9"], "never changes"),
        ([DRAFT_TXN, "UPDATE txn SET state = 'posted' WHERE id = 9"], "debits and credits differ"),
        (
            [
                DRAFT_TXN,
                "INSERT INTO entry VALUES (9, 0, '1.10.10', 1, 'USD', 0, NULL)",
                "UPDATE txn SET state = 'posted' WHERE id = 9",
            ],
            "debits and credits differ",
        ),
        (["UPDATE entry SET value = 0"], "entries never change"),
        (["DELETE FROM entry"], "entries are never deleted"),
        (["INSERT INTO entry VALUES (1, 9, '1.10.10', 1, 'USD', 0, NULL)"], "needs a draft transaction"),
        ([DRAFT_TXN, "INSERT INTO entry VALUES (9, 0, '1.10', 1, 'USD', 0, NULL)"], "without others below it"),
        ([DRAFT_TXN, "INSERT INTO entry VALUES (9, 0, '1.77', 1, 'USD', 0, NULL)"], "FOREIGN KEY"),
        ([DRAFT_TXN, "INSERT INTO entry VALUES (9, 0, '1.10.10', 0, 'USD', 0, NULL)"], "CHECK"),
        ([DRAFT_TXN, "INSERT INTO entry VALUES (9, 0, '1.10.10', 1.5, 'USD', 0, NULL)"], "cannot store REAL"),
        (
            [
                DRAFT_TXN,
                "INSERT INTO entry VALUES (9, 0, '1.10.10', 1, 'USD', 0, NULL)",
                "INSERT OR REPLACE INTO entry VALUES (9, 0, '1.10.10', 2, 'USD', 0, NULL)",
            ],
            "needs a draft transaction",
        ),
        (["INSERT INTO account VALUES ('1.10.10.10', '1.10.10', 'asset', 'x', 0)"], "no parent that has entries"),
        (["INSERT INTO account VALUES ('1.10.70', '1.10', 'income', 'x', 0)"], "the type of its parent"),
        (["UPDATE account SET at_broker = 0"], "renamed, nothing else"),
        (["DELETE FROM account WHERE code = '1.10.10'"], "with entries stays"),
    ],
)
def test_the_database_refuses(desk, statements, message):
    with pytest.raises(IntegrityError, match=message):
        execute(desk, statements)
    assert desk.ledger.verify_chain().is_intact
    assert desk.ledger.recompute() == ()


def test_an_account_may_be_renamed(desk):
    execute(desk, ["UPDATE account SET name = 'Float' WHERE code = '1.10.10'"])
    assert desk.ledger.trial_balance().lines[0].account.name == "Float"


@pytest.mark.parametrize("text", ["1.10.10 1", ""])
def test_the_store_refuses_what_the_service_let_through(desk, text):
    draft = EventDraft("journal", "web", "k", "alice", {})
    with pytest.raises(PostingRefusedError, match="debits and credits differ"), desk.database.transaction() as unit:
        unit.ledger.post(draft, [Draft(posting(text))], WALL)
    assert desk.ledger.verify_chain().events == 2


def test_before_1970_nothing_takes_effect(desk):
    old = posting("1.10.10 1\n4.20.20 -1", at=datetime(1969, 12, 31, tzinfo=UTC))
    with pytest.raises(PostingRefusedError, match="effective_us"):
        desk.ledger.post(old, kind="journal", source="web", idempotency_key="k", actor="alice")


def test_a_balance_that_would_overflow_is_refused(tmp_path):
    with books(tmp_path, opening=None) as desk:
        desk.ledger.post_opening_balance(Money(UNITS_MAX), OPEN_AT, "SIM")
        with pytest.raises(PostingRefusedError, match="cannot store REAL"):
            desk.ledger.post_opening_balance(Money(UNITS_MAX), OPEN_AT, "SIM2")
        assert desk.ledger.ledger_cash() == Money(UNITS_MAX)


def test_an_event_may_post_nothing(desk):
    with desk.database.transaction() as unit:
        posted = unit.ledger.post(EventDraft("note", "web", "k", "alice", {"text": "x"}), (), WALL)
    assert (posted.event.seq, posted.transactions) == (3, ())
    assert desk.ledger.verify_chain().events == 3


def test_a_transaction_without_a_chart_is_refused(tmp_path):
    database = LedgerDatabase.open(tmp_path / "EMPTY.db")
    with pytest.raises(PostingRefusedError, match="no chart"), database.transaction() as unit:
        unit.ledger.post(EventDraft("x", "x", "k", "x", {}), [Draft(posting("1.10.10 1"))], WALL)
    database.close()


def test_a_chart_event_without_its_accounts_is_corrupt(tmp_path):
    database = LedgerDatabase.open(tmp_path / "EMPTY.db")
    chart = Chart(1, FUNCTIONAL_CURRENCY, "RIGD", "US", WALL, WALL, (Account("1", "Assets"),))
    draft = EventDraft("chart", "provisioning", "chart:1", "system", {})
    with database.transaction() as unit:
        unit.ledger.post(draft, (), WALL)
    with pytest.raises(LedgerCorruptError, match="restore the ledger"), database.transaction() as unit:
        unit.ledger.add_chart(draft, chart)
    database.close()


def test_a_failed_transaction_leaves_nothing(desk):
    def fail_after_posting():
        with desk.database.transaction() as unit:
            draft = EventDraft("journal", "web", "k", "alice", {})
            unit.ledger.post(draft, [Draft(posting("1.10.10 1\n4.20.20 -1"))], WALL)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_posting()
    assert desk.ledger.verify_chain().events == 2
    assert desk.ledger.ledger_cash() == Money.of("100000")


def test_a_snapshot_sees_one_moment(desk):
    with desk.database.snapshot() as unit:
        before = unit.ledger.balances(None)
        desk.ledger.post_opening_balance(Money.of("1"), OPEN_AT, "SIM2")
        assert unit.ledger.balances(None) == before
    assert desk.ledger.ledger_cash() == Money.of("100001")


def test_entries_of_the_functional_currency_carry_no_quantity(desk):
    assert desk.ledger.entries(1).items[0].entries[0] == Entry("1.10.10", Money.of("100000"))
