# SPDX-License-Identifier: Apache-2.0
"""The overlay for other machines: TLS 1.3, client certificates, a user with a password."""

import base64
import ssl
import urllib.error
import urllib.request

import bcrypt
import grpc
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from stack_certificates import Authority
from stack_sending import trace_request
from stack_server import until

USER, PASSWORD = "engine", "right-password"


def basic(password=PASSWORD):
    return "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode()


class Secured:
    """A Collector with the overlay, and clients with what they bring along."""

    def __init__(self, make_collector, sink, folder):
        self.authority = Authority(folder, "authority")
        server = self.authority.issue("server")
        self.client = self.authority.issue("client")
        self.stranger = Authority(folder, "strangers").issue("stranger")
        htpasswd = folder / "htpasswd"
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        htpasswd.write_text(f"{USER}:{hashed}\n")
        self.collector = make_collector(
            "tls",
            env={
                "FFE_SERVE_OTLP": sink.url,
                "FFE_COLLECTOR_HTPASSWD": str(htpasswd),
                "FFE_COLLECTOR_TLS_CERT": str(server[0]),
                "FFE_COLLECTOR_TLS_KEY": str(server[1]),
                "FFE_COLLECTOR_TLS_CLIENT_CA": str(self.authority.file),
            },
        ).run()
        self.url = self.collector.otlp_http.replace("http:", "https:")

    def context(self, certificate=None, most=ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=str(self.authority.file))
        context.maximum_version = most
        if certificate is not None:
            context.load_cert_chain(*map(str, certificate))
        return context

    def send(self, context, authorization=None):
        """The status of the answer; raises when there is none."""
        headers = {"Content-Type": "application/x-protobuf"}
        if authorization:
            headers["Authorization"] = authorization
        body = trace_request(["sent"]).SerializeToString()
        request = urllib.request.Request(f"{self.url}/v1/traces", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as response:
                return response.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code


@pytest.fixture
def secured(make_collector, sink, tmp_path):
    return Secured(make_collector, sink, tmp_path)


def test_certificate_and_password_open_it(secured, sink):
    assert secured.send(secured.context(secured.client), basic()) == 200
    (span,) = until(sink.spans)
    assert span.name == "sent"


@pytest.mark.parametrize(
    ("which", "reason"),
    [
        (None, "client didn't provide a certificate"),
        ("stranger", "certificate signed by unknown authority"),
    ],
)
def test_without_a_certificate_of_the_authority_nothing_gets_in(secured, sink, which, reason):
    context = secured.context(which and getattr(secured, which))
    # What the client sees depends on how fast it is: an alert, or the end of the connection.
    with pytest.raises((urllib.error.URLError, OSError)):
        secured.send(context, basic())
    until(lambda: any(reason in m["msg"] for m in secured.collector.messages()))
    assert sink.bodies == []


def test_older_tls_is_refused(secured):
    context = secured.context(secured.client, ssl.TLSVersion.TLSv1_2)
    with pytest.raises((urllib.error.URLError, OSError)):
        secured.send(context, basic())


def test_plain_http_is_refused(secured):
    url = secured.url.replace("https:", "http:")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{url}/v1/traces", b"x", timeout=10)
    with caught.value as answer:
        assert answer.code == 400


@pytest.mark.parametrize("authorization", [None, basic("wrong"), "Bearer x"])
def test_a_wrong_password_is_refused(secured, sink, authorization):
    assert secured.send(secured.context(secured.client), authorization) == 401
    assert sink.bodies == []


def test_grpc_asks_for_the_same(secured, sink):
    def send(authorization, certificate):
        credentials = grpc.ssl_channel_credentials(
            secured.authority.file.read_bytes(),
            certificate and certificate[1].read_bytes(),
            certificate and certificate[0].read_bytes(),
        )
        with grpc.secure_channel(secured.collector.otlp_grpc, credentials) as channel:
            metadata = (("authorization", authorization),)
            TraceServiceStub(channel).Export(trace_request(["sent"]), 10, metadata)

    for authorization, certificate, code in (
        (basic("wrong"), secured.client, grpc.StatusCode.UNAUTHENTICATED),
        (basic(), None, grpc.StatusCode.UNAVAILABLE),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            send(authorization, certificate)
        assert caught.value.code() == code
    assert sink.bodies == []
    send(basic(), secured.client)
    assert until(sink.spans)


def test_the_standard_variables_are_all_an_engine_needs(secured, sink, monkeypatch):
    # requests prefers these to what the exporter was told.
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", secured.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(secured.authority.file))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", str(secured.client[0]))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", str(secured.client[1]))
    encoded = basic().replace(" ", "%20").replace("=", "%3D")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization={encoded}")
    from ffe_otel.config import Config
    from ffe_otel.export.otlp import span_exporter

    for exporter in (OTLPSpanExporter(), span_exporter(Config())):
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        with provider.get_tracer("t").start_as_current_span("sent"):
            pass
        provider.shutdown()
    until(lambda: len(sink.spans()) == 2)
