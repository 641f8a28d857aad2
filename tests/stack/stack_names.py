# SPDX-License-Identifier: Apache-2.0
"""Names that several tests of the stack look for."""

from ffe_otel import semconv

# They count what went wrong, and nothing has to.
MAY_BE_EMPTY = {
    metric.prometheus
    for metric in (
        semconv.OTEL_DROPPED,
        semconv.OTEL_QUARANTINED,
        semconv.OTEL_SEND_FAILURES,
        semconv.OTEL_REDACTION_FAILURES,
        semconv.OTEL_FOLDED,
        semconv.OTEL_HOOK_ERRORS,
    )
}
