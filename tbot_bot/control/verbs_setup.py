"""Verbs of the first run: keys for the portal, setup token, configuration, progress, first administrator."""

from __future__ import annotations

from tbot_bot.api.errors import ApiError
from tbot_bot.api.model import Message, Nothing
from tbot_bot.api.settings import Configuration, validate, values
from tbot_bot.api.setup import (
    ConfigurationForm,
    ExchangeToken,
    Progress,
    RegisterAdmin,
    Registered,
    SetupSession,
    SubmitConfiguration,
    Submitted,
    WebKeys,
)
from tbot_bot.api.trading_settings import TradingSettings
from tbot_bot.config.secret_creation import create_secrets
from tbot_bot.control.configuration_checks import broker_choices, checked_here
from tbot_bot.control.foundation import Foundation
from tbot_bot.control.lifecycle import Lifecycle
from tbot_bot.control.provisioning import Provisioning
from tbot_bot.control.requests import Requests
from tbot_bot.control.system_api import Caller, Handler
from tbot_bot.control.unsealer import Unsealer
from tbot_bot.domain.lifecycle import State
from tbot_bot.identity.errors import AdminExistsError

FORM_INVALID = "form_invalid"


class SetupVerbs:
    """The handlers."""

    def __init__(
        self,
        foundation: Foundation,
        lifecycle: Lifecycle,
        provisioning: Provisioning,
        unsealer: Unsealer,
        requests: Requests,
    ) -> None:
        self._foundation = foundation
        self._lifecycle = lifecycle
        self._provisioning = provisioning
        self._unsealer = unsealer
        self._requests = requests

    def handlers(self) -> dict[str, Handler]:
        """The verbs answered here."""
        return {
            "web.keys": self._web_keys,
            "setup.exchange": self._exchange,
            "configuration.form": self._form,
            "configuration.submit": self._submit,
            "provision.progress": self._progress,
            "provision.retry": self._retry,
            "register.first_admin": self._register,
        }

    def _web_keys(self, _caller: Caller, _nothing: Message) -> WebKeys:
        with self._foundation.secrets.current() as pinned:
            return WebKeys(
                generation=pinned.number,
                signing_keys=list(pinned.signing_keys()),
                sealing_public_key=pinned.sealing_public_key(),
            )

    def _exchange(self, caller: Caller, asked: ExchangeToken) -> SetupSession:
        return SetupSession(setup_session=self._foundation.setup_tokens.exchange(asked.token, caller.address))

    def _form(self, _caller: Caller, _nothing: Message) -> ConfigurationForm:
        saved = self._foundation.is_configured()
        return ConfigurationForm(
            brokers=broker_choices(),
            values=values(self._foundation.configuration()) if saved else {},
            saved=saved,
            editable=self._lifecycle.state is State.INITIALIZE,
            generation=self._foundation.generation,
        )

    def _submit(self, caller: Caller, asked: SubmitConfiguration) -> Submitted:
        secret: dict[str, str] = {}
        if asked.sealed:
            secret = self._unsealer.open(caller, "configuration.submit", asked.sealed, {"values": asked.values})
        chosen, wrong = validate(Configuration, {**asked.values, **secret})
        if chosen is not None:
            chosen, wrong = checked_here(chosen)
        if chosen is None or wrong:
            raise ApiError.of(422, FORM_INVALID, "Please look at the marked fields", fields=wrong)
        categories = create_secrets(chosen, TradingSettings())
        committed = self._foundation.rotation.rotate(
            lambda _present: categories,
            request_id=caller.request_id,
            reason="configuration saved",
            actor=caller.actor,
            target=str(chosen.identity),
        )
        now = self._foundation.clock.now()
        request_id = self._requests.issue("provision", caller.actor, now)
        return Submitted(request_id=request_id, generation=committed.number)

    def _progress(self, _caller: Caller, _nothing: Nothing) -> Progress:
        return self._provisioning.progress()

    def _retry(self, caller: Caller, _nothing: Nothing) -> Progress:
        with self._foundation.audit.act(verb="provision.retry", actor=caller.actor, address=caller.address):
            self._provisioning.retry()
        return self._provisioning.progress()

    def _register(self, caller: Caller, asked: RegisterAdmin) -> Registered:
        params = {"username": asked.username, "email": asked.email}
        secret = self._unsealer.open(caller, "register.first_admin", asked.sealed, params)
        effect, codes = self._foundation.users.prepare_first_admin(
            asked.username, asked.email, secret.get("password", ""), secret.get("confirm_password")
        )
        committed = self._foundation.rotation.rotate(
            dict,
            request_id=caller.request_id,
            reason="first administrator",
            actor=caller.actor,
            target=asked.username,
            after_effects=[effect],
        )
        if self._foundation.users.created_by(effect) is None:
            raise AdminExistsError
        self._lifecycle.move(State.STOPPED, "first administrator registered", asked.username)
        self._foundation.offer_setup_token()  # there is an administrator now: the token's file goes
        return Registered(username=asked.username, recovery_codes=codes, generation=committed.number)
