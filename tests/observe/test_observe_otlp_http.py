# SPDX-License-Identifier: Apache-2.0
"""OTLP/HTTP as a sender sees it."""

from __future__ import annotations

import gzip
import json
import socket
import sys
import zlib
from functools import partial
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import pytest
from google.rpc import status_pb2
from observe_server import http
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

zstd = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

PROTOBUF = {"Content_Type": "application/x-protobuf"}
TRACE = "0af7651916cd43dd8448eb211c80319c"


def span(span_id: str = "b7ad6b7169203331", trace_id: str = TRACE, **fields: Any) -> dict[str, Any]:
    """A span as OTLP/JSON."""
    times = {"startTimeUnixNano": "1795400000000000000", "endTimeUnixNano": "1795400001000000000"}
    return {"traceId": trace_id, "spanId": span_id, "name": "work", "kind": 1, **times, **fields}


def traces(*spans: dict[str, Any]) -> dict[str, Any]:
    """A JSON request with these spans."""
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


def protobuf(name: str = "work") -> bytes:
    """A protobuf request with one span."""
    request = ExportTraceServiceRequest()
    added = request.resource_spans.add().scope_spans.add().spans.add()
    added.trace_id, added.span_id, added.name = bytes.fromhex(TRACE), b"12345678", name
    return request.SerializeToString()


def test_json_is_answered_in_json_and_its_hex_ids_are_kept(server):
    answer = server.post("traces", traces(span()))
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == {}
    server.stored(spans=1)
    found = server.get(f"traces/{TRACE}")
    assert found["trace_id"] == TRACE
    assert [s["span_id"] for s in found["spans"]] == ["b7ad6b7169203331"]


def test_protobuf_is_answered_in_protobuf(server):
    answer = server.post("traces", protobuf(), **PROTOBUF)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-protobuf")
    assert ExportTraceServiceResponse.FromString(answer.body) == ExportTraceServiceResponse()
    server.stored(spans=1)


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd.compress)],
)
def test_compressed_bodies_are_read(server, encoding, compress):
    answer = server.post("traces", compress(protobuf()), **PROTOBUF, Content_Encoding=encoding)
    assert answer.status == 200
    server.stored(spans=1)


def test_spans_that_cannot_be_kept_are_counted_and_their_neighbours_are_kept(server):
    request = traces(span(), span(span_id=""), span(trace_id="0" * 32), span("b7ad6b7169203332"))
    answer = server.post("traces", request)
    assert answer.status == 200
    partial = answer.json()["partialSuccess"]
    assert partial["rejectedSpans"] == "2"
    assert "span id" in partial["errorMessage"]
    server.stored(spans=2)
    assert server.get("status")["ingest"]["rejected"] == 2


def test_a_body_that_asks_for_more_memory_than_it_may_hold_gets_400(server):
    wide = {zstd.CompressionParameter.window_log: 27}
    compressor = zstd.ZstdCompressor(options=wide)
    body = compressor.compress(protobuf()) + compressor.flush()
    answer = server.post("traces", body, **PROTOBUF, Content_Encoding="zstd")
    assert answer.status == 400


def test_an_unknown_encoding_gets_415_and_hears_what_is_known(server):
    answer = server.post("traces", protobuf(), **PROTOBUF, Content_Encoding="br")
    assert answer.status == 415
    assert "gzip, deflate or zstd" in status_pb2.Status.FromString(answer.body).message


