"""Figures for whoever keeps the installation running, in Prometheus' format. No label holds an id or anyone's words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from auditlog.core.errors import AuditLogError
from home import health
from home.errors import AppError
from home.greffier import Greffier
from service.figures import devices
from service.logs import publish
from service.replaying import health as replay_health
from web.usage_metrics import RuntimeMetrics, UsageMetrics

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one server, in a registry of their own, so that two apps in one process do not mix."""

    def __init__(self, g: Greffier) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        labels = ("method", "route", "status")
        self._requests = Counter("greffier_http_requests", "Requests by route", labels, registry=self._registry)
        self._seconds = Histogram(
            "greffier_http_request_seconds", "Time to answer, by route", ("route",), registry=self._registry
        )
        self._registry.register(_LogState(g))
        self._registry.register(UsageMetrics(g))
        self._registry.register(RuntimeMetrics(lambda: devices.runtime(g)))

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; `route` is the path template."""
        known = method if method in {"GET", "HEAD", "POST"} else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All figures in the text format 0.0.4."""
        return generate_latest(self._registry)


class _LogState(Collector):
    def __init__(self, g: Greffier) -> None:
        self._g = g

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Asked for at each scrape."""
        state = health.health(self._g)
        yield GaugeMetricFamily("greffier_log_recording", "1 while the log records", value=int(state.recording))
        yield GaugeMetricFamily("greffier_log_size", "Entries in the log", value=state.size)
        with contextlib.suppress(AppError, AuditLogError):
            mismatched = GaugeMetricFamily(
                "greffier_replay_mismatches", "Replays of 30 days that came out otherwise", labels=("system",)
            )
            for system, number in sorted(replay_health.alarms(self._g).items()):
                mismatched.add_metric([system], number)
            yield mismatched
        try:
            public = publish.state(self._g)
        except (AppError, AuditLogError):
            return  # `/health` says why
        yield GaugeMetricFamily("greffier_log_published_size", "Entries that are public", value=public.published)
        yield GaugeMetricFamily(
            "greffier_log_policy_met", "1 while the public checkpoint meets the policy", value=int(public.met)
        )
