"""The ways to people as the configuration in force has them, read once a generation."""

from __future__ import annotations

from collections.abc import Mapping

from tbot_bot.control.foundation import Foundation
from tbot_bot.domain.notices import Channel
from tbot_bot.monitoring.postman import Postman
from tbot_bot.monitoring.routes import Route, routes_of


class ConfiguredRoutes:
    """Calling it tells the ways; a bot that is not configured yet has none."""

    def __init__(self, foundation: Foundation) -> None:
        self._foundation = foundation
        self._generation: int | None = None
        self._routes: Mapping[Channel, Route] = {}

    def __call__(self) -> Mapping[Channel, Route]:
        generation = self._foundation.generation
        if generation != self._generation:
            configured = self._foundation.is_configured()
            self._routes = routes_of(self._foundation.configuration()) if configured else {}
            self._generation = generation
        return self._routes


def open_postman(foundation: Foundation) -> Postman:
    """The postman of the home's outbox."""
    return Postman(foundation.record.outbox, foundation.notices, ConfiguredRoutes(foundation), foundation.clock)