def test_without_a_decompressor_zstd_gets_415(server, monkeypatch):
    monkeypatch.setitem(sys.modules, zstd.__name__, None)
    answer = server.post("traces", zstd.compress(protobuf()), **PROTOBUF, Content_Encoding="zstd")
    assert answer.status == 415
    assert "pip install" in status_pb2.Status.FromString(answer.body).message


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\xff\xff\xff not protobuf", PROTOBUF),
        (protobuf()[:-3], PROTOBUF),
        (b"{", {}),
        (b"[]", {}),
        (b'"text"', {}),
        (b'{"resourceSpans": 7}', {}),
        (json.dumps(traces(span("not hexadecimal!"))).encode(), {}),
        (json.dumps(traces(span("b7ad6b71"))).encode(), {}),
        (b'{"a":' * 100_000, {}),
        (b"\x1f\x8b broken", {**PROTOBUF, "Content_Encoding": "gzip"}),
        (gzip.compress(protobuf(), mtime=0)[:-9], {**PROTOBUF, "Content_Encoding": "gzip"}),
        (gzip.compress(protobuf(), mtime=0) * 2, {**PROTOBUF, "Content_Encoding": "gzip"}),
        (b"not zstd at all", {**PROTOBUF, "Content_Encoding": "zstd"}),
        (zstd.compress(protobuf())[:-3], {**PROTOBUF, "Content_Encoding": "zstd"}),
        (zstd.compress(protobuf()) * 2, {**PROTOBUF, "Content_Encoding": "zstd"}),
    ],
)  # fmt: skip
def test_malformed_bodies_get_400_and_the_service_goes_on(server, body, headers):
    answer = server.post("traces", body, **headers)
    assert answer.status == 400
    if headers:
        assert status_pb2.Status.FromString(answer.body).message
    else:
        assert answer.json()["message"]
    assert server.post("traces", protobuf(), **PROTOBUF).status == 200
    server.stored(spans=1)


def test_a_long_body_gets_413(start):
    server = start(otlp_grpc_port=-1, max_request_bytes=4096)
    answer = server.post("traces", protobuf("x" * 5000), **PROTOBUF)
    assert answer.status == 413
    assert "serve.max_request_bytes" in status_pb2.Status.FromString(answer.body).message
    assert server.post("traces", protobuf(), **PROTOBUF).status == 200


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", partial(gzip.compress, compresslevel=9, mtime=0)), ("zstd", zstd.compress)],
)
def test_a_body_that_inflates_beyond_the_limit_gets_413(start, encoding, compress):
    server = start(otlp_grpc_port=-1, max_request_bytes=1 << 20)
    bomb = compress(b"\0" * (256 << 20))
    assert len(bomb) < 1 << 20
    answer = server.post("traces", bomb, **PROTOBUF, Content_Encoding=encoding)
    assert answer.status == 413
    assert server.post("traces", protobuf(), **PROTOBUF).status == 200


def test_a_long_body_of_unknown_length_gets_413_while_it_is_sent(start):
    server = start(otlp_grpc_port=-1, max_request_bytes=4096)
    address = urlsplit(server.addresses.otlp_http)
    with socket.create_connection((address.hostname, address.port), timeout=20) as sock:
        sock.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: application/x-protobuf\r\n\r\n"
        )
        for _ in range(8):
            sock.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
        assert sock.recv(64).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("path", "method", "headers", "status"),
    [
        ("/v1/traces", "GET", {}, 405),
        ("/v1/profiles", "POST", {}, 404),
        ("/v1/traces", "POST", {"Content_Type": "text/plain"}, 415),
        ("/v1/traces", "POST", {"Content_Encoding": "br"}, 415),
    ],
)
def test_what_is_no_otlp_is_refused_by_its_name(server, path, method, headers, status):
    url = server.addresses.otlp_http + path
    body = b"{}" if method == "POST" else None
    answer = http(url, method=method, body=body, **{"Content_Type": "application/json", **headers})
    assert answer.status == status
    if answer.headers["Content-Type"] == "application/json":
        assert answer.json()["message"]


def test_an_empty_request_is_taken(server):
    assert server.post("metrics", b"", **PROTOBUF).status == 200
    assert server.post("logs", {}).status == 200


def test_a_request_for_another_host_is_refused(server):
    answer = server.post("traces", traces(span()), Host="attacker.example:4318")
    assert answer.status == 421


def test_a_sender_that_hangs_is_told_that_the_server_stops(start, caplog):
    server = start(otlp_grpc_port=-1)
    address = urlsplit(server.addresses.otlp_http)
    with socket.create_connection((address.hostname, address.port), timeout=20) as sock:
        sock.sendall(
            b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
            b"Content-Type: application/x-protobuf\r\nExpect: 100-continue\r\n\r\nhalf"
        )
        # The server asks for the body, so that it is being read when the stop comes.
        assert sock.recv(64).startswith(b"HTTP/1.1 100")
        server.stop()
        assert sock.recv(64).startswith(b"HTTP/1.1 503")
    assert not [record for record in caplog.records if record.exc_info]
