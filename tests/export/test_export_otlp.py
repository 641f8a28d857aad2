# SPDX-License-Identifier: Apache-2.0
"""OTLP: what goes where, what happens when nobody listens, and how long an exit takes."""

import contextlib
import gzip
import logging
import re
import socket
import ssl
import subprocess
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from ffe_otel.config.model import Config, Intervals, Limits, Metrics, Telemetry
from ffe_otel.export import otlp
from ffe_otel.export.budget import ShutdownBudget
from ffe_otel.export.session import DeadlineSession, GivenUp
from ffe_otel.export.spool.answers import Fate
from ffe_otel.export.stats import Signal


def config(url, **telemetry):
    return Config(
        telemetry=Telemetry(otlp_endpoint=url, **{"otlp_timeout_seconds": 30.0} | telemetry),
        limits=Limits(queue_size=4096, shutdown_seconds=2.0),
        metrics=Metrics(intervals=Intervals(api_metrics=60.0, resource_metrics=1000.0)),
    )


@pytest.fixture
def closed_port():
    """The URL of a port where nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{found.getsockname()[1]}"


@pytest.fixture
def black_hole():
    """The URL of a server that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def providers():
    """Builds the three providers of a configuration."""
    built = []

    def build(configuration):
        tracer, logger = (
            TracerProvider(shutdown_on_exit=False),
            LoggerProvider(shutdown_on_exit=False),
        )
        tracer.add_span_processor(otlp.span_processor(configuration))
        logger.add_log_record_processor(otlp.log_processor(configuration))
        meter = MeterProvider([otlp.metric_reader(configuration)], shutdown_on_exit=False)
        built.extend((tracer, logger, meter))
        return built

    return build


def emit(tracer, logger, meter, count=1):
    for _ in range(count):
        with tracer.get_tracer("otlp").start_as_current_span("s", attributes={"password": "pw"}):
            pass
        logger.get_logger("otlp").emit(body="line")
    meter.get_meter("ffe_otel").create_counter("c").add(1)


class TestSending:
    def test_three_signals_arrive_redacted(self, installed, providers, receiver, stats):
        built = providers(config(f"{receiver.url}/", otlp_headers={"X-Tenant": "a"}))
        emit(*built)
        for provider in built:
            provider.shutdown()
        assert sorted(path for path, _, _ in receiver.requests) == [
            "/v1/logs",
            "/v1/metrics",
            "/v1/traces",
        ]
        assert {headers["x-tenant"] for _, headers, _ in receiver.requests} == {"a"}
        body = next(body for path, _, body in receiver.requests if path == "/v1/traces")
        message = ExportTraceServiceRequest.FromString(body)
        (found,) = message.resource_spans[0].scope_spans[0].spans
        assert found.attributes[0].value.string_value == "[redacted:password]"
        assert stats.snapshot().exported == {"traces": 1, "logs": 1, "metrics": 1}

    def test_metrics_of_the_engine_under_our_names_stay_here(self, installed, providers, receiver):
        built = providers(config(receiver.url))
        for scope in ("ffe_otel", "finance_feedback_engine"):
            meter = built[2].get_meter(scope)
            meter.create_counter("ffe_provider_requests_total").add(1)
            meter.create_histogram("ffe_decision_generation_latency_seconds", "s").record(1)
            meter.create_gauge("engine_only" if scope != "ffe_otel" else "ours_only").set(1)
        for provider in built:
            provider.shutdown()
        message = ExportMetricsServiceRequest.FromString(receiver.requests[-1][2])
        scopes = {
            s.scope.name: sorted(m.name for m in s.metrics)
            for s in message.resource_metrics[0].scope_metrics
        }
        assert scopes == {
            "ffe_otel": [
                "ffe_decision_generation_latency_seconds",
                "ffe_provider_requests_total",
                "ours_only",
            ],
            "finance_feedback_engine": ["engine_only"],
        }

    def test_compresses_when_told_to(self, monkeypatch, receiver):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip")
        session = otlp.span_exporter(config(receiver.url))._deadline_session
        session.request("POST", receiver.url, data=b"x" * 1000, timeout=30)
        _, headers, body = receiver.requests[0]
        assert headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(body) == b"x" * 1000

    @pytest.mark.parametrize(
        ("endpoint", "environment", "compressed"),
        [
            ("http://127.0.0.1:4318", "", False),
            ("http://[::1]:4318", "", False),
            ("https://collector.example", "", True),
            ("https://collector.example", "none", False),
            ("http://localhost:4318", "gzip", True),
        ],
    )
    def test_compresses_where_it_pays(self, monkeypatch, endpoint, environment, compressed):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", environment)
        session = otlp.log_exporter(config(endpoint))._deadline_session
        assert (session._compression == "gzip") is compressed


