"""Who may do what: one enum of permissions, one table of roles. Deny by default.

A page and a verb each name one permission; adding a permission is one line here and one cell in the table.
"""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a person is to this bot."""

    ADMIN = "admin"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    VIEWER = "viewer"


class Permission(StrEnum):
    """One thing a person may do."""

    PUBLIC = "public"  # no login
    SETUP = "setup"  # the setup session alone
    ACCOUNT_SELF = "account.self"
    STATUS_VIEW = "status.view"
    TRADES_VIEW = "trades.view"
    LOGS_VIEW = "logs.view"
    SETTINGS_VIEW = "settings.view"
    CONFIGURATION_VIEW = "configuration.view"
    CONFIGURATION_EDIT = "configuration.edit"  # change and test it, renew every key and secret
    METRICS_VIEW = "metrics.view"
    TRADING_CONTROL = "trading.control"  # start, pause, resume, stop, kill
    SYSTEM_RESET = "system.reset"  # leave error, reset the kill switch, sign residuals and differences
    USERS_MANAGE = "users.manage"  # add, change, disable and remove people, end their sessions
    BACKUPS_MANAGE = "backups.manage"  # list, make, verify, restore and purge backups
    AUDIT_VIEW = "audit.view"  # read, verify and export the audit trail; read the journal


_P = Permission
_EVERYONE = frozenset(
    {_P.PUBLIC, _P.ACCOUNT_SELF, _P.STATUS_VIEW, _P.TRADES_VIEW, _P.LOGS_VIEW, _P.SETTINGS_VIEW, _P.METRICS_VIEW}
)

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(_P) - {_P.SETUP},
    Role.OPERATOR: _EVERYONE | {_P.TRADING_CONTROL},
    Role.AUDITOR: _EVERYONE | {_P.AUDIT_VIEW},
    Role.VIEWER: _EVERYONE,
}


def may(role: Role, permission: Permission) -> bool:
    """Whether the role's cell in the table holds the permission."""
    return permission in ROLE_PERMISSIONS[role]
