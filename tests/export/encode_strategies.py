# SPDX-License-Identifier: Apache-2.0
"""Whatever the exporters may be given, as hypothesis makes it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from ffe_otel.redaction.records import RedactedSpan

TEXTS = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    ["x" * 127, "x" * 128, "ä" * 5000, ""]
)
KEYS = TEXTS.filter(bool)
INTS = st.integers(-(2**63), 2**63 - 1)
TIMES = st.integers(0, 2**63 - 1)
COUNTS = st.integers(0, 2**31 - 1)
DOUBLES = st.floats(allow_nan=False)
VALUES = st.recursive(
    st.none() | st.booleans() | INTS | DOUBLES | TEXTS | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=8,
)
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=5)


@st.composite
def bounded(draw: st.DrawFn) -> BoundedAttributes:
    made = BoundedAttributes(attributes=None, immutable=False)
    made._dict.update(draw(ATTRIBUTES))
    made.dropped = draw(COUNTS)
    return made


RESOURCES = st.builds(Resource, ATTRIBUTES, TEXTS | st.none())
# A version that is None or empty, and a scope that is, are the same to OTLP, but not to the SDK.
SCOPES = st.builds(InstrumentationScope, KEYS, TEXTS, TEXTS | st.none(), ATTRIBUTES)
STATES = st.sampled_from(
    [None, TraceState(), TraceState([("ot", "th:8;rv:01"), ("vendor", "opaque=1")])]
)
CONTEXTS = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.integers(0, 3).map(TraceFlags),
    STATES,
)
# The SDK's encoder leaves out the trace state of a link.
LINKS = st.builds(
    Link,
    st.builds(SpanContext, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans()),
    bounded(),
)


@st.composite
def spans(draw: st.DrawFn, resources: Any = RESOURCES, scopes: Any = SCOPES) -> RedactedSpan:
    code = draw(st.sampled_from(StatusCode))
    description = draw(TEXTS | st.none()) if code is StatusCode.ERROR else None
    return RedactedSpan(
        dropped=draw(st.tuples(COUNTS, COUNTS, COUNTS)),
        name=draw(TEXTS),
        context=draw(CONTEXTS),
        parent=draw(CONTEXTS | st.none()),
        resource=draw(resources),
        attributes=draw(ATTRIBUTES | bounded()),
        events=draw(st.lists(st.builds(Event, TEXTS, bounded(), TIMES), max_size=3)),
        links=draw(st.lists(LINKS, max_size=3)),
        kind=draw(st.sampled_from(SpanKind)),
        status=Status(code, description),
        start_time=draw(TIMES),
        end_time=draw(TIMES),
        instrumentation_scope=draw(scopes | st.none()),
    )


@st.composite
def records(draw: st.DrawFn, resources: Any = RESOURCES, scopes: Any = SCOPES) -> ReadableLogRecord:
    record = LogRecord(
        timestamp=draw(TIMES | st.none()),
        observed_timestamp=draw(TIMES),
        severity_text=draw(TEXTS | st.none()),
        severity_number=draw(st.sampled_from(SeverityNumber) | st.none()),
        body=draw(VALUES),
        attributes=draw(ATTRIBUTES | bounded()),
        event_name=draw(TEXTS | st.none()),
    )
    record.trace_id = draw(st.integers(0, 2**128 - 1))
    record.span_id = draw(st.integers(0, 2**64 - 1))
    record.trace_flags = TraceFlags(draw(st.integers(0, 255)))
    return ReadableLogRecord(record, draw(resources), draw(scopes | st.none()))


EXEMPLARS = st.lists(
    st.builds(
        Exemplar,
        filtered_attributes=ATTRIBUTES,
        value=INTS | DOUBLES,
        time_unix_nano=TIMES,
        span_id=st.integers(1, 2**64 - 1) | st.none(),
        trace_id=st.integers(1, 2**128 - 1) | st.none(),
    ),
    max_size=2,
)
NUMBERS = st.lists(
    st.builds(
        NumberDataPoint,
        attributes=ATTRIBUTES,
        start_time_unix_nano=TIMES,
        time_unix_nano=TIMES,
        value=INTS | DOUBLES,
        exemplars=EXEMPLARS,
    ),
    max_size=3,
)
HISTOGRAMS = st.lists(
    st.builds(
        HistogramDataPoint,
        attributes=ATTRIBUTES,
        start_time_unix_nano=TIMES,
        time_unix_nano=TIMES,
        count=COUNTS,
        sum=DOUBLES,
        bucket_counts=st.lists(st.integers(0, 2**63), max_size=5),
        explicit_bounds=st.lists(DOUBLES, max_size=5),
        min=DOUBLES,
        max=DOUBLES,
        exemplars=EXEMPLARS,
    ),
    max_size=3,
)
BUCKETS = st.builds(
    Buckets, st.integers(-(2**31), 2**31 - 1), st.lists(st.integers(0, 2**63), max_size=5)
)
EXPONENTIAL = st.lists(
    st.builds(
        ExponentialHistogramDataPoint,
        attributes=ATTRIBUTES,
        start_time_unix_nano=TIMES,
        time_unix_nano=TIMES,
        count=COUNTS,
        sum=DOUBLES,
        scale=st.integers(-10, 20),
        zero_count=COUNTS,
        positive=BUCKETS,
        negative=BUCKETS,
        flags=COUNTS,
        min=DOUBLES,
        max=DOUBLES,
        exemplars=EXEMPLARS,
    ),
    max_size=3,
)
TEMPORALITIES = st.sampled_from(AggregationTemporality)
DATA = st.one_of(
    st.builds(Gauge, NUMBERS),
    st.builds(Sum, NUMBERS, TEMPORALITIES, st.booleans()),
    st.builds(Histogram, HISTOGRAMS, TEMPORALITIES),
    st.builds(ExponentialHistogram, EXPONENTIAL, TEMPORALITIES),
)


@st.composite
def scoped_metrics(draw: st.DrawFn) -> ScopeMetrics:
    found = draw(st.lists(st.builds(Metric, TEXTS, TEXTS, TEXTS, DATA), max_size=3))
    scope = draw(SCOPES)
    return ScopeMetrics(scope, found, scope.schema_url or "")


@st.composite
def metrics(draw: st.DrawFn) -> MetricsData:
    resources = draw(st.lists(RESOURCES, max_size=2, unique_by=lambda r: r.to_json(0)))
    return MetricsData(
        [
            ResourceMetrics(
                resource,
                draw(st.lists(scoped_metrics(), max_size=2, unique_by=lambda s: repr(s.scope))),
                resource.schema_url,
            )
            for resource in resources
        ]
    )
