"""Mails with one-time links: the same answer for everybody, tried again until they arrive or are too late."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tbot_bot.api.permissions import Role
from tbot_bot.domain.identity import LetterStatus, TokenKind, UserChange, UserStatus
from tbot_bot.identity.errors import InvalidInputError, LinkRefusedError, TooManyAttemptsError, UnknownUserError
from tbot_bot.identity.letters import LetterError, Letters, Mail
from tests.unit.identity.conftest import HOME, PASSWORD, House
from tests.unit.identity.test_user_changes import ALICE, Office


class Post:
    """Takes mails, or refuses them while it is `closed`."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.closed = False
        self.taken: list[Mail] = []
        house = office.house
        self.letters = Letters(
            house.store, house.store.links, house.throttle, house.chain.trail, house.clock, self._take
        )

    def _take(self, mail: Mail) -> None:
        self.taken.append(mail)
        if self.closed:
            raise LetterError("mail.example.org refused the connection.")

    def ask(self, name: str, address: str = HOME) -> None:
        self.letters.ask_reset(name, address)
        self.letters.turn()

    def state(self, user_id: int = 1) -> tuple[str, int, str]:
        letter = self.office.house.store.links.last_letter(user_id)
        assert letter is not None
        return letter.status, letter.tries, letter.error


@pytest.fixture
def post(house: House) -> Post:
    return Post(Office(house))


@pytest.mark.parametrize("name", ["alice", " ALICE ", "alice@example.org", "Alice@Example.ORG"])
def test_a_link_is_mailed_to_the_account_and_changes_the_password(post: Post, name: str) -> None:
    session = post.office.enter("alice")
    post.ask(name)
    (mail,) = post.taken
    assert (mail.to, mail.name, mail.kind) == ("alice@example.org", "Alice", TokenKind.RESET)
    assert post.state() == ("sent", 1, "")
    assert post.office.status(session) == "active"  # asking alone changes nothing
    post.office.enter("alice")
    post.office.choose(mail.token, TokenKind.RESET, "nine louder cranes")
    assert post.office.status(session) == "none"
    post.office.enter("alice", "nine louder cranes")
    assert mail.token not in repr(mail)


@pytest.mark.parametrize("name", ["nobody", "nobody@example.org", "", "a b", "x" * 400, "\udcff"])
def test_nobody_gets_none_and_nobody_can_tell(post: Post, name: str) -> None:
    post.ask(name)
    assert post.taken == []
    (entry,) = post.office.house.entries("user.ask_reset")
    assert (entry.actor, entry.result, entry.address) == ("unknown", "refused", HOME)


def test_asking_does_the_same_whoever_is_named(post: Post) -> None:
    """What tells an account from none happens in the background: asking touches the count of tries alone."""
    before = post.office.house.store.seal.version
    for name in ("alice", "nobody"):
        post.letters.ask_reset(name, HOME)
    assert post.office.house.store.seal.version == before
    assert post.office.house.entries("user.ask_reset") == []
    assert post.taken == []


def test_one_who_asks_again_and_again_waits_and_floods_nobody(post: Post) -> None:
    for _ in range(5):
        post.ask("alice")
    assert len(post.taken) == 1
    with pytest.raises(TooManyAttemptsError):
        post.ask("bob")
    post.office.house.clock.move(minutes=5)
    post.ask("alice", "192.0.2.99")
    assert len(post.taken) == 2
    with pytest.raises(LinkRefusedError):
        post.office.changes.holder(TokenKind.RESET, post.taken[0].token)
    assert post.office.changes.holder(TokenKind.RESET, post.taken[1].token).username == "alice"


def test_it_is_tried_again_with_a_token_of_its_own_until_it_is_taken(post: Post) -> None:
    post.closed = True
    post.ask("alice")
    assert post.state() == ("waiting", 1, "mail.example.org refused the connection.")
    post.letters.turn()
    assert len(post.taken) == 1  # it rests first
    post.office.house.clock.move(seconds=5)
    post.letters.turn()
    post.closed = False
    post.office.house.clock.move(seconds=10)
    post.letters.turn()
    assert post.state() == ("sent", 3, "")
    assert len({mail.token for mail in post.taken}) == 3
    for dead in post.taken[:2]:
        with pytest.raises(LinkRefusedError):
            post.office.changes.holder(TokenKind.RESET, dead.token)


