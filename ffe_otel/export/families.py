# SPDX-License-Identifier: Apache-2.0
"""The name Prometheus shows for an OpenTelemetry metric."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.metrics.export import Sum

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import Metric

_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9:]+")
_ANNOTATION: Final = re.compile(r"\{[^}]*\}")
_UNITS: Final = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "%": "percent",
    "1": "",
}


def prometheus_name(metric: Metric) -> str:
    """Name of the family as opentelemetry-exporter-prometheus writes it.

    Source: OpenTelemetry specification, "Prometheus and OpenMetrics compatibility".
    """
    name = _FOREIGN.sub("_", metric.name)
    unit = _ANNOTATION.sub("", metric.unit or "")
    unit = _UNITS.get(unit, _FOREIGN.sub("_", unit).strip("_"))
    counter = isinstance(metric.data, Sum) and metric.data.is_monotonic
    if counter:
        name = name.removesuffix("_total")
    if unit and not name.endswith(f"_{unit}"):
        name = f"{name}_{unit}"
    return f"{name}_total" if counter else name
