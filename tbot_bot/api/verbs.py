"""The verbs of the system API: one line each. Requests go to `POST /v1/<name>` on the runner's socket.

Each names its permission and the states in which it exists; the runner judges both again from the caller's session,
whatever the portal says. A verb that `changes` something carries a request id and is done once for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from tbot_bot.api import (
    audit,
    backups,
    configuration,
    control,
    journal,
    logs,
    notifications,
    orders,
    sessions,
    setup,
    status,
    trades,
    users,
)
from tbot_bot.api.model import Message, Nothing
from tbot_bot.api.permissions import Permission
from tbot_bot.domain.lifecycle import CLOSING, PHASES, Phase, State

ANY = frozenset(State)
_MAIN = frozenset(state for state in State if PHASES[state] is Phase.MAIN)
_LIVE = _MAIN | CLOSING
_SET_UP = frozenset(state for state in State if PHASES[state] is Phase.CONFIGURATION)
_ERROR = frozenset({State.ERROR})
_RESTORABLE = frozenset({State.STOPPED, State.ERROR})
_REGISTERED = _LIVE | frozenset(state for state in State if PHASES[state] is Phase.ERROR)

BODY_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing the runner can be asked."""

    name: str
    permission: Permission
    states: frozenset[State]
    request: type[Message]
    answer: type[Message]
    changes: bool = False


class Call(Message):
    """The envelope of every request: who asks, from where, and what."""

    session: str | None = Field(default=None, max_length=200)
    setup_session: str | None = Field(default=None, max_length=200)
    address: str = Field(default="", max_length=64)
    request_id: str | None = Field(default=None, max_length=64)
    params: dict[str, object] = Field(default_factory=dict)