class TestEnvironment:
    def test_endpoint(self, monkeypatch):
        configured = config("http://127.0.0.1:1/")
        assert otlp.endpoint(configured, "logs") == "http://127.0.0.1:1/v1/logs"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:2")
        assert otlp.endpoint(configured, "logs") == "http://127.0.0.1:2/v1/logs"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://127.0.0.1:3/in")
        assert otlp.endpoint(configured, "logs") == "http://127.0.0.1:3/in"
        assert otlp.endpoint(configured, "traces") == "http://127.0.0.1:2/v1/traces"

    def test_headers_and_timeout_win(self, monkeypatch, receiver):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20env,b=2")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "7")
        settings = otlp._settings(
            config(receiver.url, otlp_headers={"Authorization": "file", "c": "3"}),
            otlp.Signal.TRACES,
        )
        assert settings.headers == {"authorization": "Bearer env", "b": "2", "c": "3"}
        assert settings.timeout == 7.0

    def test_a_timeout_that_is_no_number_is_reported(self, monkeypatch, caplog):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")
        settings = otlp._settings(config("http://127.0.0.1:1"), otlp.Signal.LOGS)
        assert settings.timeout == 30.0
        assert "OTEL_EXPORTER_OTLP_TIMEOUT is 'soon'" in caplog.text

    def test_batch_and_interval_variables_win(self, monkeypatch):
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "600")
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "5000")
        configured = config("http://127.0.0.1:1")
        processor = otlp.span_processor(configured)
        reader = otlp.metric_reader(configured)
        other = otlp.log_processor(configured)
        assert processor._batch_processor._max_queue_size == 600
        assert other._batch_processor._max_queue_size == 4096
        assert reader._export_interval_millis == 5000
        for part in (processor, other, reader):
            part.shutdown()

    def test_proxies_are_not_asked_for_this_machine(self):
        assert otlp.span_exporter(config("http://localhost:1"))._deadline_session.trust_env is False
        assert otlp.span_exporter(config("http://far.example"))._deadline_session.trust_env is True


class TestTransport:
    """Ready requests, posted once: trying again is up to the sender."""

    def test_posts_the_bytes_with_what_is_configured(self, monkeypatch, receiver):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        transport = otlp.transport(
            config(receiver.url, otlp_headers={"X-Tenant": "a"}), Signal.LOGS
        )
        assert transport.post(b"ready" * 100, 30).fate is Fate.TAKEN
        [(path, headers, body)] = receiver.requests
        assert (path, headers["x-tenant"]) == ("/v1/logs", "a")
        assert headers["Content-Type"] == "application/x-protobuf"
        assert gzip.decompress(body) == b"ready" * 100

    @pytest.mark.parametrize(
        ("answer", "fate", "wait"),
        [
            ((503, {}), Fate.LATER, 0.0),
            ((429, {"Retry-After": "17"}), Fate.LATER, 17.0),
            ((400, {}), Fate.REFUSED, 0.0),
            ((302, {"Location": "/elsewhere"}), Fate.LATER, 0.0),
        ],
    )
    def test_one_attempt(self, receiver, answer, fate, wait):
        receiver.answers = [answer]
        outcome = otlp.transport(config(receiver.url), Signal.TRACES).post(b"x", 30)
        assert (outcome.fate, outcome.wait_seconds) == (fate, wait)
        assert len(receiver.requests) == 1

    def test_nobody_there(self, closed_port):
        outcome = otlp.transport(config(closed_port), Signal.TRACES).post(b"x", 30)
        assert (outcome.fate, outcome.reason) == (Fate.UNREACHABLE, "connection refused")

    def test_nobody_answers(self, black_hole):
        outcome = otlp.transport(config(black_hole), Signal.TRACES).post(b"x", 0.1)
        assert (outcome.fate, outcome.reason) == (Fate.UNREACHABLE, "no answer within 0.1 s")

    def test_a_certificate_file_that_is_not_there(self, monkeypatch):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "none.pem")
        outcome = otlp.transport(config("https://127.0.0.1:1"), Signal.TRACES).post(b"x", 30)
        assert outcome.fate is Fate.UNREACHABLE
        assert "none.pem" in outcome.reason

    def test_the_schedule_delay_is_the_sender_s(self, monkeypatch):
        configured = config("http://127.0.0.1:1")
        assert otlp.interval(configured, Signal.TRACES) == 60.0
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3000")
        assert otlp.interval(configured, Signal.TRACES) == 3.0
        assert otlp.interval(configured, Signal.LOGS) == 60.0


