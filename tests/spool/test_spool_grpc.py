# SPDX-License-Identifier: Apache-2.0
"""OTLP over gRPC: the bytes of the spool over the channel of the SDK's exporter."""

from __future__ import annotations

from concurrent import futures

import pytest

grpc = pytest.importorskip("grpc")

from google.protobuf.duration_pb2 import Duration  # noqa: E402
from google.rpc.error_details_pb2 import RetryInfo  # noqa: E402
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: E402
from opentelemetry.proto.collector.trace.v1 import (  # noqa: E402
    trace_service_pb2 as messages,
)
from opentelemetry.proto.collector.trace.v1 import (  # noqa: E402
    trace_service_pb2_grpc as services,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans  # noqa: E402

from ffe_otel.export.spool.answers import Fate  # noqa: E402
from ffe_otel.export.spool.grpc import GrpcTransport  # noqa: E402
from ffe_otel.export.stats import Signal  # noqa: E402

REQUEST = messages.ExportTraceServiceRequest(resource_spans=[ResourceSpans(schema_url="s")])


class Service(services.TraceServiceServicer):
    def __init__(self):
        self.taken = []
        self.answer = lambda _: messages.ExportTraceServiceResponse()

    def Export(self, request, context):
        self.taken.append(request)
        return self.answer(context)


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def serving(service):
    """The URL of a server that listens."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    services.add_TraceServiceServicer_to_server(service, server)
    endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield endpoint
    server.stop(None).wait()


@pytest.fixture
def transport(serving):
    made = []

    def make():
        made.append(OTLPSpanExporter(endpoint=serving, headers={"x-tenant": "a"}))
        return made[-1]

    yield GrpcTransport(Signal.TRACES, serving, 5.0, make)
    for exporter in made:
        exporter.shutdown()


def test_joined_requests_arrive_as_one(service, transport):
    metadata = {}

    def answer(context):
        metadata.update(context.invocation_metadata())
        return messages.ExportTraceServiceResponse()

    service.answer = answer
    payload = REQUEST.SerializeToString()
    assert transport.post(payload * 2, 30.0).fate is Fate.TAKEN
    [request] = service.taken
    assert len(request.resource_spans) == 2
    assert metadata["x-tenant"] == "a"


def test_partial_success(service, transport):
    service.answer = lambda _: messages.ExportTraceServiceResponse(
        partial_success=messages.ExportTracePartialSuccess(rejected_spans=3, error_message="old")
    )
    outcome = transport.post(REQUEST.SerializeToString(), 30.0)
    assert (outcome.fate, outcome.rejected, outcome.text) == (Fate.TAKEN, 3, "old")


@pytest.mark.parametrize(
    ("code", "fate", "counted", "divisible"),
    [
        ("INVALID_ARGUMENT", Fate.REFUSED, "grpc_invalid_argument", True),
        ("UNAUTHENTICATED", Fate.REFUSED, "grpc_unauthenticated", False),
        ("UNAVAILABLE", Fate.UNREACHABLE, "unreachable", False),
        ("ABORTED", Fate.LATER, "grpc_aborted", False),
        ("INTERNAL", Fate.LATER, "grpc_internal", False),
        ("UNKNOWN", Fate.LATER, "grpc_unknown", False),
    ],
)
def test_failures(service, transport, code, fate, counted, divisible):
    service.answer = lambda context: context.abort(grpc.StatusCode[code], "the reason")
    outcome = transport.post(REQUEST.SerializeToString(), 30.0)
    assert (outcome.fate, outcome.code, outcome.divisible) == (fate, counted, divisible)
    assert outcome.text == "the reason"
    assert outcome.suspicious is (code in {"INTERNAL", "UNKNOWN"})


def test_a_server_says_how_long_to_wait(service, transport):
    info = RetryInfo(retry_delay=Duration(seconds=7, nanos=500_000_000)).SerializeToString()

    def answer(context):
        context.set_trailing_metadata((("google.rpc.retryinfo-bin", info),))
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "later")

    service.answer = answer
    outcome = transport.post(REQUEST.SerializeToString(), 30.0)
    assert (outcome.fate, outcome.wait_seconds) == (Fate.LATER, 7.5)


def test_an_answer_that_is_too_large_is_not_read(service, transport):
    partial = messages.ExportTracePartialSuccess(error_message="x" * (8 << 20))
    service.answer = lambda _: messages.ExportTraceServiceResponse(partial_success=partial)
    outcome = transport.post(REQUEST.SerializeToString(), 10.0)
    # Who sends an answer has taken the request.
    assert (outcome.fate, outcome.text) == (Fate.TAKEN, "")
    assert len(service.taken) == 1


@pytest.mark.parametrize("name", ["gzip", "deflate", "none", "made-up"])
def test_compression_is_what_the_variable_says(service, serving, monkeypatch, name):
    from ffe_otel.config.model import Config
    from ffe_otel.export import otlp

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", name)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", serving)
    made = []

    def make(**arguments):
        made.append(OTLPSpanExporter(**arguments))
        return made[-1]

    outcome = otlp.transport(Config(), Signal.TRACES, make).post(REQUEST.SerializeToString(), 10.0)
    made[0].shutdown()
    assert outcome.fate is Fate.TAKEN
    assert service.taken == [REQUEST]
    used = {"gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}
    assert made[0]._compression == used.get(name, grpc.Compression.NoCompression)
