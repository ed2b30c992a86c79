"""What the runner measures of itself for `/metrics`."""

from __future__ import annotations

import time
from functools import partial

from prometheus_client import CollectorRegistry, Gauge

from tbot_bot.control.foundation import Foundation
from tbot_bot.monitoring.error_handler import ErrorHandler


def measures_of(foundation: Foundation, errors: ErrorHandler) -> CollectorRegistry:
    """A registry whose figures are read when they are asked for; the uptime counts from here."""
    found = CollectorRegistry()
    uptime = Gauge("tbot_runner_uptime_seconds", "Seconds since the runner started", registry=found)
    generation = Gauge("tbot_secrets_generation", "Generation of keys and secrets", registry=found)
    alerts = Gauge("tbot_alerts", "Alerts since the start", ["level"], registry=found)
    started_s = time.monotonic()
    uptime.set_function(lambda: time.monotonic() - started_s)
    generation.set_function(lambda: foundation.generation)
    for level in errors.counts():
        alerts.labels(level).set_function(partial(_alerts, errors, level))
    return found


def _alerts(errors: ErrorHandler, level: str) -> int:
    return errors.counts()[level]
