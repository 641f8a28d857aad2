# SPDX-License-Identifier: Apache-2.0
"""Redaction of finished records: spans, log records, JSON log lines, metrics.

Finished spans are immutable all the way down, and code that tries to change one in place
fails where nobody looks. So every function here builds a new record. When that fails, a
skeleton goes out instead: ids, times and kind, and a name that says why.
"""

from ffe_otel.redaction.records.logs import redact_line, redact_log, redact_log_record
from ffe_otel.redaction.records.metrics import redact_metrics
from ffe_otel.redaction.records.parts import SKELETON, redact_resource, redact_scope
from ffe_otel.redaction.records.spans import (
    RedactedSpan,
    SpanFields,
    redact_span,
    redact_span_fields,
)

__all__ = [
    "SKELETON",
    "RedactedSpan",
    "SpanFields",
    "redact_line",
    "redact_log",
    "redact_log_record",
    "redact_metrics",
    "redact_resource",
    "redact_scope",
    "redact_span",
    "redact_span_fields",
]
