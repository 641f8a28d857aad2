# SPDX-License-Identifier: Apache-2.0
"""What is logged as data stays data in every output, and is redacted by its names."""

from __future__ import annotations

import dataclasses
import enum
import json
import logging

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter

import ffe_otel
from ffe_otel.config.model import Config, LogFile, Logging, LogOutputs
from ffe_otel.export import encode

SECRET = "Qm7zX2vB9nK4tR8wL1pD6sF3hJ5gY0cA"


@dataclasses.dataclass
class Order:
    pair: str
    amount: float


@dataclasses.dataclass
class Shown(Order):
    def __str__(self):
        return f"{self.amount} {self.pair}"


class Side(enum.IntEnum):
    BUY = 1


@pytest.mark.parametrize(
    ("message", "body"),
    [
        (
            {"event": "filled", "pair": "BTCUSD", "n": 3},
            {"event": "filled", "pair": "BTCUSD", "n": 3},
        ),
        ({"a": {"b": [1, "x", None, 2.5]}}, {"a": {"b": [1, "x", None, 2.5]}}),
        ([1, "two", {"three": 3}], [1, "two", {"three": 3}]),
        (("a", "b"), ["a", "b"]),
        (Order("BTCUSD", 0.5), {"pair": "BTCUSD", "amount": 0.5}),
        ({"order": Order("BTCUSD", 0.5)}, {"order": {"pair": "BTCUSD", "amount": 0.5}}),
        (b"bytes \xff", "bytes \\xff"),
        (5, 5),
        (2.5, 2.5),
        (True, True),
        (2**70, str(2**70)),
        ({}, {}),
        (Shown("BTCUSD", 0.5), "0.5 BTCUSD"),
        (Side.BUY, str(Side.BUY)),
        (ValueError("no funds"), "no funds"),
        (None, "None"),
    ],
)
def test_a_message_that_is_no_text(start, logger, message, body):
    bench = start()
    logger.info(message)
    (line,) = bench.lines()
    assert line["message"] == body
    assert type(line["message"]) is type(body)
    (record,) = bench.records()
    assert record.body == body
    (sent,) = _sent(bench.exporter.get_finished_logs())
    assert _plain(sent.body) == body


def test_it_is_as_it_was_when_it_was_logged(start, logger):
    bench = start()
    event = {"event": "filled", "legs": [1]}
    logger.info(event)
    event["legs"].append(2)
    assert bench.messages() == [{"event": "filled", "legs": [1]}]


def test_for_people_it_is_json(start, logger):
    bench = start(format="text")
    logger.info({"event": "filled", "pair": "BTCUSD"})
    assert '{"event":"filled","pair":"BTCUSD"}' in bench.text()


def test_arguments_are_for_texts(start, logger):
    bench = start()
    logger.info({"a %s": 1}, "b")
    assert bench.messages() == ["{'a b': 1}"]


def test_secrets_are_known_by_their_names(tmp_path):
    exporter = InMemoryLogRecordExporter()
    config = Config(
        state_dir=str(tmp_path),
        logging=Logging(level="DEBUG", outputs=LogOutputs(console=False, file=LogFile())),
    )
    handle = ffe_otel.install(config, log_exporter=exporter, hooks=False, set_global=False)
    try:
        logger = logging.getLogger("engine.structured")
        logger.warning({"event": "login", "api_key": SECRET, "deep": [{"password": "hunter2"}]})
    finally:
        handle.uninstall()
    (record,) = [one for one in exporter.get_finished_logs() if one.log_record.body]
    body = record.log_record.body
    assert body["event"] == "login"
    assert body["api_key"] == "[redacted:api-key]"
    assert body["deep"][0]["password"] == "[redacted:password]"
    line = json.loads((tmp_path / config.logging.outputs.file.path).read_text())
    assert line["message"] == {
        "event": "login",
        "api_key": "[redacted:api-key]",
        "deep": [{"password": "[redacted:password]"}],
    }


def _sent(records):
    request = ExportLogsServiceRequest.FromString(encode.encode_logs(records))
    return [
        record
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


def _plain(value):
    """A value of OTLP as Python has it."""
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        return {each.key: _plain(each.value) for each in value.kvlist_value.values}
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None
