# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies for OTLP requests whose every field holds anything its type allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor as Field
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ffe_otel import semconv as s
from ffe_otel.observe.decode import Signal

if TYPE_CHECKING:
    from google.protobuf.message import Message

REQUESTS: dict[Signal, type[Message]] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
}
# What the store derives rows from must be met often, whatever stands in it.
_NAMES = (
    s.SPAN_CYCLE, s.EVENT_CYCLE_STARTED, s.EVENT_AGENT_STATE, s.SPAN_DECISION,
    s.SPAN_TRADE_OUTCOME, s.SPAN_RISK_CHECK, f"{s.SPAN_PHASE_PREFIX}x", s.GEN_AI_OPERATION,
    s.AGENT_ID, s.CYCLE_NUMBER, s.CYCLE_OUTCOME, s.CYCLE_REASON, s.CYCLE_ERRORS, s.ASSET_PAIRS,
    s.ASSET_PAIR, s.DECISION_ID, s.DECISION_ACTION, s.DECISION_CONFIDENCE, s.TRADE_PNL_DOLLARS,
    s.LLM_COST_USD, s.LLM_TOKENS, s.GEN_AI_INPUT_TOKENS, s.RISK_VERDICT, "agent_id", "state_value",
    "log.record.uid", "exception.type", "service.name",
)  # fmt: skip
_ID_BYTES = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}
_CONTAINERS = frozenset({
    "resource_spans", "scope_spans", "spans", "resource_logs", "scope_logs", "log_records",
    "resource_metrics", "scope_metrics", "metrics", "data_points", "attributes", "value",
})  # fmt: skip
_MAX_DEPTH = 9

_texts = st.one_of(
    st.sampled_from(_NAMES), st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
)


def _integers(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    edges = [low, high, high // 2, high // 2 + 1, 1, 2, 255, 256]
    return st.one_of(st.sampled_from(edges), st.integers(low, high))


_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    Field.CPPTYPE_INT32: _integers(32, signed=True),
    Field.CPPTYPE_INT64: _integers(64, signed=True),
    Field.CPPTYPE_UINT32: _integers(32, signed=False),
    Field.CPPTYPE_UINT64: _integers(64, signed=False),
    Field.CPPTYPE_ENUM: _integers(32, signed=True),
    Field.CPPTYPE_BOOL: st.booleans(),
    Field.CPPTYPE_DOUBLE: st.one_of(st.floats(), st.sampled_from([1e308, -1e308, 0.0])),
    Field.CPPTYPE_FLOAT: st.floats(width=32),
}


def _scalar(field: Field) -> st.SearchStrategy[Any]:
    if field.cpp_type != Field.CPPTYPE_STRING:
        return _SCALARS[field.cpp_type]
    if field.type != Field.TYPE_BYTES:
        return _texts
    if field.name not in _ID_BYTES:
        return st.binary(max_size=5)
    size = _ID_BYTES[field.name]
    # A few ids meet again, as parents, links and spans sent twice do.
    usual = st.sampled_from([b"\1" * size, b"\2" * size, b"\xff" * size])
    return st.one_of(usual, usual, st.binary(max_size=size + 1))


def _repeated(field: Field) -> bool:
    # Protobuf before 6.31 knows the label only, and later ones warn of it.
    known = getattr(field, "is_repeated", None)
    return known if known is not None else field.label == Field.LABEL_REPEATED


def _fill(draw: st.DrawFn, message: Message, depth: int) -> None:
    chosen = {
        oneof.name: draw(st.sampled_from([f.name for f in oneof.fields]))
        for oneof in message.DESCRIPTOR.oneofs
        if len(oneof.fields) > 1
    }
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        if oneof is not None and chosen.get(oneof.name, field.name) != field.name:
            continue
        wanted = 1 if field.name in _CONTAINERS else draw(st.integers(0, 1))
        if _repeated(field):
            wanted = draw(st.integers(wanted, 2))
        if field.message_type is None:
            _set(draw, message, field, wanted)
        elif depth < _MAX_DEPTH:
            for _ in range(wanted):
                child = getattr(message, field.name)
                _fill(draw, child.add() if _repeated(field) else child, depth + 1)


def _set(draw: st.DrawFn, message: Message, field: Field, wanted: int) -> None:
    values = [draw(_scalar(field)) for _ in range(wanted)]
    if _repeated(field):
        getattr(message, field.name).extend(values)
    elif values:
        setattr(message, field.name, values[0])


@st.composite
def requests(draw: st.DrawFn, signal: Signal) -> Message:
    """A request of ``signal`` with anything in its fields."""
    message = REQUESTS[signal]()
    _fill(draw, message, 0)
    return message
