# SPDX-License-Identifier: Apache-2.0
"""The tail sampling overlay: what somebody will look at stays, a share of the rest as well."""

import secrets

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from stack_sending import post
from stack_server import until

GATE = "--feature-gates=processor.tailsamplingprocessor.usetracestate"
START = 1_800_000_000_000_000_000
RATIO = 0.25
THRESHOLD = 1 << 56
ERROR = 2


@pytest.fixture
def sampling(make_collector, sink):
    return make_collector(
        "tail_sampling",
        env={
            "FFE_SERVE_OTLP": sink.url,
            "FFE_SAMPLING_WAIT": "2s",
            "FFE_SAMPLING_WAIT_AFTER_ROOT": "1s",
            "FFE_SAMPLING_PERCENTAGE": str(100 * RATIO),
        },
        arguments=(GATE,),
    ).run()


class Traces:
    """Traces with a root and a child; ``ids`` by name."""

    def __init__(self):
        self.request = ExportTraceServiceRequest()
        self._spans = self.request.resource_spans.add().scope_spans.add().spans
        self.ids = {}

    def add(
        self, name, seconds=1.0, *, trace_state="", child="ffe.data.fetch", error=False, **keys
    ):
        trace_id = secrets.token_bytes(16)
        self.ids[name] = trace_id.hex()
        root = self._spans.add(name="ffe.cycle", trace_id=trace_id, span_id=b"root-one")
        leaf = self._spans.add(
            name=child, trace_id=trace_id, span_id=b"leaf-one", parent_span_id=b"root-one"
        )
        for span in (root, leaf):
            span.start_time_unix_nano = START
            span.end_time_unix_nano = START + int(seconds * 1e9)
            span.trace_state = trace_state
        if error:
            leaf.status.code = ERROR
        for key, value in keys.items():
            root.attributes.add(key=key.replace("__", ".")).value.string_value = value


def arrived(sink):
    found = {}
    for span in sink.spans():
        found.setdefault(span.trace_id.hex(), []).append(span)
    return found


def test_what_matters_is_kept_whole(sampling, sink):
    # rv says: never within a share of a quarter.
    never = {"trace_state": "ot=rv:00000000000000"}
    traces = Traces()
    traces.add("error", error=True, **never)
    traces.add("executed", ffe__cycle__outcome="executed", **never)
    traces.add("rejected", ffe__cycle__outcome="rejected", **never)
    traces.add("veto", ffe__risk__verdict="rejected", **never)
    traces.add("trade", child="ffe.trade.execute", **never)
    traces.add("slow", 5.5, **never)
    traces.add("boring", ffe__cycle__outcome="no_trade", **never)
    traces.add("last", trace_state="ot=rv:ffffffffffffff")
    assert post(sampling.otlp_http, traces.request).status_code == 200
    until(lambda: traces.ids["last"] in arrived(sink))
    until(lambda: len(arrived(sink)) == 7)
    kept = arrived(sink)
    assert {name for name, i in traces.ids.items() if i in kept} == set(traces.ids) - {"boring"}
    assert {len(spans) for spans in kept.values()} == {2}
    # Kept for what it is, so it stands for itself only; and redaction came first.
    assert all("th:0" in s.trace_state for s in kept[traces.ids["error"]])
    assert all("th:c" in s.trace_state for s in kept[traces.ids["last"]])


def test_the_share_is_the_one_every_consistent_sampler_takes(sampling, sink):
    """R >= (1 - ratio) * 2^56, from the trace id or from `rv`; no hash of its own."""
    traces = Traces()
    for number in range(200):
        traces.add(number, trace_state="ot=th:0")
    assert post(sampling.otlp_http, traces.request).status_code == 200
    bound = int((1 - RATIO) * THRESHOLD)
    expected = {i for i in traces.ids.values() if int(i[-14:], 16) >= bound}
    until(lambda: set(arrived(sink)) >= expected)
    assert set(arrived(sink)) == expected