class TestRetrying:
    def test_until_it_works(self, receiver):
        receiver.answers = [(503, {}), (429, {"Retry-After": "0"}), (200, {})]
        session = DeadlineSession(compression="none", loopback=True)
        assert session.request("POST", receiver.url, data=b"x", timeout=60).status_code == 200
        assert len(receiver.requests) == 3
        assert session.problem == ""

    def test_not_after_a_refusal(self, receiver):
        receiver.answers = [(401, {})]
        session = DeadlineSession(compression="none", loopback=True)
        assert session.request("POST", receiver.url, data=b"x", timeout=60).status_code == 401
        assert len(receiver.requests) == 1

    def test_not_when_the_server_wants_more_time_than_there_is(self, receiver):
        receiver.answers = [(503, {}), (503, {"Retry-After": "3600"})]
        session = DeadlineSession(compression="none", loopback=True)
        with pytest.raises(GivenUp, match="answered 503"):
            session.request("POST", receiver.url, data=b"x", timeout=60)
        assert len(receiver.requests) == 2

    def test_the_reason_is_in_plain_words(self, closed_port):
        session = DeadlineSession(compression="none", loopback=True)
        session.begin_shutdown(30)
        with pytest.raises(GivenUp, match="connection refused"):
            session.request("POST", closed_port, data=b"x", timeout=60)
        assert session.problem == "connection refused"

    def test_giving_up_is_no_reason_for_the_sdk_to_try_again(self):
        assert issubclass(GivenUp, requests.RequestException)
        assert not issubclass(GivenUp, requests.ConnectionError | requests.Timeout)

    def test_a_forked_child_makes_connections_of_its_own(self, receiver):
        session = DeadlineSession(compression="none", loopback=True)
        session.request("POST", receiver.url, data=b"parent", timeout=60)
        before = session.get_adapter(receiver.url)
        session._reconnect()
        assert session.get_adapter(receiver.url) is not before
        assert not session.closing


class TestTls:
    """What cannot be trusted is not the same as what is not there."""

    @pytest.fixture
    def secure(self, tmp_path):
        """Starts a TLS server with a certificate for the names; returns its URL and the file."""
        with contextlib.ExitStack() as stack:

            def start(names):
                key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
                subprocess.run(
                    ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                     "-days", "2", "-subj", "/CN=test", "-addext", f"subjectAltName={names}"],
                    check=True, capture_output=True,
                )  # fmt: skip
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate, key)
                server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
                server.socket = context.wrap_socket(server.socket, server_side=True)
                server.handle_error = lambda *_: None
                thread = threading.Thread(target=server.serve_forever, args=(0.01,))
                thread.start()
                stack.callback(thread.join)
                stack.callback(server.server_close)
                stack.callback(server.shutdown)
                return f"https://127.0.0.1:{server.server_port}", certificate

            yield start

    @pytest.mark.parametrize(
        ("names", "trusted", "reason"),
        [
            ("IP:127.0.0.1", False, "its certificate is not trusted: self-signed certificate"),
            # The words of OpenSSL, and those of urllib3 before version 2.
            ("DNS:elsewhere", True, "not valid for '127.0.0.1'|'127.0.0.1' doesn't match"),
        ],
    )
    def test_a_certificate_that_is_not_trusted(
        self, installed, providers, secure, caplog, monkeypatch, names, trusted, reason
    ):
        url, certificate = secure(names)
        if trusted:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(certificate))
        built = providers(config(url))
        emit(*built)
        built[0].shutdown()
        [line] = [r.getMessage() for r in caplog.records if r.name == "ffe_otel.export"]
        assert re.search(reason, line)
        assert "_ssl.c" not in line
        assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in line
        assert "ffe-otel serve" not in line

    def test_a_certificate_file_that_is_not_there(
        self, installed, providers, secure, caplog, monkeypatch
    ):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "none.pem")
        built = providers(config(secure("IP:127.0.0.1")[0]))
        emit(*built)
        built[0].shutdown()
        [line] = [r.getMessage() for r in caplog.records if r.name == "ffe_otel.export"]
        assert "none.pem" in line
        assert "set OTEL_EXPORTER_OTLP_CERTIFICATE" in line

    def test_the_exporter_s_own_certificate_wins_over_the_bundle_of_requests(
        self, secure, monkeypatch, tmp_path
    ):
        url, certificate = secure("IP:127.0.0.1")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
        session = DeadlineSession(compression="none", loopback=False)
        session.verify = str(certificate)
        # The server knows no POST; that it says so is enough.
        assert session.post(f"{url}/v1/traces", data=b"x", timeout=5).status_code == 501

    def test_a_server_without_tls(self, installed, providers, receiver, caplog):
        built = providers(config(receiver.url.replace("http:", "https:")))
        emit(*built)
        built[0].shutdown()
        [line] = [r.getMessage() for r in caplog.records if r.name == "ffe_otel.export"]
        assert "no TLS connection: wrong version number" in line
        assert "ffe-otel serve" not in line