@pytest.mark.parametrize(("kind", "lasts"), [("reset", timedelta(minutes=30)), ("invitation", timedelta(hours=24))])
def test_a_letter_that_comes_too_late_is_given_up(post: Post, kind: str, lasts: timedelta) -> None:
    post.closed = True
    number = 1
    if kind == "reset":
        post.ask("alice")
    else:
        number = invited_by_mail(post)
        post.letters.turn()
    tries = 0
    for _ in range(int(lasts / timedelta(minutes=10))):
        assert post.state(number)[0] == LetterStatus.WAITING
        post.office.house.clock.move(minutes=10)
        post.letters.turn()
        tries = post.state(number)[1]
    assert post.state(number) == ("given_up", tries, "mail.example.org refused the connection.")
    post.office.house.clock.move(minutes=10)
    post.letters.turn()
    assert len(post.taken) == tries


def invited_by_mail(post: Post) -> int:
    effect, link = post.office.changes.prepare_invitation("Bob", "bob@example.org", Role.VIEWER, ALICE, by_mail=True)
    assert link.token is None
    made = post.office.apply(effect)
    assert made is not None
    return made.id


def test_an_invitation_by_mail_is_made_when_it_is_sent(post: Post) -> None:
    invited_by_mail(post)
    post.office.house.restart()  # it is durable, and its token is not made yet
    again = Post(Office(post.office.house))
    again.office.house.clock.move(hours=2)
    again.letters.turn()
    (mail,) = again.taken
    assert (mail.to, mail.kind, mail.at) == ("bob@example.org", TokenKind.INVITATION, again.office.house.clock.now())
    again.office.house.clock.move(hours=71)
    assert again.office.changes.holder(TokenKind.INVITATION, mail.token).username == "bob"


def test_someone_who_never_came_in_is_invited_again(post: Post) -> None:
    post.office.invite()
    post.ask("bob")
    assert [mail.kind for mail in post.taken] == [TokenKind.INVITATION]
    assert len(post.office.choose(post.taken[0].token)) == 10


def test_who_may_not_sign_in_gets_no_link(post: Post) -> None:
    bob = post.office.settle()
    post.letters.ask_reset("bob", HOME)
    post.closed = True
    post.letters.turn()
    wanted = UserChange(bob.email, bob.role, UserStatus.DISABLED)
    post.office.apply(post.office.changes.prepare_change(bob.id, bob.generation, wanted, ALICE) or {})
    post.office.house.clock.move(minutes=1)
    post.letters.turn()
    post.ask("bob")
    assert len(post.taken) == 1
    assert post.office.house.store.links.last_letter(bob.id) is None


def test_a_letter_that_was_asked_for_anew_is_not_marked_by_the_old_try(post: Post) -> None:
    post.ask("alice")
    links = post.office.house.store.links
    old = links.last_letter(1)
    assert old is not None
    post.office.house.clock.move(minutes=6)
    post.closed = True
    post.ask("alice")
    links.keep_letter(old)
    assert post.state()[0] == LetterStatus.WAITING
    assert PASSWORD not in repr(old)


def test_another_address_counts_once_mail_has_arrived_there(post: Post) -> None:
    changes, session = post.office.changes, post.office.enter("alice")
    changes.ask_email(1, " a@new.example.org ")
    post.letters.turn()
    (mail,) = post.taken
    assert (mail.to, mail.kind) == ("a@new.example.org", TokenKind.EMAIL)
    alice = post.office.house.store.user(1)
    assert alice is not None
    assert alice.email == "alice@example.org"
    effect = changes.prepare_email(mail.token, address=HOME)
    post.office.apply(effect)
    assert post.office.now(alice).email == "a@new.example.org"
    assert post.office.status(session) == "active"
    entry = post.office.house.entries("user.change")[0]
    assert ((entry.before or {})["email"], (entry.after or {})["email"]) == ("alice@example.org", "a@new.example.org")
    with pytest.raises(LinkRefusedError):
        changes.prepare_email(mail.token, address=HOME)


def test_a_link_for_an_address_is_good_for_nothing_else(post: Post) -> None:
    post.office.changes.ask_email(1, "a@new.example.org")
    post.letters.turn()
    for kind in (TokenKind.RESET, TokenKind.INVITATION):
        with pytest.raises(LinkRefusedError):
            post.office.changes.holder(kind, post.taken[0].token)
    post.office.house.clock.move(hours=1)
    with pytest.raises(LinkRefusedError):
        post.office.changes.prepare_email(post.taken[0].token, address=HOME)


@pytest.mark.parametrize("email", ["", "alice", "ALICE@example.org"])
def test_what_cannot_be_another_address(post: Post, email: str) -> None:
    with pytest.raises(InvalidInputError):
        post.office.changes.ask_email(1, email)
    with pytest.raises(UnknownUserError):
        post.office.changes.ask_email(9, "a@example.org")
