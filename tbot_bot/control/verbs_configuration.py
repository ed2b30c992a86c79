"""Verbs of the configuration once the bot is set up: what it is, what a change would do, the change, a test, rotation.

One change is one rotation: the same request again answers the same, a form in which nothing differs renews nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tbot_bot.api.configuration import (
    AskChange,
    AskTest,
    Category,
    CategoryView,
    Change,
    Changed,
    ChangePreview,
    ConfigurationView,
    ConnectionTest,
    FieldChange,
    RotateSecrets,
    SubmitChange,
    settings_of,
)
from tbot_bot.api.errors import ApiError
from tbot_bot.api.model import Message
from tbot_bot.api.sealing import REVIEW
from tbot_bot.api.sessions import Rotated
from tbot_bot.api.settings import Configuration, values
from tbot_bot.config.configuration_change import InvalidChangeError, Wanted, changed, differences, secrets_set
from tbot_bot.config.secret_creation import read_configuration, write_configuration
from tbot_bot.control.conductor import Conductor
from tbot_bot.control.configuration_checks import broker_choices, checked_here, replay_words
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.judge import require_reason, require_step_up
from tbot_bot.control.system_api import Caller, Handler
from tbot_bot.control.unsealer import Unsealer
from tbot_bot.domain.audit import AuditFilter, AuditPhase, AuditRecord, AuditResult
from tbot_bot.domain.time import to_rfc3339
from tbot_bot.monitoring.mail import MailError, MailServer, try_login
from tbot_bot.monitoring.routes import routes_of, try_routes
from tbot_bot.storage.manifest import Manifest, Written

CHANGE = "configuration.change"
TEST = "configuration.test"
ROTATE = "secrets.rotate"
TEST_TIMEOUT_S = 10
_TESTED = "configuration_tested_"
#: Stands for a secret that was typed, where only the fact counts: it meets the rules of every kind of secret.
_TYPED = "https://typed.invalid/"
_EMPTY = "empty"
_FOLLOWS = {
    Category.BROKER: "The market and the bot are started again with these values.",
    Category.MAIL: "The next mail is sent with these values.",
    Category.NOTIFICATIONS: "The next notice goes out with these values.",
    Category.ANCHORS: "The next checkpoint is carried there.",
}


@dataclass(frozen=True, slots=True)
class _Present:
    """One generation as it was read in one piece."""

    number: int
    manifest: Manifest
    configuration: Configuration
    contents: Mapping[str, Mapping[str, Any]]

    def written(self, category: Category) -> Written:
        """When the category was last changed; one that is not there yet is as old as the bot."""
        return self.manifest.written.get(category) or self.manifest.written[Category.IDENTITY]


class ConfigurationVerbs:
    """The handlers; `conductor` answers the bot, which is there in every state in which these are asked."""

    def __init__(self, foundation: Foundation, conductor: Callable[[], Conductor], unsealer: Unsealer) -> None:
        self._foundation = foundation
        self._conductor = conductor
        self._unsealer = unsealer
        self._changing = threading.Lock()
        self._testing = threading.Lock()

    def handlers(self) -> dict[str, Handler]:
        """The verbs answered here."""
        return {
            "configuration.view": self._view,
            "configuration.preview": self._preview,
            CHANGE: self._change,
            TEST: self._test,
            ROTATE: self._rotate,
        }

    def _view(self, _caller: Caller, _nothing: Message) -> ConfigurationView:
        present = self._present()
        manifest = present.manifest
        return ConfigurationView(
            generation=present.number,
            generation_at=manifest.created_at,
            generation_by=manifest.actor,
            generation_reason=manifest.reason,
            brokers=broker_choices(),
            items=[self._shown(category, present) for category in Category],
        )

    def _preview(self, _caller: Caller, asked: AskChange) -> ChangePreview:
        present = self._present()
        self._require_version(present, asked)
        wanted = Wanted(asked.category, asked.values, dict.fromkeys(asked.given, _TYPED), asked.cleared)
        made = self._judged(present, wanted)
        return ChangePreview(changes=differences(present.configuration, made), follows=_FOLLOWS.get(asked.category, ""))

    def _change(self, caller: Caller, asked: SubmitChange) -> Changed:
        with self._changing:
            known = self._foundation.secrets.find(caller.request_id)
            if known is not None:
                return self._again(caller, asked, known.number)
            secrets = self._opened(caller, CHANGE, asked) if asked.sealed else {}
            present = self._present()
            self._require_version(present, asked)
            made = self._judged(present, Wanted(asked.category, asked.values, secrets, asked.cleared))
            found = differences(present.configuration, made)
            if not found:
                return Changed(
                    generation=present.number, changes=[], message="Nothing differs, so nothing was renewed."
                )
            with self._standing_still(asked.category):
                number = self._commit(caller, asked.category, present, made, found)
        return _changed(asked.category, number, found)

    def _commit(
        self, caller: Caller, category: Category, present: _Present, made: Configuration, found: list[FieldChange]
    ) -> int:
        def change(contents: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
            if any(contents.get(one) != present.contents.get(one) for one in Category):
                raise self._moved(category)
            return write_configuration(contents, made)

        with self._foundation.audit.act(
            verb=CHANGE,
            actor=caller.actor,
            role=caller.verdict.role or "",
            address=caller.address,
            target=category,
            request_id=caller.request_id,
        ) as act:
            act.before = {one.name: one.before for one in found}
            committed = self._foundation.rotation.rotate(
                change,
                request_id=caller.request_id,
                reason=f"configuration changed: {', '.join(one.title for one in found)}",
                actor=caller.actor,
                target=category,
            )
            act.after = {one.name: one.after for one in found}
            act.generation = committed.number
        return committed.number

    def _again(self, caller: Caller, asked: SubmitChange, number: int) -> Changed:
        """The answer to a change that was made before; its record says what it was."""
        done = self._foundation.audit.last(verb=CHANGE, request_id=caller.request_id)
        if done is None or (done.entry.actor, done.entry.target) != (caller.actor, asked.category):
            raise ApiError.of(
                409, "request_repeated", "This request was used before", "", "Send the change under another name."
            )
        return _changed(asked.category, number, _told(asked.category, done))

    def _test(self, caller: Caller, asked: AskTest) -> ConnectionTest:
        secrets = self._opened(caller, TEST, asked) if asked.sealed else {}
        wanted = Wanted(asked.category, asked.values, secrets, asked.cleared)
        try:
            made = changed(self._present().configuration, wanted)
        except InvalidChangeError as error:
            raise _invalid(error.fields) from error
        if not self._testing.acquire(blocking=False):
            raise ApiError.of(
                409, "test_under_way", "Another test is under way", "", "Wait for its result, then test again."
            )
        try:
            ok, detail = _tried(asked.category, made, self._foundation.clock.now())
        finally:
            self._testing.release()
        result = ConnectionTest(ok=ok, detail=detail, at=to_rfc3339(self._foundation.clock.now()), by=caller.actor)
        self._foundation.audit.record(
            verb=TEST,
            phase=AuditPhase.EVENT,
            actor=caller.actor,
            role=caller.verdict.role or "",
            address=caller.address,
            target=asked.category,
            request_id=caller.request_id,
            result=AuditResult.OK if ok else AuditResult.FAILED,
            reason=detail,
        )
        self._foundation.record.set_fact(_TESTED + asked.category, result.model_dump_json())
        return result

    def _rotate(self, caller: Caller, asked: RotateSecrets) -> Rotated:
        require_reason(asked.reason)
        require_step_up(caller.verdict, self._foundation.clock.now())
        with self._foundation.audit.act(
            verb=ROTATE,
            actor=caller.actor,
            role=caller.verdict.role or "",
            address=caller.address,
            request_id=caller.request_id,
        ) as act:
            act.detail = {"reason": asked.reason}
            committed = self._foundation.rotation.rotate(
                dict, request_id=caller.request_id, reason=f"renewed by hand: {asked.reason}", actor=caller.actor
            )
            act.generation = committed.number
        return Rotated(generation=committed.number)

    # what the verbs share

    def _present(self) -> _Present:
        with self._foundation.secrets.current() as pinned:
            contents = pinned.read_all()
            return _Present(pinned.number, pinned.manifest, read_configuration(contents), contents)

    def _shown(self, category: Category, present: _Present) -> CategoryView:
        fields = settings_of(category)
        shown, secrets = values(present.configuration), secrets_set(present.configuration)
        written = present.written(category)
        tested = self._foundation.record.fact(_TESTED + category)
        return CategoryView(
            category=category,
            title=fields[0].group,
            version=written.generation,
            changed_at=written.at,
            values={field.name: shown[field.name] for field in fields if not field.secret},
            secrets={field.name: secrets[field.name] for field in fields if field.secret},
            locked=self._locked(category),
            tested=None if tested is None else ConnectionTest.model_validate_json(tested),
        )

    def _locked(self, category: Category) -> str:
        if all(field.fixed for field in settings_of(category)):
            return settings_of(category)[0].fixed
        return self._conductor().locked_because() if category is Category.BROKER else ""

    def _standing_still(self, category: Category) -> AbstractContextManager[None]:
        return self._conductor().reopening() if category is Category.BROKER else nullcontext()

    def _opened(self, caller: Caller, verb: str, asked: SubmitChange | AskTest) -> dict[str, str]:
        params = asked.model_dump(mode="json", exclude={"sealed"})
        return self._unsealer.open(caller, verb, asked.sealed or "", params, lifetime=REVIEW)

    def _judged(self, present: _Present, wanted: Wanted) -> Configuration:
        """The configuration as it would be; raises ApiError with a message for each wrong field."""
        try:
            made = changed(present.configuration, wanted)
        except InvalidChangeError as error:
            raise _invalid(error.fields) from error
        if made.SIM_REPLAY_DIR == present.configuration.SIM_REPLAY_DIR:
            return made
        made, wrong = checked_here(made, self._conductor().floor.view.seen.market_time)
        if wrong:
            raise _invalid(wrong)
        return made

    def _require_version(self, present: _Present, asked: Change) -> None:
        if asked.version != present.written(asked.category).generation:
            raise self._moved(asked.category)

    def _moved(self, category: Category) -> ApiError:
        """Somebody was first: say who, and what is different now."""
        records = self._foundation.audit.page(AuditFilter(verb=CHANGE, target=category, phase=AuditPhase.OUTCOME)).items
        done = next((one for one in records if one.entry.result == AuditResult.OK), None)
        told = _told(category, done) if done else []
        who = f"{done.entry.actor} changed it at {done.entry.at:%H:%M:%S} UTC. " if done else ""
        return ApiError.of(
            412,
            "configuration_moved",
            "Somebody else changed this meanwhile",
            f"{who}Nothing of yours was stored.",
            "Look at what stands there now, then save again what you still want.",
            fields={
                one.name: f"{one.title} was changed from {one.before or _EMPTY} to {one.after or _EMPTY}."
                for one in told
            },
        )


def _tried(category: Category, made: Configuration, now: datetime) -> tuple[bool, str]:
    """Whether what is configured can be used, and what was found."""
    if category is Category.MAIL and made.SMTP_HOST:
        password = made.SMTP_PASSWORD.get_secret_value()
        server = MailServer(made.SMTP_HOST, made.SMTP_PORT, made.SMTP_SECURITY, made.SMTP_USER, password)
        try:
            return True, try_login(server, TEST_TIMEOUT_S)
        except MailError as error:
            return False, str(error)
    if category is Category.BROKER and made.SIM_FEED == "replay":
        return replay_words(made.SIM_REPLAY_DIR)
    if category is Category.NOTIFICATIONS and (routes := routes_of(made)):
        return try_routes(routes, now)
    raise ApiError.of(
        422,
        "nothing_to_test",
        "There is nothing to test",
        "Nothing is configured here that could be tried.",
    )


def _changed(category: Category, number: int, changes: list[FieldChange]) -> Changed:
    return Changed(generation=number, changes=changes, message=f"Saved: generation {number}. {_FOLLOWS[category]}")


def _told(category: Category, record: AuditRecord) -> list[FieldChange]:
    """The changes that a record names."""
    before, after = record.entry.before or {}, record.entry.after or {}
    return [
        FieldChange(name=field.name, title=field.title, before=str(before[field.name]), after=str(after[field.name]))
        for field in settings_of(category)
        if field.name in before and field.name in after
    ]


def _invalid(fields: Mapping[str, str]) -> ApiError:
    return ApiError.of(422, "form_invalid", "Please look at the marked fields", "Nothing was changed.", fields=fields)
