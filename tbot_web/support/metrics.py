"""The portal's own counters, one set in each worker process, in Prometheus text."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """Counts requests by view, method and status, and how long they took."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "tbot_web_requests", "Requests answered.", ("view", "method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "tbot_web_request_seconds", "Time to answer.", ("view",), registry=self._registry, buckets=_BUCKETS_S
        )

    def count(self, view: str, method: str, status: int, took: timedelta) -> None:
        """Note one answered request; `view` is the name of the view, never an address."""
        self._requests.labels(view, method, str(status)).inc()
        self._seconds.labels(view).observe(took.total_seconds())

    def text(self) -> str:
        """Return the Prometheus exposition text."""
        return generate_latest(self._registry).decode()
