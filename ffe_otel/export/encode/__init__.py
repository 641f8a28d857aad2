# SPDX-License-Identifier: Apache-2.0
"""OTLP protobuf, written directly: what the exporters get in, the request's bytes out.

Building protobuf objects in Python is 96 % of what the SDK's encoder costs. The messages
are the same; see opentelemetry-proto for the field numbers.
"""

from ffe_otel.export.encode.logs import (
    encode_log,
    encode_log_request,
    encode_log_site,
    encode_logs,
)
from ffe_otel.export.encode.metrics import encode_metrics
from ffe_otel.export.encode.traces import encode_spans

__all__ = [
    "encode_log",
    "encode_log_request",
    "encode_log_site",
    "encode_logs",
    "encode_metrics",
    "encode_spans",
]
