"""What a worker tells about itself: counters for Prometheus, traces by OpenTelemetry, and its lines of the log.

Spans and lines go to files of the worker. A team sends spans elsewhere by another exporter, in tracer().
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # the buckets of the histogram


class Metrics:
    """The counters of one worker."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "gateway_requests", "Requests, by the rule that decided", ["rule", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "gateway_seconds", "From the request to its answer", buckets=SECONDS, registry=self.registry
        )
        self.generation = Gauge("gateway_generation", "The generation in use", registry=self.registry)
        self.reloads = Counter("gateway_reloads", "Generations opened", ["result"], registry=self.registry)
        self.rows = Gauge("gateway_facts_rows", "Rows of a map of facts", ["map"], registry=self.registry)

    def by_rule(self) -> dict[str, int]:
        """How many requests each rule has decided."""
        samples = [each for metric in self.requests.collect() for each in metric.samples]
        counted: dict[str, int] = {}
        for each in samples:
            if each.name == "gateway_requests_total":
                rule = each.labels["rule"]
                counted[rule] = counted.get(rule, 0) + int(each.value)  # a rule may have several statuses
        return counted


def failed(by_rule: dict[str, int]) -> int:
    """How many requests met a fault of the gateway, or a policy without a decision."""
    return by_rule.get("policy_failed", 0) + by_rule.get("failed", 0)


class Lines:
    """A file of JSON objects, one in a line. Each is one write: the lines of a killed worker are whole."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, **entry: Any) -> None:
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds")} | entry
        os.write(self._file, json.dumps(line, ensure_ascii=False).encode() + b"\n")

    def close(self) -> None:
        os.close(self._file)


class SpanFile(SpanExporter):
    """Writes spans as JSON objects, one in a line."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        os.write(self._file, "".join(span.to_json(indent=None) + "\n" for span in spans).encode())
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        os.close(self._file)


def tracer(path: Path, worker: int) -> TracerProvider:
    """The source of spans, which are written to a file by a thread of their own."""
    provider = TracerProvider(resource=Resource.create({"service.name": "gateway", "service.instance.id": str(worker)}))
    provider.add_span_processor(BatchSpanProcessor(SpanFile(path)))
    return provider
