# SPDX-License-Identifier: Apache-2.0
"""An answer may be as long and as slow as it likes: we read so much of it, and so long."""

from __future__ import annotations

import os
import resource
import ssl
import subprocess
import threading
import zlib
from dataclasses import replace

import psutil
import pytest
import requests
from hostile import KINDS, Hostile, bomb
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ffe_otel.config.model import Config, Telemetry
from ffe_otel.export import otlp
from ffe_otel.export.session import Answer, DeadlineSession, GivenUp, _retry_after
from ffe_otel.export.spool.answers import Fate
from ffe_otel.export.stats import Signal

TAKEN = {
    "a body without end",
    "a body that says it has a terabyte",
    "chunks without end",
    "a body that trickles",
}


@pytest.fixture
def hostile():
    begun = []

    def begin(pieces):
        begun.append(Hostile(pieces))
        return begun[-1]

    yield begin
    for each in begun:
        each.close()


def ended(act):
    """What a call returned, which has to end."""
    found = []
    thread = threading.Thread(target=lambda: found.append(act()), daemon=True)
    thread.start()
    thread.join(30)
    assert found, "it goes on and on"
    return found[0]


def once(url, seconds=0.6):
    try:
        return DeadlineSession(compression="none", loopback=True).once(url, b"x", {}, seconds)
    except GivenUp as error:
        return error


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_ends_whatever_the_answer_is(hostile, kind):
    server = hostile(KINDS[kind])
    answer = ended(lambda: once(server.url))
    if kind in TAKEN:
        # The status is there and says what became of the records.
        assert answer == Answer(200, b"", 0.0)
    else:
        assert isinstance(answer, GivenUp)
    assert server.sent < 32 << 20  # what the system's buffers hold is beside ours


@pytest.mark.parametrize("kind", ["a body without end", "a head that trickles"])
def test_the_session_of_the_sdk_s_exporters_ends_too(hostile, kind):
    server = hostile(KINDS[kind])

    def request():
        session = DeadlineSession(compression="none", loopback=True)
        try:
            return session.request("POST", server.url, data=b"x", timeout=0.6)
        except GivenUp as error:
            return error

    answer = ended(request)
    if kind in TAKEN:
        assert (answer.status_code, answer.content) == (200, b"")
    else:
        assert isinstance(answer, GivenUp)


def test_a_bomb_is_not_unpacked(hostile):
    server = hostile(bomb())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = ended(lambda: once(server.url, 20.0))
    assert answer.status == 200
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_a_reasonable_answer_is_read(hostile):
    server = hostile(
        lambda: iter([(b"HTTP/1.1 503 No\r\nContent-Length: 5\r\nRetry-After: 7\r\n\r\nlater", 0)])
    )
    assert ended(lambda: once(server.url)) == Answer(503, b"later", 7.0)


def test_a_date_to_try_again_counts_by_the_server_s_clock():
    response = requests.Response()
    response.headers["Retry-After"] = "Wed, 21 Oct 2015 07:28:30 GMT"
    response.headers["Date"] = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert _retry_after(response) == 30.0


class TestCompression:
    @pytest.fixture
    def sent(self):
        """Sends a request of spans with these variables; what arrived, and how it was packed."""
        from loopback import Endpoint, Reply

        asked = []

        def reply(request):
            asked.append(request)
            return Reply()

        with Endpoint(reply) as endpoint:

            def send(signal=Signal.TRACES):
                config = replace(Config(), telemetry=Telemetry(otlp_endpoint=endpoint.url))
                outcome = otlp.transport(config, signal).post(b"a request" * 100, 10.0)
                assert outcome.fate is Fate.TAKEN
                return asked[-1].headers.get("content-encoding"), asked[-1].body

            yield send

    @pytest.mark.parametrize("name", ["deflate", "Deflate ", "gzip", "none"])
    def test_is_what_the_variable_says(self, sent, monkeypatch, name):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", name)
        encoding, body = sent()
        wanted = name.strip().lower()
        assert encoding == (None if wanted == "none" else wanted)
        assert (zlib.decompress(body) if wanted == "deflate" else body) == b"a request" * 100

    def test_of_one_signal_wins(self, sent, monkeypatch):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "deflate")
        assert sent(Signal.LOGS)[0] == "deflate"
        assert sent(Signal.TRACES)[0] is None

    def test_an_unknown_one_is_said_once_and_not_used(self, sent, monkeypatch, caplog):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "zst-made-up")
        for signal in Signal:
            assert sent(signal)[0] is None
        assert caplog.text.count("zst-made-up") == 1
        assert "gzip, deflate or none" in caplog.text

    @pytest.mark.parametrize("name", ["deflate", "gzip"])
    def test_of_the_sdk_s_exporters(self, monkeypatch, name):
        from loopback import Endpoint, Reply
        from opentelemetry.sdk.trace import TracerProvider

        asked = []

        def reply(request):
            asked.append(request)
            return Reply()

        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", name)
        with Endpoint(reply) as endpoint:
            config = replace(Config(), telemetry=Telemetry(otlp_endpoint=endpoint.url))
            provider = TracerProvider(shutdown_on_exit=False)
            provider.add_span_processor(otlp.span_processor(config))
            provider.get_tracer("t").start_span("packed").end()
            provider.shutdown()
        [request] = asked
        assert request.headers["content-encoding"] == name
        body = zlib.decompress(request.body) if name == "deflate" else request.body
        spans = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans
        assert [span.name for span in spans] == ["packed"]


class TestTls:
    @pytest.fixture
    def certificate(self, tmp_path):
        key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=test",
             "-addext", "subjectAltName=IP:127.0.0.1"],
            check=True, capture_output=True,
        )  # fmt: skip
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        return str(certificate)

    def begin(self, pieces, certificate):
        session = DeadlineSession(compression="none", loopback=True)
        session.verify = certificate
        return Hostile(pieces, self.context), session

    @pytest.mark.parametrize("kind", ["a body without end", "a body that trickles"])
    def test_ends_as_well(self, certificate, kind):
        server, session = self.begin(KINDS[kind], certificate)
        answer = ended(lambda: session.once(server.url, b"x", {}, 1.0))
        server.close()
        assert answer == Answer(200, b"", 0.0)

    def test_a_handshake_that_is_not_answered(self, hostile):
        server = hostile(KINDS["no answer"])
        answer = ended(lambda: once(server.url.replace("http:", "https:")))
        assert isinstance(answer, GivenUp)

    def test_a_kept_connection_whose_number_is_somebody_else_s(self, certificate, tmp_path):
        kept = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        server, session = self.begin(lambda: iter([(kept, 0.0), (b"", 60.0)]), certificate)
        assert session.once(server.url, b"x", {}, 10.0).body == b"ok"
        [number] = _connected_to(server.url)
        own = os.open(tmp_path / "own", os.O_RDWR | os.O_CREAT)
        os.dup2(own, number)
        assert session.once(server.url, b"x", {}, 10.0).body == b"ok"
        session.close()
        assert os.fstat(number).st_ino == os.fstat(own).st_ino
        assert (tmp_path / "own").read_bytes() == b""
        os.close(number)
        os.close(own)
        server.close()


def _connected_to(url):
    """Numbers of this process's sockets that are connected to a server."""
    port = int(url.rpartition(":")[2])
    return {
        each.fd
        for each in psutil.Process().net_connections("tcp")
        if each.raddr and each.raddr.port == port
    }
