"""What an administrator does to users, and whoever holds a link: once, in any order, never the last admin."""

from __future__ import annotations

import contextlib
import json
import threading
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tbot_bot.api.permissions import Role
from tbot_bot.domain.identity import TokenKind, User, UserChange, UserStatus
from tbot_bot.identity.errors import (
    InvalidInputError,
    LastAdminError,
    LinkRefusedError,
    OwnUserError,
    UnknownEffectError,
    UnknownUserError,
    UserMovedError,
    WrongCredentialsError,
)
from tbot_bot.identity.user_changes import By, Effect, UserChanges
from tests.unit.identity.conftest import HOME, PASSWORD, House

ALICE = By("Alice", "admin", HOME, 1)
SOMEBODY = By("Somebody", "admin", HOME, 99)
NEW = "nine louder cranes"


class Office:
    """A house in which one generation follows another."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.changes = UserChanges(
            house.store, house.store.links, house.hasher, house.chain.trail, house.clock, changed=house.count
        )
        self._generations = count(2)

    def apply(self, effect: Effect, times: int = 2) -> User | None:
        """Carry an effect as a manifest does, apply it more often than once, and say what it made."""
        carried, generation = json.loads(json.dumps(effect)), next(self._generations)
        for _ in range(times):
            self.changes.apply_effect(carried, generation)
        return self.changes.made_by(carried, generation)

    def invite(self, name: str = "Bob", role: Role = Role.VIEWER) -> tuple[User, str]:
        effect, link = self.changes.prepare_invitation(name, f"{name.lower()}@example.org", role, ALICE)
        made = self.apply(effect)
        assert made is not None
        return made, link.token

    def choose(self, token: str, kind: TokenKind = TokenKind.INVITATION, password: str = PASSWORD) -> list[str]:
        effect, codes = self.changes.prepare_password(kind, token, password, password, address=HOME)
        self.apply(effect)
        return codes

    def settle(self, name: str = "Bob", role: Role = Role.VIEWER) -> User:
        made, token = self.invite(name, role)
        self.choose(token)
        return self.now(made)

    def now(self, user: User) -> User:
        found = self.house.store.user(user.id)
        assert found is not None
        return found

    def enter(self, name: str = "bob", password: str = PASSWORD) -> str:
        return self.house.enter(password, username=name).session_id

    def status(self, session: str) -> str:
        return self.house.sessions.verdict(session, touch=False).status

    def reset(self, user: User) -> str:
        effect, link = self.changes.prepare_reset(user.id, user.generation, ALICE)
        self.apply(effect)
        assert link.token not in json.dumps(effect)
        return link.token


@pytest.fixture
def office(house: House) -> Office:
    return Office(house)


def test_someone_who_is_invited_comes_in_by_the_link_alone(office: Office) -> None:
    made, token = office.invite()
    assert (made.username, made.display, made.role, made.password_hash) == ("bob", "Bob", "viewer", "")
    for password in ("", PASSWORD):
        with pytest.raises(WrongCredentialsError):
            office.enter(password=password)
    assert office.changes.holder(TokenKind.INVITATION, token) == made
    codes = office.choose(token)
    assert office.status(office.enter()) == "active"
    assert office.house.store.recovery_codes_left(made.id) == len(codes) == 10
    with pytest.raises(LinkRefusedError):
        office.changes.holder(TokenKind.INVITATION, token)
    outcome, intent = office.house.entries("user.invite")
    assert (intent.phase, outcome.actor, outcome.role, outcome.address) == ("intent", "Alice", "admin", HOME)
    assert (outcome.after, outcome.generation) == ({"email": "bob@example.org", "role": "viewer"}, 2)
    assert not any(token in repr(entry) for entry in office.house.entries("user.choose_password"))


@pytest.mark.parametrize("kind", [TokenKind.RESET, TokenKind.INVITATION])
def test_a_link_is_good_for_what_it_was_made_and_no_longer_than_that(office: Office, kind: TokenKind) -> None:
    _, token = office.invite()
    if kind is TokenKind.INVITATION:
        office.house.clock.move(hours=71, minutes=59)
        office.changes.holder(kind, token)
        office.house.clock.move(minutes=1)
    with pytest.raises(LinkRefusedError):
        office.changes.prepare_password(kind, token, PASSWORD, PASSWORD, address=HOME)


def test_a_refused_password_leaves_the_link_as_it_was(office: Office) -> None:
    _, token = office.invite()
    with pytest.raises(InvalidInputError) as refused:
        office.changes.prepare_password(TokenKind.INVITATION, token, "Bob", "bob", address=HOME)
    assert refused.value.fields.keys() == {"password", "confirm_password"}
    office.choose(token)


def test_of_two_who_use_a_link_at_once_one_gets_in(office: Office) -> None:
    _, token = office.invite()
    start, won = threading.Barrier(8), []

    def use() -> None:
        start.wait()
        with contextlib.suppress(LinkRefusedError):
            won.append(office.changes.prepare_password(TokenKind.INVITATION, token, PASSWORD, PASSWORD, address=HOME))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_names_are_taken_once_however_they_are_written(office: Office) -> None:
    office.invite()
    for name, mail, wrong in (("BOB", "b@example.org", {"username"}), ("x", "y", {"username", "email"})):
        with pytest.raises(InvalidInputError) as refused:
            office.changes.prepare_invitation(name, mail, Role.VIEWER, ALICE)
        assert refused.value.fields.keys() == wrong


def test_two_invitations_of_one_name_make_one_person(office: Office) -> None:
    first, second = (
        office.changes.prepare_invitation("Bob", f"{number}@example.org", Role.VIEWER, ALICE)[0] for number in "12"
    )
    made = office.apply(first)
    with pytest.raises(InvalidInputError):
        office.apply(second)
    assert made == office.house.store.user_named("bob")
    assert office.house.entries("user.invite")[0].result == "refused"


def test_a_change_is_recorded_before_and_after(office: Office) -> None:
    bob = office.settle()
    session = office.enter()
    wanted = UserChange(" b@example.org ", Role.VIEWER, UserStatus.ACTIVE)
    effect = office.changes.prepare_change(bob.id, bob.generation, wanted, ALICE)
    assert effect is not None
    made = office.apply(effect)
    assert made is not None
    assert made.email == "b@example.org"
    assert office.status(session) == "active"  # only the address differs
    entry = office.house.entries("user.change")[0]
    assert (entry.before, entry.after) == (
        {"email": "bob@example.org", "role": "viewer", "status": "active"},
        {"email": "b@example.org", "role": "viewer", "status": "active"},
    )
    assert office.changes.prepare_change(bob.id, made.generation, wanted, ALICE) is None
    with pytest.raises(UserMovedError):
        office.changes.prepare_change(bob.id, bob.generation, wanted, ALICE)
    with pytest.raises(InvalidInputError):
        office.changes.prepare_change(bob.id, made.generation, UserChange("x", "viewer", UserStatus.ACTIVE), ALICE)


@pytest.mark.parametrize(
    "wanted",
    [
        UserChange("bob@example.org", Role.OPERATOR, UserStatus.ACTIVE),
        UserChange("bob@example.org", Role.VIEWER, UserStatus.DISABLED),
    ],
)
def test_another_role_and_disabling_end_every_session_at_once(office: Office, wanted: UserChange) -> None:
    bob = office.settle()
    sessions = [office.enter(), office.enter()]
    told = office.house.changes
    office.apply(office.changes.prepare_change(bob.id, bob.generation, wanted, ALICE) or {})
    assert {office.status(one) for one in sessions} == {"none"}
    assert office.house.changes == told + 1
    if wanted.status is UserStatus.DISABLED:
        with pytest.raises(WrongCredentialsError):
            office.enter()
        with pytest.raises(UnknownUserError):
            office.reset(office.now(bob))


def test_a_disabled_persons_links_are_dead(office: Office) -> None:
    made, token = office.invite()
    wanted = UserChange(made.email, made.role, UserStatus.DISABLED)
    office.apply(office.changes.prepare_change(made.id, made.generation, wanted, ALICE) or {})
    with pytest.raises(LinkRefusedError):
        office.changes.holder(TokenKind.INVITATION, token)


def test_a_reset_voids_the_password_and_asks_for_another(office: Office) -> None:
    bob = office.settle()
    codes_left = office.house.store.recovery_codes_left(bob.id)
    session = office.enter()
    first = office.reset(bob)
    assert office.status(session) == "none"
    with pytest.raises(WrongCredentialsError):
        office.enter()
    second = office.reset(office.now(bob))
    with pytest.raises(LinkRefusedError):  # a newer one took its place
        office.choose(first, TokenKind.RESET)
    assert office.choose(second, TokenKind.RESET, NEW) == []
    assert office.house.store.recovery_codes_left(bob.id) == codes_left
    office.enter(password=NEW)


def test_nobody_comes_in_by_a_recovery_code_while_the_password_is_void(office: Office) -> None:
    made, token = office.invite()
    codes = office.choose(token)
    office.reset(office.now(made))
    with pytest.raises(WrongCredentialsError):
        office.house.login.log_in_with_recovery_code("bob", codes[0], address=HOME)


def test_a_new_invitation_takes_the_place_of_the_old(office: Office) -> None:
    made, first = office.invite()
    effect, link = office.changes.prepare_reset(made.id, made.generation, ALICE)
    office.apply(effect)
    assert link.kind is TokenKind.INVITATION
    with pytest.raises(LinkRefusedError):
        office.choose(first)
    assert len(office.choose(link.token)) == 10


def test_who_is_deleted_is_gone_and_the_name_is_free(office: Office) -> None:
    bob = office.settle()
    session = office.enter()
    effect = office.changes.prepare_deletion(bob.id, bob.generation, ALICE)
    assert office.apply(effect) is None
    assert office.status(session) == "none"
    assert office.house.store.user(bob.id) is None
    assert office.house.store.last_sign_in(bob.id) is None
    assert office.settle().id != bob.id
    with pytest.raises(UnknownUserError):
        office.changes.prepare_deletion(bob.id, bob.generation, ALICE)


def test_nobody_takes_away_their_own_place(office: Office) -> None:
    carol = office.settle("Carol", Role.ADMIN)
    by = By("Carol", "admin", HOME, carol.id)
    with pytest.raises(OwnUserError):
        office.changes.prepare_deletion(carol.id, carol.generation, by)
    with pytest.raises(OwnUserError):
        office.changes.prepare_reset(carol.id, carol.generation, by)
    with pytest.raises(OwnUserError):
        office.changes.prepare_change(carol.id, carol.generation, UserChange(carol.email, "viewer", carol.status), by)


def test_the_last_administrator_stays(office: Office) -> None:
    office.invite("Carol", Role.ADMIN)  # who has no password yet does not count
    alice = office.house.store.user(1)
    assert alice is not None
    with pytest.raises(LastAdminError):
        office.changes.prepare_deletion(1, alice.generation, SOMEBODY)
    with pytest.raises(LastAdminError):
        office.changes.prepare_reset(1, alice.generation, SOMEBODY)
    with pytest.raises(LastAdminError):
        office.changes.prepare_change(1, alice.generation, UserChange(alice.email, "viewer", alice.status), SOMEBODY)


def test_two_administrators_who_remove_each_other_at_once_leave_one(office: Office) -> None:
    carol, alice = office.settle("Carol", Role.ADMIN), office.house.store.user(1)
    assert alice is not None
    first = office.changes.prepare_deletion(carol.id, carol.generation, ALICE)
    second = office.changes.prepare_deletion(1, alice.generation, By("Carol", "admin", HOME, carol.id))
    assert office.apply(first) is None
    with pytest.raises(LastAdminError):
        office.apply(second)
    assert [user.username for user in office.house.store.users()] == ["alice"]
    assert office.house.entries("user.delete")[0].reason == "last_admin"


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    acts=st.lists(
        st.tuples(st.sampled_from(["delete", "reset", "viewer", "admin", "disabled"]), st.integers(0, 2)), max_size=8
    )
)
def test_whatever_is_done_someone_can_sign_in_as_administrator(office: Office, acts: list[tuple[str, int]]) -> None:
    """Effects that were prepared for another time are applied to whoever is there now."""
    for name in ("Carol", "Dora"):
        if office.house.store.user_named(name.lower()) is None:
            office.settle(name, Role.ADMIN)
    people = office.house.store.users()
    for act, which in acts:
        user = people[which % len(people)]
        effect: Effect = {"user_id": user.id, "by": SOMEBODY.recorded()}
        if act == "delete":
            effect |= {"kind": "user.delete"}
        elif act == "reset":
            link = {"hash": f"{next(HASHES):064x}", "kind": "reset", "expires_at": "2030-01-01T00:00:00Z"}
            effect |= {"kind": "user.reset", "link": link}
        else:
            status = "disabled" if act == "disabled" else "active"
            role = act if act in {"viewer", "admin"} else "admin"
            effect |= {"kind": "user.change", "email": user.email, "role": role, "status": status}
        with contextlib.suppress(LastAdminError):
            office.apply(effect)
        assert any(
            one.role == "admin" and one.status is UserStatus.ACTIVE and one.password_hash
            for one in office.house.store.users()
        )


HASHES = count(1)


def test_an_old_change_replayed_late_does_not_come_back(office: Office) -> None:
    bob = office.settle()
    old = office.changes.prepare_change(bob.id, bob.generation, UserChange("a@b.c", "viewer", bob.status), ALICE)
    assert old is not None
    office.apply({**old, "email": "new@example.org"})
    office.changes.apply_effect(old, 1)
    assert office.now(bob).email == "new@example.org"


def test_effects_that_are_not_known(office: Office) -> None:
    with pytest.raises(UnknownEffectError, match=r"user\.rename"):
        office.changes.apply_effect({"kind": "user.rename"}, 2)
