"""The portal's own server with one route more, which does nothing but ask who is there: `python -m bench.portal`."""

from __future__ import annotations

import os
import sys

from flask import Flask

from tbot_bot.api.lifecycle import Phase
from tbot_bot.api.permissions import Permission
from tbot_web.py import run_web
from tbot_web.py.dispatch import Dispatcher
from tbot_web.support.security_users import Need

TRIVIAL = "/status/api/trivial"


class WithTrivialRoute(Dispatcher):
    """Every application of the portal with the trivial route."""

    def _app(self, phase: Phase | None) -> Flask:
        app = super()._app(phase)
        if "trivial" not in app.view_functions:
            app.add_url_rule(TRIVIAL, "trivial", lambda: {"status": "ok"})
            app.extensions["needs"]["trivial"] = Need(Permission.STATUS_VIEW)
        return app


class BenchServer(run_web.Server):
    """The server as it is, with that application."""

    def load(self) -> Dispatcher:
        """Put the portal together, in a worker."""
        return WithTrivialRoute(super().load()._portal)  # noqa: SLF001 - what it serves is what is measured


if __name__ == "__main__":
    run_web.Server = BenchServer  # type: ignore[misc]  # the rest of its start-up stays as it is
    sys.exit(run_web.main(sys.argv[1:], os.environ))
