"""The recovery desk: what the runner is while its home is damaged and was not opened.

It speaks the system API on the same socket, knows nobody, trades nothing, writes nothing but the published state and
its token, and restores from backups. Its keys live in memory. After a restore it ends, and the next start opens the
home as always.
"""

from __future__ import annotations

import base64
import os
import secrets
import threading
from collections.abc import Sequence
from types import FrameType

import structlog

from tbot_bot.api.backups import (
    AskBackup,
    AskRestore,
    Backup,
    Finding,
    RecoveryView,
    Restore,
    Restored,
    RestorePreview,
)
from tbot_bot.api.control import ControlState
from tbot_bot.api.errors import ApiError, no_setup_session
from tbot_bot.api.model import Message
from tbot_bot.api.sealing import public_key_of
from tbot_bot.api.sessions import SessionStatus, Verdict
from tbot_bot.api.setup import ExchangeToken, SetupSession, WebKeys
from tbot_bot.api.verbs import VERBS, Call, Verb
from tbot_bot.config.files import write_atomically
from tbot_bot.config.paths import Home
from tbot_bot.control.backups import open_rescue
from tbot_bot.control.exit_codes import START_AGAIN
from tbot_bot.control.foundation import Epoch
from tbot_bot.control.judge import require_reason
from tbot_bot.control.system_api import Caller, Handler, SystemApi
from tbot_bot.domain.lifecycle import State
from tbot_bot.domain.time import Clock
from tbot_bot.identity.recovery import RecoveryAccess
from tbot_bot.trading.kill_switch import KillSwitch, KillSwitchError

log = structlog.get_logger("recovery")
TICK_S = 0.1
#: What anyone is answered: what the portal needs to stand, and the way in.
_OPEN = frozenset({"web.keys", "session.verdict", "control.state", "setup.exchange"})
_ACTOR = "recovery"


class DeskJudge:
    """Lets the holder of the token in, and nobody else."""

    def __init__(self, access: RecoveryAccess) -> None:
        self._access = access

    def judge(self, call: Call, verb: Verb) -> Verdict:
        """Return the caller's verdict, or raise ApiError."""
        opened = bool(call.setup_session) and self._access.is_open(str(call.setup_session))
        verdict = Verdict(status=SessionStatus.NONE, setup=opened)
        if verb.name in _OPEN:
            return verdict
        if not verb.name.startswith("recovery."):
            raise home_damaged()
        if not opened:
            raise no_setup_session()
        return verdict


