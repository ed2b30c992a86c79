"""A runner at the edge: the real system API on a real socket, with answers made here."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from tbot_bot.api import configuration, control, sessions, setup, status
from tbot_bot.api.errors import ApiError, not_allowed, not_signed_in
from tbot_bot.api.model import Message, Nothing
from tbot_bot.api.permissions import ROLE_PERMISSIONS, Permission, Role
from tbot_bot.api.sealing import LIFETIME, REVIEW, public_key_of, unseal
from tbot_bot.api.sessions import SessionStatus, Verdict
from tbot_bot.api.settings import Configuration, values
from tbot_bot.api.verbs import VERBS, Call, Verb
from tbot_bot.control.system_api import Caller, SystemApi
from tbot_bot.domain.time import to_rfc3339

#: The HTTP client leaves a socket that could not connect to the garbage collector.
RUNNER_GONE = pytest.mark.filterwarnings(r"ignore:unclosed <socket.socket fd=\d+, family=1:ResourceWarning")
SEALING_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
PASSWORD = "correct horse"
TOKEN = "the-setup-token"
SETUP_SESSION = "setup-session-0"
CODES = ["aaaa-bbbb", "cccc-dddd"]


class MovingClock:
    """A clock that the test moves."""

    def __init__(self, start: datetime) -> None:
        self.moment = start

    def now(self) -> datetime:
        return self.moment

    def move(self, by: timedelta) -> None:
        self.moment += by


class CannedRunner:
    """Publishes a state and epoch in `root/control` and answers verbs; counts what it was asked."""

    def __init__(self, root: Path, clock: Any) -> None:
        self.root = root
        self.clock = clock
        self.asked: Counter[str] = Counter()
        self.touches = 0
        self.calls: list[tuple[str, Caller, Message]] = []
        self.roles: dict[str, Role] = {}
        self.generation = 1
        self.steps = [setup.Step(name="keys", title="Keys and secrets", status=setup.StepStatus.RUNNING)]
        self.failed = False
        self.special: dict[str, Any] = {}
        self.saved = False
        self.secret: dict[str, str] = {}
        self.at_the_desk = False  # the home could not be opened
        self._epoch = 0
        (root / "control" / "flags").mkdir(parents=True, exist_ok=True)
        self._api: SystemApi | None = None
        self._thread: threading.Thread | None = None

    # what the runner publishes
    def publish(self, state: str) -> None:
        self._replace("bot_state.txt", state)
        self.bump()

    def bump(self) -> None:
        self._epoch += 1
        self._replace("epoch", str(self._epoch))

    def _replace(self, name: str, text: str) -> None:
        new = self.root / "control" / f".{name}.new"
        new.write_text(text)
        new.replace(self.root / "control" / name)

    def sign_in(self, role: Role = Role.ADMIN) -> str:
        session = f"session-{len(self.roles)}-{role}"
        self.roles[session] = role
        return session

    # its life
    def start(self) -> None:
        handlers = {name: self._handler(name) for name in VERBS}
        self._api = SystemApi(self.root / "control" / "runner.sock", handlers, self, frozenset({os.getuid()}))
        self._api._server.expiration_interval = 0.02  # how soon it notices that it is to stop
        self._api.prepare()
        self._thread = threading.Thread(target=self._api.serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._api is not None and self._thread is not None:
            self._api.stop()
            self._thread.join(5)
            self._api = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    # its answers
    def judge(self, call: Call, verb: Verb) -> Verdict:
        verdict = self._verdict(call)
        if verb.permission is Permission.PUBLIC or (self.at_the_desk and verb.name == "control.state"):
            return verdict
        if verb.permission is Permission.SETUP or self.at_the_desk:
            if not verdict.setup:
                raise not_signed_in()
        elif verdict.status is not SessionStatus.ACTIVE:
            raise not_signed_in()
        elif verb.permission not in verdict.permissions:
            raise not_allowed(verb.permission)
        return verdict

    def _verdict(self, call: Call) -> Verdict:
        setup_open = call.setup_session == SETUP_SESSION
        role = self.roles.get(call.session or "")
        if role is None:
            return Verdict(status=SessionStatus.NONE, setup=setup_open)
        return Verdict(
            status=SessionStatus.ACTIVE,
            user_id=1,
            username="ada",
            role=role,
            permissions=ROLE_PERMISSIONS[role],
            expires_at=to_rfc3339(self.clock.now() + timedelta(minutes=30)),
            absolute_expires_at=to_rfc3339(self.clock.now() + timedelta(hours=12)),
            setup=setup_open,
        )

    def unseal(self, verb: str, caller: Caller, params: Any, lifetime: timedelta = LIFETIME) -> dict[str, str]:
        return unseal(
            [SEALING_KEY],
            params.sealed,
            request_id=caller.request_id,
            verb=verb,
            params=params.model_dump(mode="json", exclude={"sealed"}),
            now=self.clock.now(),
            lifetime=lifetime,
        )

    def _handler(self, name: str) -> Any:
        def answer(caller: Caller, params: Message) -> Message:
            self.asked[name] += 1
            self.calls.append((name, caller, params))
            special = self.special.get(name)
            if isinstance(special, ApiError):
                raise special
            own = special or getattr(self, "_" + name.replace(".", "_"), None)
            if own is None:
                raise ApiError.of(501, "not_canned", f"{name} has no answer here")
            answered: Message = own(caller, params)
            return answered

        return answer

    def _web_keys(self, _caller: Caller, _params: Message) -> Message:
        keys = [f"signing-key-of-generation-{number}" for number in (self.generation, self.generation - 1)]
        return setup.WebKeys(
            generation=self.generation, signing_keys=keys, sealing_public_key=public_key_of(SEALING_KEY)
        )

    def _session_verdict(self, caller: Caller, params: sessions.AskVerdict) -> Message:
        self.touches += params.touch
        return caller.verdict

    def _session_log_in(self, caller: Caller, params: sessions.LogIn) -> Message:
        secret = self.unseal("session.log_in", caller, params)
        if params.username != "ada" or secret not in ({"password": PASSWORD}, {"recovery_code": CODES[0]}):
            raise ApiError.of(401, "bad_credentials", "Username or password is wrong", "", "Try again.")
        return sessions.LoggedIn(session=self.sign_in(), username="ada", role=Role.ADMIN)

    def _session_log_out(self, caller: Caller, _params: Message) -> Message:
        self.roles.pop(caller.session or "", None)
        self.bump()
        return Nothing()

    def _session_list(self, _caller: Caller, _params: Message) -> Message:
        at = to_rfc3339(self.clock.now())
        rows = [
            sessions.OwnSession(
                handle=f"h{number}",
                device=device,
                address="127.0.0.1",
                created_at=at,
                last_seen_at=at,
                current=number == 0,
            )
            for number, device in enumerate(("Firefox on Linux", "Chromium on Android"))
        ]
        return sessions.OwnSessions(items=rows)

    def _session_end(self, _caller: Caller, _params: Message) -> Message:
        return Nothing()

    def _account_view(self, _caller: Caller, _params: Message) -> Message:
        at = to_rfc3339(self.clock.now())
        return sessions.Account(
            username="ada",
            email="ada@example.org",
            role=Role.ADMIN,
            created_at=at,
            password_changed_at=at,
            recovery_codes_left=10,
            second_factor_since=None,
        )

    def _account_change_password(self, caller: Caller, params: sessions.ChangePassword) -> Message:
        if self.unseal("account.change_password", caller, params)["current"] != PASSWORD:
            raise ApiError.of(
                400, "bad_password", "That is not your password", fields={"current": "This is not your password."}
            )
        self.generation += 1
        self.bump()
        return sessions.Rotated(generation=self.generation)

    def _setup_exchange(self, _caller: Caller, params: setup.ExchangeToken) -> Message:
        if params.token != TOKEN:
            raise ApiError.of(401, "bad_setup_token", "That is not the setup token", "", "Look it up and try again.")
        return setup.SetupSession(setup_session=SETUP_SESSION)

    def _configuration_form(self, _caller: Caller, _params: Message) -> Message:
        brokers = [setup.BrokerChoice(code="SIM", name="Simulated market", simulated=True)]
        return setup.ConfigurationForm(
            brokers=brokers,
            values={"BOT_ID": "007"},
            saved=self.saved,
            editable=not self.saved,
            generation=self.generation,
        )

    def _configuration_view(self, _caller: Caller, _params: Message) -> Message:
        return configuration_view(self.generation)

    def _configuration_preview(self, _caller: Caller, params: configuration.AskChange) -> Message:
        stood = configuration_view(1).items
        values = next(item.values for item in stood if item.category == params.category)
        changes = [
            configuration.FieldChange(name=name, title=name.title(), before=values[name], after=value)
            for name, value in params.values.items()
            if values[name] != value
        ]
        changes += [
            configuration.FieldChange(name=name, title=name.title(), before="set", after="changed")
            for name in params.given
        ]
        return configuration.ChangePreview(changes=changes, follows="Something follows.")

    def _configuration_change(self, caller: Caller, params: configuration.SubmitChange) -> Message:
        self.secret = self.unseal("configuration.change", caller, params, lifetime=REVIEW)
        self.generation += 1
        line = configuration.FieldChange(name="SMTP_HOST", title="Mail server", before="a", after="b")
        return configuration.Changed(
            generation=self.generation, changes=[line], message=f"Saved: generation {self.generation}."
        )

    def _configuration_test(self, caller: Caller, params: configuration.AskTest) -> Message:
        self.secret = self.unseal("configuration.test", caller, params)
        return configuration.ConnectionTest(ok=True, detail="It answered.", at=to_rfc3339(self.clock.now()), by="ada")

    def _secrets_rotate(self, _caller: Caller, params: configuration.RotateSecrets) -> Message:
        if not params.reason:
            raise ApiError.of(422, "reason_missing", "A reason is needed", fields={"reason": "Say why."})
        self.generation += 1
        return sessions.Rotated(generation=self.generation)

    def _session_step_up(self, caller: Caller, params: sessions.StepUp) -> Message:
        if self.unseal("session.step_up", caller, params)["password"] != PASSWORD:
            raise ApiError.of(409, "wrong_password", "The password is not right")
        self.roles[f"{caller.session}+"] = self.roles[caller.session or ""]
        return sessions.SteppedUp(session=f"{caller.session}+", until=to_rfc3339(self.clock.now()))

    def _configuration_submit(self, caller: Caller, params: setup.SubmitConfiguration) -> Message:
        if params.sealed is not None:
            self.unseal("configuration.submit", caller, params)
        self.saved = True
        return setup.Submitted(request_id=caller.request_id, generation=2)

    def _provision_progress(self, _caller: Caller, _params: Message) -> Message:
        return setup.Progress(state="provisioning", steps=self.steps, failed=self.failed, done=False)

    def _provision_retry(self, caller: Caller, params: Message) -> Message:
        self.failed = False
        return self._provision_progress(caller, params)

    def _register_first_admin(self, caller: Caller, params: setup.RegisterAdmin) -> Message:
        self.unseal("register.first_admin", caller, params)
        if params.username == "root":
            raise ApiError.of(400, "bad_input", "Refused", fields={"username": "root is not allowed."})
        return setup.Registered(username=params.username, recovery_codes=CODES, generation=3)

    def _metrics_text(self, _caller: Caller, _params: Message) -> Message:
        return status.MetricsText(text="tbot_up 1\n")

    def _control_state(self, _caller: Caller, _params: Message) -> Message:
        return control.ControlState(
            recovery=self.at_the_desk,
            state="idle",
            paused=False,
            kill_armed=True,
            kill_triggered=False,
            acts=[control.Act.RESET],
            closing=None,
            error="The disk is full.",
            last_good_state="idle",
        )


def configuration_view(generation: int, locked: str = "") -> configuration.ConfigurationView:
    """The defaults, a mail password, and a market that cannot be changed if `locked`."""
    at, shown = "2026-11-22T07:00:00Z", values(Configuration())
    return configuration.ConfigurationView(
        generation=generation,
        generation_at=at,
        generation_by="ada",
        generation_reason="configuration saved",
        brokers=[setup.BrokerChoice(code="SIM", name="Simulated market", simulated=True)],
        items=[
            configuration.CategoryView(
                category=category,
                title=configuration.settings_of(category)[0].group,
                version=1,
                changed_at=at,
                values={one.name: shown[one.name] for one in configuration.settings_of(category) if not one.secret},
                secrets={one.name: True for one in configuration.settings_of(category) if one.secret},
                locked=locked if category is configuration.Category.BROKER else "",
                tested=None,
            )
            for category in configuration.Category
        ],
    )


def steps_of(statuses: Mapping[str, str]) -> list[setup.Step]:
    """Steps by name with their status."""
    return [
        setup.Step(name=name, title=name.title(), status=setup.StepStatus(what), seconds=1.5)
        for name, what in statuses.items()
    ]
