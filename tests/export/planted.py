# SPDX-License-Identifier: Apache-2.0
"""One secret for each surface of telemetry, and code that puts them there.

Also run as a program, by tests that need a process of their own:
``planted.py env|file PATH`` installs redaction, configures the SDK and emits everything.
"""

import base64
import logging
import sys
from urllib.parse import quote

from opentelemetry import context, trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags, TraceState

SURFACES = (
    "span_name", "attribute", "attribute_key", "nested", "list", "bytes", "event_name", "event",
    "exception", "stack", "link", "status", "trace_state", "scope_name", "scope", "resource",
    "body", "body_map", "log_attribute", "log_nested", "event_record_name", "severity",
    "metric_label", "metric_name", "exemplar", "url", "header", "pem", "literal",
)  # fmt: skip


def secret(surface):
    """A credential by shape, unique to the surface."""
    return f"ghp_{surface.replace('_', '')}0123456789Fake"


SECRETS = {surface: secret(surface) for surface in SURFACES} | {
    "url": "DEMOFAKEKEY01234",
    "header": "hunter2-of-the-header",
    "pem": "MHcCAQEEIFakeKeyMaterial",
    "literal": "literal-secret-of-the-test",
}
PEM = f"-----BEGIN EC PRIVATE KEY-----\n{SECRETS['pem']}\n-----END EC PRIVATE KEY-----"


def leaks(data):
    """Surfaces whose secrets are in ``data``, as they are, URL-encoded or in base64."""
    found = []
    for surface, value in SECRETS.items():
        forms = {value, quote(value, safe="")} | {
            base64.b64encode(b"\0" * n + value.encode()).decode()[4:-4] for n in range(3)
        }
        if any(form.encode() in data for form in forms):
            found.append(surface)
    return found


def resource():
    return Resource({"service.name": "planted", "cloud.note": SECRETS["resource"]})


def emit_spans(provider):
    """Two spans with a secret wherever spans can carry one."""
    tracer = provider.get_tracer(
        f"scope {SECRETS['scope_name']}", "1", attributes={"note": SECRETS["scope"]}
    )
    other = SpanContext(
        1, 2, is_remote=True, trace_flags=TraceFlags(1),
        trace_state=TraceState([("vendor", SECRETS["trace_state"])]),
    )  # fmt: skip
    parent = trace.set_span_in_context(trace.NonRecordingSpan(other))
    link = Link(other, {"note": SECRETS["link"]})
    with tracer.start_as_current_span(
        f"call {SECRETS['span_name']}", context=parent, links=[link]
    ) as span:
        span.set_attribute("note", SECRETS["attribute"])
        span.set_attribute(SECRETS["attribute_key"], 1)
        span.set_attribute("list", ["a", SECRETS["list"]])
        span.set_attribute("bytes", SECRETS["bytes"].encode())
        span.set_attribute("url.full", f"https://x.example/q?apikey={SECRETS['url']}&limit=5")
        span.set_attribute("http.request.header.x_api_key", (SECRETS["header"],))
        span.set_attribute("dump", f"loaded {PEM} and {SECRETS['literal']}")
        span.add_event(f"event {SECRETS['event_name']}", {"note": SECRETS["event"]})
        try:
            raise ValueError(f"broken {SECRETS['exception']}")  # noqa: TRY301
        except ValueError as error:
            span.record_exception(error, {"exception.stacktrace": f"at {SECRETS['stack']}"})
        span.set_status(Status(StatusCode.ERROR, f"failed {SECRETS['status']}"))


def emit_nested_attribute(provider):
    """A nested attribute value, which SDK 1.44 does not take."""
    with provider.get_tracer("nested").start_as_current_span("nested") as span:
        span.set_attribute("nested", {"deep": [{"note": SECRETS["nested"]}]})


def emit_logs(provider):
    """Log records with a secret wherever they can carry one."""
    log = provider.get_logger(f"logger {SECRETS['scope_name']}")
    for body in (f"text {SECRETS['body']} {PEM}", {"map": [SECRETS["body_map"]]}):
        log.emit(
            LogRecord(
                timestamp=1,
                observed_timestamp=2,
                context=context.Context(),
                severity_text=f"INFO {SECRETS['severity']}",
                severity_number=SeverityNumber.INFO,
                body=body,
                attributes={
                    "note": SECRETS["log_attribute"],
                    "deep": {"list": [SECRETS["log_nested"]]},
                    "url": f"https://x.example/q?apikey={SECRETS['url']}",
                    "headers": {"Authorization": f"Bearer {SECRETS['header']}"},
                    "literal": SECRETS["literal"],
                },
                event_name=f"event {SECRETS['event_record_name']}",
            )
        )


def views():
    """Makes a label an attribute of exemplars only."""
    return [View(instrument_name="planted", attribute_keys={"label", "password"})]


def emit_metrics(provider):
    """A histogram with a secret in its labels, name, description and exemplar."""
    meter = provider.get_meter("ffe_otel.planted")
    histogram = meter.create_histogram("planted", description=f"about {SECRETS['metric_name']}")
    sampled = SpanContext(3, 4, is_remote=False, trace_flags=TraceFlags(1))
    inside = trace.set_span_in_context(trace.NonRecordingSpan(sampled))
    labels = {"label": SECRETS["metric_label"], "password": SECRETS["header"]}
    histogram.record(1.0, {**labels, "kept_for_exemplars": SECRETS["exemplar"]}, context=inside)


def main():
    from ffe_otel.export import seams
    from ffe_otel.export.stats import ExportStats
    from ffe_otel.redaction import Redactor, load_catalogue

    logging.disable()
    seams.install(Redactor(load_catalogue(), [SECRETS["literal"]]), ExportStats())
    if sys.argv[1] == "env":
        from opentelemetry.sdk._configuration import _OTelSDKConfigurator

        _OTelSDKConfigurator().configure()
    else:
        from opentelemetry.configuration import configure_sdk, load_config_file

        configure_sdk(load_config_file(sys.argv[2]))
    from opentelemetry._logs import get_logger_provider
    from opentelemetry.metrics import get_meter_provider

    emit_spans(trace.get_tracer_provider())
    emit_logs(get_logger_provider())
    emit_metrics(get_meter_provider())
    for provider in (trace.get_tracer_provider(), get_logger_provider(), get_meter_provider()):
        provider.shutdown()


if __name__ == "__main__":
    main()
