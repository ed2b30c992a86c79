from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbot_bot.identity.common_passwords import is_common
from tbot_bot.identity.passwords import PasswordHasher, password_problem

HASHER = PasswordHasher(cost=4)
some = settings(deadline=None, max_examples=60)


@some
@given(
    head=st.text(alphabet="abcdé漢", min_size=72, max_size=120),
    tails=st.lists(st.text(max_size=40), min_size=2, max_size=2),
)
def test_what_follows_byte_72_counts(head: str, tails: list[str]) -> None:
    first, second = (head + tail for tail in tails)
    stored = HASHER.hash(first)
    assert HASHER.matches(first, stored)
    same = unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second)
    assert HASHER.matches(second, stored) is same


def test_the_longest_password_of_wide_characters() -> None:
    password = "🦊" * 255
    assert password_problem(password + "x", "alice", "a@example.org") is None
    stored = HASHER.hash(password + "x")
    assert HASHER.matches(password + "x", stored)
    assert not HASHER.matches(password + "y", stored)


def test_composed_and_decomposed_are_the_same() -> None:
    composed, decomposed = "caf\u00e9 au lait", "cafe\u0301 au lait"
    assert composed != decomposed
    assert HASHER.matches(decomposed, HASHER.hash(composed))
    assert HASHER.matches(composed, HASHER.hash(decomposed))


def test_hashes_name_their_scheme_and_cost() -> None:
    assert HASHER.hash("x").startswith("bcrypt-sha256-v1:$2b$04$")
    assert HASHER.hash("x") != HASHER.hash("x")
    with pytest.raises(ValueError, match="scheme"):
        HASHER.matches("x", "md5:whatever")


def test_nobody_has_no_password() -> None:
    assert not HASHER.matches("", None)
    assert not HASHER.matches("\ud800", HASHER.hash("x"))


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("seven77", "8 to 256 characters"),
        ("", "8 to 256 characters"),
        ("x" * 257, "8 to 256 characters"),
        ("alice.smith", "differ from the username"),
        ("ALICE.Smith", "differ from the username"),
        ("Alice@Example.org", "email"),
        ("password", "first that are tried"),
        ("Password123!", "first that are tried"),
        ("P@ssw0rd", "first that are tried"),
        ("dragon2026", "first that are tried"),
        ("12345678", "first that are tried"),
        ("qwertyuiop", "first that are tried"),
    ],
)
def test_refused_passwords(password: str, why: str) -> None:
    assert why in str(password_problem(password, "alice.smith", "alice@example.org"))


@pytest.mark.parametrize("password", ["herons 7", "correct horse battery", "x" * 256, "        . ", "密码密码密码密码"])
def test_accepted_passwords(password: str) -> None:
    assert password_problem(password, "alice", "alice@example.org") is None


def test_random_passwords_are_not_common() -> None:
    assert not is_common("k7#mQ2vTz!")
    assert not is_common("")