class TestShutdown:
    """``limits.shutdown_seconds`` is a promise, so these measure."""

    @pytest.mark.parametrize("endpoint", ["closed_port", "black_hole"])
    @pytest.mark.parametrize("under_way", [False, True])
    def test_ends_in_time(self, request, installed, providers, stats, endpoint, under_way):
        configured = config(request.getfixturevalue(endpoint))
        if under_way:
            intervals = Intervals(api_metrics=0.1, resource_metrics=0.1)
            configured = replace(configured, metrics=Metrics(intervals=intervals))
        built = providers(configured)
        emit(*built, count=1500)
        if under_way:
            # The workers are inside of a request or of a pause between two.
            deadline = time.monotonic() + 60
            while stats.snapshot().queued["logs"] == 1500 and time.monotonic() < deadline:
                time.sleep(0.01)
        begin = time.monotonic()
        for provider in built:
            provider.shutdown()
        assert time.monotonic() - begin < 2 * configured.limits.shutdown_seconds
        lost = stats.snapshot().dropped
        assert lost["traces", "shutdown"] + lost.get(("traces", "export_failed"), 0) >= 1500 - 512

    def test_budget_is_shared_and_renewed(self):
        now = [100.0]
        budget = ShutdownBudget(2.0, lambda: now[0])
        shares = []
        for _ in range(4):
            shares.append(budget.share())
            now[0] += shares[-1]
        assert shares == [1.0, 0.5, 0.25, 0.125]
        now[0] += 1.0
        assert budget.share() == 0.0
        now[0] += 60.0
        assert budget.share() == 1.0

    def test_without_a_budget_the_sdk_decides(self, redactor, stats):
        from ffe_otel.export import seams

        handle = seams.install(redactor, stats)
        processor = otlp.span_processor(config("http://127.0.0.1:1"))
        processor.shutdown()
        assert not processor.span_exporter.closing
        handle.undo()


class TestQuiet:
    def test_a_dead_endpoint_is_one_warning(self, installed, providers, closed_port, caplog):
        caplog.set_level(logging.DEBUG)
        logging.getLogger("urllib3").setLevel(logging.WARNING)
        built = providers(config(closed_port, otlp_timeout_seconds=0.05))
        emit(*built, count=3)
        for provider in built[:2]:
            provider.force_flush()
        emit(*built, count=3)
        for provider in built[:2]:
            provider.force_flush()
        lines = [r for r in caplog.records if r.levelno >= logging.INFO]
        assert [r.name for r in lines] == ["ffe_otel.export"]
        text = lines[0].getMessage()
        assert closed_port in text
        assert "connection refused" in text
        assert "ffe-otel serve" in text
        for provider in built:
            provider.shutdown()

    def test_an_end_with_nothing_delivered_is_said_once(
        self, installed, providers, closed_port, caplog
    ):
        built = providers(config(closed_port))
        emit(*built)
        for provider in built:
            provider.shutdown()
        [line] = [r.getMessage() for r in caplog.records if r.name == "ffe_otel.export"]
        assert line.startswith(f"Telemetry cannot be sent to {closed_port} (connection refused)")
        assert "the last of it is lost" in line
        assert "next message" not in line

    def test_an_end_without_anything_recorded_is_not_mentioned(
        self, installed, providers, closed_port, caplog
    ):
        built = providers(config(closed_port))
        built[2].get_meter("ffe_otel").create_counter("c").add(1)
        for provider in built:
            provider.shutdown()
        assert [r for r in caplog.records if r.name == "ffe_otel.export"] == []

    def test_an_end_with_everything_delivered_is_not_mentioned(
        self, installed, providers, receiver, caplog
    ):
        built = providers(config(receiver.url))
        emit(*built)
        for provider in built:
            provider.shutdown()
        assert [r for r in caplog.records if r.name == "ffe_otel.export"] == []

    def test_other_lines_pass_once(self, installed, caplog):
        logger = logging.getLogger("opentelemetry.attributes")
        for value in ("a", "b"):
            logger.warning("Invalid type %s", value)
        assert [r.getMessage() for r in caplog.records] == ["Invalid type a"]
