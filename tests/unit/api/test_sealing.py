from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.public import PublicKey, SealedBox

from tbot_bot.api.sealing import LIFETIME, SealRefusal, SealRefusedError, public_key_of, seal, unseal
from tbot_bot.storage.keys import new_key

NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
KEY = new_key()
BOUND = {"request_id": "request-0001", "verb": "provision", "params": {"a": "1", "b": "2"}}
SECRET = {"SMTP_PASSWORD": "pässword"}


def sealed() -> str:
    return seal(public_key_of(KEY), **BOUND, secret=SECRET, now=NOW)


def refusal(text: str, keys: tuple[str, ...] = (KEY,), **changed: object) -> SealRefusal:
    with pytest.raises(SealRefusedError, match="Nothing was changed") as refused:
        unseal(keys, text, **{**BOUND, "now": NOW, **changed})
    return refused.value.reason


@given(secret=st.dictionaries(st.text(), st.text()), params=st.dictionaries(st.text(), st.text() | st.integers()))
@settings(deadline=None, max_examples=50)
def test_what_is_sealed_comes_out_again(secret: dict[str, str], params: dict[str, object]) -> None:
    text = seal(public_key_of(KEY), request_id="r", verb="v", params=params, secret=secret, now=NOW)
    shuffled = dict(reversed(params.items()))
    assert unseal((KEY,), text, request_id="r", verb="v", params=shuffled, now=NOW) == secret


def test_an_older_key_still_opens_and_another_does_not() -> None:
    assert unseal((new_key(), KEY), sealed(), **BOUND, now=NOW) == SECRET
    assert refusal(sealed(), keys=(new_key(),)) is SealRefusal.UNREADABLE
    assert refusal(sealed(), keys=()) is SealRefusal.UNREADABLE


@pytest.mark.parametrize(
    "changed", [{"request_id": "request-0002"}, {"verb": "rotate"}, {"params": {"a": "1"}}, {"params": {}}]
)
def test_it_belongs_to_one_request(changed: dict[str, object]) -> None:
    assert refusal(sealed(), **changed) is SealRefusal.OTHER_REQUEST


def test_it_lives_for_sixty_seconds() -> None:
    instant = timedelta(microseconds=1)
    assert unseal((KEY,), sealed(), **BOUND, now=NOW + LIFETIME) == SECRET
    assert refusal(sealed(), now=NOW + LIFETIME + instant) is SealRefusal.EXPIRED
    assert refusal(sealed(), now=NOW - instant) is SealRefusal.EXPIRED


def test_any_flipped_byte_is_refused() -> None:
    box = base64.urlsafe_b64decode(sealed())
    for position in range(0, len(box), 5):
        damaged = box[:position] + bytes([box[position] ^ 1]) + box[position + 1 :]
        assert refusal(base64.urlsafe_b64encode(damaged).decode()) is SealRefusal.UNREADABLE


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
@settings(deadline=None, max_examples=100)
def test_garbage_is_refused(text: str) -> None:
    assert refusal(text) is SealRefusal.UNREADABLE


def content(**changed: object) -> dict[str, object]:
    whole = {"request_id": "r", "verb": "v", "params_sha256": "p", "expires_us": 1, "secret": {}}
    return {**whole, **changed}


@pytest.mark.parametrize(
    "inside",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b"{}",
        json.dumps(content(more=1)).encode(),
        json.dumps(content(secret=[])).encode(),
        json.dumps(content(secret={"a": 1})).encode(),
        json.dumps(content(expires_us=True)).encode(),
        json.dumps(content(expires_us=2**62)).encode(),
        json.dumps(content(expires_us=-1)).encode(),
    ],
)
def test_anybody_can_seal_so_the_inside_is_checked(inside: bytes) -> None:
    box = SealedBox(PublicKey(base64.urlsafe_b64decode(public_key_of(KEY))))
    assert refusal(base64.urlsafe_b64encode(box.encrypt(inside)).decode()) is SealRefusal.UNREADABLE
