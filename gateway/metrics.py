"""Prometheus metrics of one gateway."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

__all__ = ["Metrics"]

_SECONDS = (0.005, 0.02, 0.1, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256)
_PROMPTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """Counts; a registry of its own, so that two gateways fit in one process."""

    def __init__(self) -> None:
        """All is zero."""
        self.registry = CollectorRegistry()
        self._calls = Counter(
            "assay_gateway_http_requests",
            "HTTP calls.",
            ("method", "path", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "assay_gateway_http_request_seconds",
            "Time of an HTTP call.",
            ("path",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._jobs = Counter(
            "assay_gateway_jobs",
            "Jobs by where they ended or how far they came.",
            ("stage",),
            registry=self.registry,
        )
        self._prompts = Histogram(
            "assay_gateway_job_prompts",
            "Prompts of a posted job.",
            buckets=_PROMPTS,
            registry=self.registry,
        )
        self._gas = Counter(
            "assay_gateway_posting_gas", "Gas of postings.", registry=self.registry
        )
        self._units = Counter(
            "assay_gateway_cost_units",
            "What settled jobs cost, units of the escrow token.",
            registry=self.registry,
        )

    def watch(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Add a gauge that is read at every scrape."""
        gauge = Gauge(f"assay_gateway_{name}", what, registry=self.registry)
        gauge.set_function(value)

    def note_call(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count an HTTP call."""
        self._calls.labels(method, path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def note_posting(self, prompts: int, gas_used: int) -> None:
        """Count a posted job."""
        self._jobs.labels("posted").inc()
        self._prompts.observe(prompts)
        self._gas.inc(gas_used)

    def note_stage(self, stage: str, cost: int = 0) -> None:
        """Count a job that came to a stage."""
        self._jobs.labels(stage).inc()
        self._units.inc(cost)

    def render(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self.registry)
