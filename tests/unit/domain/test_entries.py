from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tbot_bot.domain.canonical import canonical_json
from tbot_bot.domain.entries import (
    GENESIS_HASH,
    Balance,
    Entry,
    EventDraft,
    IdempotencyConflictError,
    Posting,
    Transaction,
    chain,
    event_hash,
    posting_errors,
    postings_digest,
    require_same_input,
)
from tbot_bot.domain.money import Money, Quantity
from tbot_bot.domain.orders import Book

AT = datetime(2013, 10, 4, 14, 0, tzinfo=UTC)
LINES = (Entry("a", Money.of("1.5")), Entry("b", Money.of("-1.5"), "SPY", Quantity.of("-2"), "X1"))
POSTING = Posting(Book.STRATEGY, AT, "memo", LINES)
DRAFT = EventDraft("journal", "web", "key", "alice", {"b": 1, "a": "ü"})
TRANSACTION = Transaction(1, 1, Book.STRATEGY, AT, AT, 1, 1, None, "memo", 1, LINES)


def test_a_sound_posting_has_no_errors():
    assert posting_errors(POSTING) == []


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ((), "A transaction needs at least one entry."),
        ((Entry("a", Money.of("1")),), "Debits and credits differ by 1; they must sum to zero."),
        (
            (*LINES, Entry("1.20.10", Money(0), "SPY", Quantity(1))),
            "Account 1.20.10 stands for open lots: fills move it, nothing else.",
        ),
        ((*LINES, Entry("a", Money(0))), "An entry needs a value or a quantity."),
    ],
)
def test_each_rule_says_what_is_wrong(entries, sentence):
    assert posting_errors(replace(POSTING, entries=entries)) == [sentence]


def test_a_reversed_entry_undoes_value_and_quantity():
    assert LINES[1].reversed() == Entry("b", Money.of("1.5"), "SPY", Quantity.of("2"), "X1")


def test_facts_carry_amounts_as_text():
    facts = canonical_json(POSTING.facts()).decode()
    assert '"value":"-1.5"' in facts
    assert '"effective_at":"2013-10-04T14:00:00Z"' in facts


def test_a_balance_is_debit_less_credit():
    assert Balance("a", "USD", Money.of("3"), Money.of("5"), Quantity(0)).value == Money.of("-2")


def test_the_hash_covers_every_field_of_the_event():
    event = chain(DRAFT, 1, GENESIS_HASH, postings_digest([TRANSACTION]), AT)
    assert event.hash == event_hash(event)
    for change in (
        {"seq": 2},
        {"kind": "x"},
        {"source": "x"},
        {"external_id": "x"},
        {"idempotency_key": "x"},
        {"actor": "x"},
        {"input_sha256": "x"},
        {"postings_sha256": "x"},
        {"prev_hash": "x"},
        {"recorded_at": AT.replace(hour=15)},
    ):
        assert event_hash(replace(event, **change)) != event.hash, change


@pytest.mark.parametrize(
    "change",
    [
        {"id": 2},
        {"book": Book.HOLDINGS},
        {"effective_at": AT.replace(hour=15)},
        {"version_of": 2},
        {"version_no": 2},
        {"reverses": 3},
        {"memo": "x"},
        {"chart_version": 2},
        {"entries": LINES[:1]},
        {"entries": (replace(LINES[0], lot="X2"), LINES[1])},
    ],
)
def test_the_digest_covers_every_field_of_the_transactions(change):
    assert postings_digest([replace(TRANSACTION, **change)]) != postings_digest([TRANSACTION])


def test_a_repeated_key_needs_the_same_input():
    event = chain(DRAFT, 1, GENESIS_HASH, postings_digest([]), AT)
    require_same_input(event, replace(DRAFT, actor="bob"))
    with pytest.raises(IdempotencyConflictError, match="posted before with other content"):
        require_same_input(event, replace(DRAFT, facts={}))