_TABLE = (
    # the portal itself
    Verb("web.keys", Permission.PUBLIC, ANY, Nothing, setup.WebKeys),
    # first run
    Verb(
        "setup.exchange",
        Permission.PUBLIC,
        _SET_UP | {State.REGISTRATION, State.ERROR},
        setup.ExchangeToken,
        setup.SetupSession,
        True,
    ),
    Verb("configuration.form", Permission.SETUP, _SET_UP | {State.REGISTRATION}, Nothing, setup.ConfigurationForm),
    Verb(
        "configuration.submit",
        Permission.SETUP,
        frozenset({State.INITIALIZE}),
        setup.SubmitConfiguration,
        setup.Submitted,
        True,
    ),
    Verb("provision.progress", Permission.SETUP, ANY, Nothing, setup.Progress),
    Verb("provision.retry", Permission.SETUP, _SET_UP | _ERROR, Nothing, setup.Progress, True),
    Verb(
        "register.first_admin",
        Permission.SETUP,
        frozenset({State.REGISTRATION}),
        setup.RegisterAdmin,
        setup.Registered,
        True,
    ),
    # sessions and account
    Verb("session.log_in", Permission.PUBLIC, _REGISTERED, sessions.LogIn, sessions.LoggedIn, True),
    Verb("session.give_code", Permission.PUBLIC, _REGISTERED, sessions.GiveCode, sessions.LoggedIn, True),
    Verb("session.lock", Permission.ACCOUNT_SELF, _REGISTERED, Nothing, Nothing, True),
    Verb("session.unlock", Permission.PUBLIC, _REGISTERED, sessions.StepUp, sessions.SteppedUp, True),
    Verb("session.verdict", Permission.PUBLIC, ANY, sessions.AskVerdict, sessions.Verdict),
    Verb("session.log_out", Permission.PUBLIC, _REGISTERED, Nothing, Nothing, True),
    Verb("session.list", Permission.ACCOUNT_SELF, _LIVE, Nothing, sessions.OwnSessions),
    Verb("session.end", Permission.ACCOUNT_SELF, _LIVE, sessions.EndSession, Nothing, True),
    Verb("session.step_up", Permission.ACCOUNT_SELF, _REGISTERED, sessions.StepUp, sessions.SteppedUp, True),
    Verb("account.view", Permission.ACCOUNT_SELF, _LIVE, Nothing, sessions.Account),
    Verb("account.change_password", Permission.ACCOUNT_SELF, _MAIN, sessions.ChangePassword, sessions.Rotated, True),
    Verb("account.begin_second_factor", Permission.ACCOUNT_SELF, _MAIN, Nothing, sessions.NewFactor, True),
    Verb("account.enrol_second_factor", Permission.ACCOUNT_SELF, _MAIN, sessions.ProveFactor, sessions.Rotated, True),
    Verb("account.remove_second_factor", Permission.ACCOUNT_SELF, _MAIN, Nothing, sessions.Rotated, True),
    Verb("account.renew_recovery_codes", Permission.ACCOUNT_SELF, _MAIN, Nothing, sessions.RecoveryCodes, True),
    Verb("account.change_email", Permission.ACCOUNT_SELF, _MAIN, users.ChangeEmail, Nothing, True),
    # people, and the links by which they come in
    Verb("users.list", Permission.USERS_MANAGE, _LIVE, Nothing, users.People),
    Verb("users.view", Permission.USERS_MANAGE, _LIVE, users.AskPerson, users.PersonDetail),
    Verb("users.invite", Permission.USERS_MANAGE, _MAIN, users.InvitePerson, users.PersonLink, True),
    Verb("users.change", Permission.USERS_MANAGE, _MAIN, users.ChangePerson, users.PersonChanged, True),
    Verb("users.delete", Permission.USERS_MANAGE, _MAIN, users.DeletePerson, users.PersonChanged, True),
    Verb("users.reset", Permission.USERS_MANAGE, _MAIN, users.ResetPerson, users.PersonLink, True),
    Verb("users.remove_second_factor", Permission.USERS_MANAGE, _MAIN, users.AskPerson, users.PersonChanged, True),
    Verb("users.end_sessions", Permission.USERS_MANAGE, _LIVE, users.AskPerson, users.SessionsEnded, True),
    Verb("link.ways", Permission.PUBLIC, _MAIN | {State.REGISTRATION}, Nothing, users.LinkWays),
    Verb("link.ask_reset", Permission.PUBLIC, _MAIN | {State.REGISTRATION}, users.AskReset, Nothing, True),
    Verb("link.holder", Permission.PUBLIC, _MAIN | {State.REGISTRATION}, users.AskLink, users.LinkHolder),
    Verb(
        "link.confirm_email",
        Permission.PUBLIC,
        _MAIN | {State.REGISTRATION},
        users.ConfirmEmail,
        users.EmailConfirmed,
        True,
    ),
    Verb(
        "link.choose_password",
        Permission.PUBLIC,
        _MAIN | {State.REGISTRATION},
        users.ChoosePassword,
        users.PasswordChosen,
        True,
    ),
    # the configuration once the bot is set up
    Verb("configuration.view", Permission.CONFIGURATION_VIEW, _LIVE, Nothing, configuration.ConfigurationView),
    Verb(
        "configuration.preview",
        Permission.CONFIGURATION_EDIT,
        _MAIN,
        configuration.AskChange,
        configuration.ChangePreview,
    ),
    Verb(
        "configuration.change",
        Permission.CONFIGURATION_EDIT,
        _MAIN,
        configuration.SubmitChange,
        configuration.Changed,
        True,
    ),
    Verb(
        "configuration.test",
        Permission.CONFIGURATION_EDIT,
        _MAIN,
        configuration.AskTest,
        configuration.ConnectionTest,
        True,
    ),
    Verb("secrets.rotate", Permission.CONFIGURATION_EDIT, _MAIN, configuration.RotateSecrets, sessions.Rotated, True),
    # what the dashboard shows
    Verb("status.document", Permission.STATUS_VIEW, _LIVE, Nothing, status.StatusDocument),
    Verb("status.equity", Permission.STATUS_VIEW, _LIVE, status.AskSeries, status.EquitySeries),
    Verb("status.days", Permission.STATUS_VIEW, _LIVE, status.AskSeries, status.DaySeries),
    Verb("trades.open", Permission.TRADES_VIEW, _LIVE, Nothing, trades.TradePage),
    Verb("trades.closed", Permission.TRADES_VIEW, _LIVE, trades.AskTrades, trades.TradePage),
    Verb("trades.no_trades", Permission.TRADES_VIEW, _LIVE, trades.AskNoTrades, trades.NoTradePage),
    Verb("trades.detail", Permission.TRADES_VIEW, _LIVE, trades.AskTrade, trades.TradeDetail),
    Verb("trades.bars", Permission.TRADES_VIEW, _LIVE, trades.AskTrade, trades.TradeBars),
    Verb("orders.open", Permission.TRADES_VIEW, _LIVE, Nothing, orders.OrderPage),
    Verb("orders.unresolved", Permission.TRADES_VIEW, _LIVE, Nothing, orders.UnresolvedPage),
    Verb("logs.names", Permission.LOGS_VIEW, _LIVE, Nothing, logs.LogNames),
    Verb("logs.read", Permission.LOGS_VIEW, _LIVE, logs.AskLog, logs.LogPage),
    Verb("logs.errors", Permission.LOGS_VIEW, _LIVE, Nothing, logs.ErrorEntries),
    Verb("notifications.list", Permission.STATUS_VIEW, _LIVE, Nothing, notifications.Notifications),
    Verb("notifications.test", Permission.CONFIGURATION_EDIT, _LIVE, Nothing, Nothing, True),
    Verb("metrics.text", Permission.METRICS_VIEW, _LIVE, Nothing, status.MetricsText),
    # acts; stop and kill are flags that need no id, start's flag names the id issued here
    Verb("control.state", Permission.STATUS_VIEW, _REGISTERED, Nothing, control.ControlState),
    Verb("control.preview", Permission.TRADING_CONTROL, _REGISTERED, control.AskPreview, control.Preview),
    Verb("control.issue_start", Permission.TRADING_CONTROL, frozenset({State.STOPPED}), Nothing, control.Issued, True),
    Verb("control.record_act", Permission.TRADING_CONTROL, _LIVE, control.AskPreview, Nothing, True),
    Verb("control.pause", Permission.TRADING_CONTROL, _MAIN, control.ActRequest, control.ActOutcome, True),
    Verb("control.pause_strategy", Permission.TRADING_CONTROL, _MAIN, control.PauseStrategy, control.ActOutcome, True),
    Verb("control.resume", Permission.TRADING_CONTROL, _MAIN, control.ActRequest, control.ActOutcome, True),
    Verb("control.begin_defense", Permission.TRADING_CONTROL, _MAIN, control.ActRequest, control.ActOutcome, True),
    Verb("control.end_defense", Permission.TRADING_CONTROL, _MAIN, control.ActRequest, control.ActOutcome, True),
    Verb("control.cancel_closing", Permission.TRADING_CONTROL, CLOSING, control.ActRequest, control.ActOutcome, True),
    Verb("control.sign_break", Permission.SYSTEM_RESET, _MAIN, control.ActRequest, control.ActOutcome, True),
    Verb("control.sign_residuals", Permission.SYSTEM_RESET, CLOSING, control.ActRequest, control.ActOutcome, True),
    Verb(
        "control.reset",
        Permission.SYSTEM_RESET,
        frozenset({State.STOPPED, State.ERROR}),
        control.ActRequest,
        control.ActOutcome,
        True,
    ),
    # one trade or one order
    Verb("orders.exit_preview", Permission.TRADING_CONTROL, _MAIN, orders.AskExit, orders.ExitPreview),
    Verb("orders.exit", Permission.TRADING_CONTROL, _MAIN, orders.AskExit, orders.OrderOutcome, True),
    Verb("orders.cancel", Permission.TRADING_CONTROL, _MAIN, orders.AskOrder, orders.OrderOutcome, True),
    Verb("orders.reread", Permission.TRADING_CONTROL, _LIVE, orders.AskOrder, orders.OrderOutcome, True),
    Verb("orders.sign", Permission.SYSTEM_RESET, _MAIN, orders.SignOrder, orders.OrderOutcome, True),
    # backups
    Verb("backups.list", Permission.BACKUPS_MANAGE, _LIVE | _ERROR, Nothing, backups.Backups),
    Verb("backups.verify", Permission.BACKUPS_MANAGE, _LIVE | _ERROR, backups.AskBackup, backups.Backup),
    Verb("backups.make", Permission.BACKUPS_MANAGE, _LIVE, backups.AskSnapshot, backups.Backup, True),
    Verb("backups.preview", Permission.BACKUPS_MANAGE, _RESTORABLE, backups.AskRestore, backups.RestorePreview),
    Verb("backups.restore", Permission.BACKUPS_MANAGE, _RESTORABLE, backups.Restore, backups.Restored, True),
    Verb("backups.purge", Permission.BACKUPS_MANAGE, _LIVE, backups.Purge, backups.Purged, True),
    # the audit trail
    Verb("audit.list", Permission.AUDIT_VIEW, _LIVE, audit.AskAudit, audit.AuditPage),
    Verb("audit.record", Permission.AUDIT_VIEW, _LIVE, audit.AskAuditRecord, audit.AuditRecord),
    Verb("audit.export", Permission.AUDIT_VIEW, _LIVE, audit.AskAuditExport, audit.AuditExport, True),
    Verb("audit.verification", Permission.AUDIT_VIEW, _LIVE, Nothing, audit.AuditVerification),
    Verb("audit.verify", Permission.AUDIT_VIEW, _LIVE, Nothing, audit.AuditVerification, True),
    Verb("journal.list", Permission.AUDIT_VIEW, _LIVE, journal.AskJournal, journal.JournalPage),
    Verb("journal.balance", Permission.AUDIT_VIEW, _LIVE, Nothing, journal.TrialBalance),
    # the recovery desk: answered where the home could not be opened, and nowhere else
    Verb("recovery.view", Permission.SETUP, _ERROR, Nothing, backups.RecoveryView),
    Verb("recovery.verify", Permission.SETUP, _ERROR, backups.AskBackup, backups.Backup),
    Verb("recovery.preview", Permission.SETUP, _ERROR, backups.AskRestore, backups.RestorePreview),
    Verb("recovery.restore", Permission.SETUP, _ERROR, backups.Restore, backups.Restored, True),
)

VERBS: dict[str, Verb] = {verb.name: verb for verb in _TABLE}
