# SPDX-License-Identifier: Apache-2.0
"""Secrets of senders without our redaction do not get through the Collector."""

import re

import planted
import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.trace import Status, StatusCode
from otlp_sink import attributes
from redaction_collector_examples import MISSED, TOO_MUCH
from stack_server import until

from ffe_otel.redaction import load_catalogue
from ffe_otel.redaction.collector_patterns import left_out

# docs/collector.md lists them; the engine's own side redacts them.
NOT_COVERED = {"link", "attribute_key", "bytes", "metric_name", "literal"}


@pytest.fixture
def sent(collector, sink, make_sender):
    sender = make_sender(collector.otlp_http, resource=planted.resource(), views=planted.views())
    planted.emit_spans(sender.traces)
    planted.emit_logs(sender.logs)
    planted.emit_metrics(sender.metrics)
    sender.flush()
    until(lambda: sink.spans() and len(sink.logs()) == 2 and sink.metric_names())
    return sink


def test_every_surface_but_for_the_known_ones_is_clean(sent, collector):
    assert set(planted.leaks(sent.everything())) == NOT_COVERED
    assert set(planted.leaks(collector.scrape().encode())) <= {"metric_name"}


def test_the_rest_stays_as_it_was(sent):
    (span,) = sent.spans()
    assert span.name == "call ****"
    assert span.status.message == "failed ****"
    assert span.trace_state == "vendor=****"
    assert [event.name for event in span.events] == ["event ****", "exception"]
    found = attributes(span)
    assert found["url.full"] == "https://x.example/q****&limit=5"
    assert not [key for key in found if key.startswith("ffe.collector")]
    text, structured = sent.logs()
    assert (text.severity_text, text.event_name) == ("INFO ****", "event ****")
    assert not [key for key in attributes(text) if key.startswith("ffe.collector")]
    assert structured.body.kvlist_value.values[0].key == "map"


def test_one_corpus_through_the_engine_s_side_and_the_collector(collector, sink, make_sender):
    """The catalogue's own examples, one span and one record each: alike but for what is listed."""
    catalogue = load_catalogue()
    sender = make_sender(collector.otlp_http)
    tracer, logger = sender.traces.get_tracer("t"), sender.logs.get_logger("l")
    matches = [example for rule in catalogue.rules for example in rule.match]
    clean = [example for rule in catalogue.rules for example in rule.no_match]
    examples = matches + clean
    for number, example in enumerate(examples):
        text = re.sub("[«»]", "", example)
        with tracer.start_as_current_span(text) as span:
            span.set_attribute("number", number)
            span.set_attribute("note", text)
            span.add_event(text, {"note": text})
            span.set_status(Status(StatusCode.ERROR, text))
        logger.emit(LogRecord(body=text, attributes={"number": number, "note": text}))
    sender.flush()
    until(lambda: len(sink.spans()) == len(sink.logs()) == len(examples))
    spans = {attributes(span)["number"]: span for span in sink.spans()}
    logs = {attributes(log)["number"]: log for log in sink.logs()}
    leaked, touched = set(), set()
    for number, example in enumerate(examples):
        arrived = spans[number].SerializeToString() + logs[number].SerializeToString()
        text = re.sub("[«»]", "", example)
        if number >= len(matches):
            if attributes(spans[number])["note"] != text:
                touched.add(text)
        elif any(s.encode() in arrived for s in re.findall("«(.*?)»", example, re.DOTALL)):
            leaked.add(text)
    by_code = {re.sub("[«»]", "", e) for rule in left_out(catalogue) for e in rule.match}
    assert leaked - by_code == MISSED
    assert touched == TOO_MUCH


def test_what_the_engine_redacted_keeps_the_name_of_its_rule(collector, sink, make_sender):
    sender = make_sender(collector.otlp_http)
    with sender.traces.get_tracer("t").start_as_current_span("GET ?key=[redacted:x-y]") as span:
        span.set_attribute("api_key", "[redacted:api-key]")
        span.set_attribute("note", "api_key=[redacted:api-key], symbol=BTCUSD")
        span.set_attribute("ffe.llm.tokens", 512)
        span.set_attribute("ffe.asset_pairs", ["BTCUSD", "ETHUSD"])
    sender.flush()
    (span,) = until(sink.spans)
    assert span.name == "GET ?key=[redacted:x-y]"
    assert attributes(span) == {
        "api_key": "[redacted:api-key]",
        "note": "api_key=[redacted:api-key], symbol=BTCUSD",
        "ffe.llm.tokens": 512,
        "ffe.asset_pairs": ["BTCUSD", "ETHUSD"],
    }