class RecoveryDesk:
    """Serves the recovery of one home; `run` returns once it was asked to stop or something was restored."""

    def __init__(self, home: Home, clock: Clock, findings: Sequence[Finding]) -> None:
        self._home = home
        self._findings = list(findings)
        self._access = RecoveryAccess(clock)
        self._epoch = Epoch(home.epoch)
        self._kill_switch = KillSwitch(home.flags)
        self._signing_key = secrets.token_urlsafe(32)
        self._sealing_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        self._stopping = threading.Event()
        self._exit_code = 0
        self._backups, self._restores = open_rescue(home, clock, self._start_again)
        handlers = dict.fromkeys(VERBS, _closed) | self._handlers()
        self._api = SystemApi(home.runner_socket, handlers, DeskJudge(self._access), frozenset({os.getuid()}))

    def run(self) -> int:
        """Serve until asked to stop (0), or until something was restored (START_AGAIN)."""
        for one in self._findings:
            log.error("the home is damaged", subject=one.subject, what=one.what, next_step=one.next_step)
        self._offer_token()
        self._publish()
        self._epoch.bump()
        self._api.prepare()
        threading.Thread(target=self._api.serve, name="system-api", daemon=True).start()
        try:
            while not self._stopping.wait(TICK_S):
                self._offer_token()
                self._publish()
        finally:
            self._home.setup_token.unlink(missing_ok=True)
            self._api.stop()
        return self._exit_code

    def stop(self, *_signal: int | FrameType | None) -> None:
        """Ask the loop to end."""
        self._stopping.set()

    def _start_again(self) -> None:
        self._exit_code = START_AGAIN
        self._stopping.set()

    def _offer_token(self) -> None:
        """See that there is a token for whoever may read the runner's own file."""
        token = self._access.issue()
        if token is not None:
            write_atomically(self._home.setup_token, f"{token}\n".encode(), mode=0o600)

    def _publish(self) -> None:
        """Say `error` to the portal, whatever else stands in the file."""
        said = f"{State.ERROR}\n".encode()
        try:
            published = self._home.bot_state.read_bytes() == said
        except FileNotFoundError:
            published = False
        if not published:
            write_atomically(self._home.bot_state, said, durable=False)

    # the verbs

    def _handlers(self) -> dict[str, Handler]:
        return {
            "web.keys": self._web_keys,
            "session.verdict": self._verdict,
            "control.state": self._state,
            "setup.exchange": self._exchange,
            "recovery.view": self._view,
            "recovery.verify": self._verify,
            "recovery.preview": self._preview,
            "recovery.restore": self._restore,
        }

    def _web_keys(self, _caller: Caller, _nothing: Message) -> WebKeys:
        return WebKeys(
            generation=None,
            signing_keys=[self._signing_key],
            sealing_public_key=public_key_of(self._sealing_key),
        )

    def _verdict(self, caller: Caller, _asked: Message) -> Verdict:
        return caller.verdict

    def _state(self, caller: Caller, _nothing: Message) -> ControlState:
        try:
            triggered = self._kill_switch.triggered()
        except KillSwitchError:
            triggered = True  # in doubt nothing trades, which is so here anyway
        return ControlState(
            state=State.ERROR,
            paused=False,
            kill_armed=self._kill_switch.is_armed(),
            kill_triggered=triggered,
            acts=[],
            closing=None,
            error=None,
            last_good_state=None,
            findings=self._findings if caller.verdict.setup else [],
            recovery=True,
        )

    def _exchange(self, caller: Caller, asked: ExchangeToken) -> SetupSession:
        session = self._access.exchange(asked.token, caller.address)
        self._home.setup_token.unlink(missing_ok=True)
        log.warning("the recovery was opened", address=caller.address)
        self._epoch.bump()
        return SetupSession(setup_session=session)

    def _view(self, _caller: Caller, _nothing: Message) -> RecoveryView:
        return RecoveryView(findings=self._findings, backups=self._backups.list())

    def _verify(self, _caller: Caller, asked: AskBackup) -> Backup:
        return self._backups.verify(asked.id)

    def _preview(self, _caller: Caller, asked: AskRestore) -> RestorePreview:
        return self._restores.preview(asked)

    def _restore(self, caller: Caller, asked: Restore) -> Restored:
        require_reason(asked.reason)
        log.warning("a restore was asked for", backup=asked.id, parts=[*asked.parts], address=caller.address)
        return self._restores.restore(asked, actor=_ACTOR, request_id=caller.request_id)


def closed_desk() -> dict[str, Handler]:
    """The desk's verbs where the home was opened: there is nothing to recover."""
    return {name: _not_needed for name in VERBS if name.startswith("recovery.")}


def home_damaged() -> ApiError:
    """Nothing but the recovery is served."""
    return ApiError.of(
        503,
        "home_damaged",
        "The home of this bot is damaged and was not opened",
        "Nothing is served from it and nobody can sign in. Protective orders stand at the broker.",
        "Open the recovery with the token from control/setup_token.",
    )


def _closed(_caller: Caller, _asked: Message) -> Message:
    raise home_damaged()


def _not_needed(_caller: Caller, _asked: Message) -> Message:
    raise ApiError.of(
        409,
        "home_in_order",
        "There is nothing to recover",
        "The home was opened as always.",
        "Sign in as an administrator; backups have their own page.",
    )
