# SPDX-License-Identifier: Apache-2.0
"""What is in a line: values as they were, everything the caller gave, always valid JSON."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import logging
import re
import uuid
from collections import OrderedDict, deque
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from logs_bench import SECRET
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import use_span

from ffe_otel import semconv
from ffe_otel.capture.logs import freeze
from ffe_otel.correlation import correlation_id
from ffe_otel.redaction import Redactor, load_catalogue
from ffe_otel.redaction.records import redact_line

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary()
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(st.characters()) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


class Colour(enum.Enum):
    RED = 1


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text for you")

    __repr__ = __str__


def test_the_keys_and_their_order(start, logger):
    context = {"agent_state": "REASONING", "decision_id": "d-1", "asset_pair": "BTCUSD"}
    bench = start(context=lambda _: context)
    span = TracerProvider().get_tracer("t").start_span("s")
    with use_span(span):
        logger.info("hello %s", "there", extra={"duration_ms": 1.5, "zeta": 1, "alpha": 2})
    (line,) = bench.lines()
    assert tuple(line) == (*semconv.LOG_FIELDS, "zeta", "alpha")
    ids = span.get_span_context()
    moment = dt.datetime.fromisoformat(line.pop("timestamp"))
    assert moment.utcoffset() == dt.timedelta(0)
    now = dt.datetime.now(dt.UTC)
    assert abs((now - moment).total_seconds()) < 60
    assert line.pop("line") > 0
    assert line == {
        "level": "INFO",
        "logger": logger.name,
        "message": "hello there",
        "correlation_id": correlation_id(ids.trace_id),
        "trace_id": f"{ids.trace_id:032x}",
        "span_id": f"{ids.span_id:016x}",
        "module": "test_logs_content",
        "function": "test_the_keys_and_their_order",
        **context,
        "duration_ms": 1.5,
        "zeta": 1,
        "alpha": 2,
    }


def test_the_timestamp_is_the_record_s_own_to_the_microsecond(start, logger):
    bench = start()
    record = logging.makeLogRecord({"name": logger.name, "levelno": 20, "created": 1700000000.25})
    logger.handle(record)
    assert bench.lines()[0]["timestamp"] == "2023-11-14T22:13:20.250000+00:00"
    assert bench.records()[0].timestamp == 1_700_000_000_250_000_000


@pytest.mark.parametrize("created", [None, float("nan"), 1e300, "soon"])
def test_an_impossible_time_becomes_now(start, logger, created):
    bench = start()
    logger.handle(logging.makeLogRecord({"name": "x", "levelno": 20, "created": created}))
    year = int(bench.lines()[0]["timestamp"][:4])
    assert abs(year - dt.datetime.now(dt.UTC).year) <= 1


def test_outside_a_trace_the_ids_are_null_and_unknown_fields_absent(start, logger):
    bench = start()
    logger.info("alone")
    (line,) = bench.lines()
    assert tuple(line) == semconv.LOG_FIELDS[:10]
    assert line["correlation_id"] is line["trace_id"] is line["span_id"] is None


def test_an_extra_of_a_known_name_beats_the_context(start, logger):
    bench = start(context=lambda _: {"asset_pair": "BTCUSD", "agent_state": None})
    logger.info("x", extra={"asset_pair": "ETHUSD"})
    (line,) = bench.lines()
    assert line["asset_pair"] == "ETHUSD"
    assert "agent_state" not in line


def test_extras_that_collide_with_a_fixed_key_are_kept(start, logger):
    bench = start()
    extra = {
        "timestamp": "mine",
        "level": "mine",
        "line": 1,
        "exception": "mine",
        "trace_id": "mine",
        "extra.level": "also",
    }
    logger.info("x", extra=extra)
    (line,) = bench.lines()
    assert line["level"] == "INFO"
    assert {key: line[key] for key in line if key.startswith("extra.")} == {
        "extra.timestamp": "mine",
        "extra.level": "mine",
        "extra.line": 1,
        "extra.exception": "mine",
        "extra.trace_id": "mine",
        "extra.extra.level": "also",
    }


def test_ids_somebody_else_put_on_the_record_are_not_repeated(start, logger):
    bench = start()
    logger.info("x", extra={"otelTraceID": "0", "otelSpanID": "0", "correlation_id": None})
    assert tuple(bench.lines()[0]) == semconv.LOG_FIELDS[:10]


def test_a_correlation_id_on_a_record_from_another_thread_is_used(start, logger):
    bench = start()
    known = "01234567-89ab-cdef-0123-456789abcdef"
    logger.info("a", extra={"correlation_id": known})
    logger.info("b", extra={"correlation_id": "free text"})
    first, second = bench.lines()
    assert first["correlation_id"] == known
    assert second["correlation_id"] is None
    assert second["extra.correlation_id"] == "free text"


def test_changes_after_the_call_do_not_show(start, logger):
    bench = start()
    portfolio = {"cash": 1.0, "positions": [{"pair": "BTCUSD"}]}
    state = {"agent_state": "IDLE"}
    bench.capture._tap._log_context = lambda _: state
    for _ in range(100):
        portfolio["cash"], state["agent_state"] = 1.0, "IDLE"
        portfolio["positions"][0]["pair"] = "BTCUSD"
        logger.info("holding %s", portfolio, extra={"portfolio": portfolio})
        portfolio["cash"], state["agent_state"] = -5.0, "EXECUTION"
        portfolio["positions"][0]["pair"] = "ETHUSD"
    for line in bench.lines():
        assert line["message"] == "holding {'cash': 1.0, 'positions': [{'pair': 'BTCUSD'}]}"
        assert line["portfolio"] == {"cash": 1.0, "positions": [{"pair": "BTCUSD"}]}
        assert line["agent_state"] == "IDLE"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Colour.RED, "RED"),
        (enum.StrEnum("S", ["A"]).A, "a"),
        (enum.IntEnum("I", ["A"]).A, 1),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (dt.date(2024, 2, 3), "2024-02-03"),
        (dt.datetime(2024, 2, 3, tzinfo=dt.UTC), "2024-02-03T00:00:00+00:00"),
        (b"by\xfftes", "by\\xfftes"),
        (bytearray(b"ab"), "ab"),
        (ValueError("bad"), "ValueError: bad"),
        ({1}, [1]),
        (deque([1, 2]), [1, 2]),
        (OrderedDict(a=1), {"a": 1}),
        (MappingProxyType({"a": (1,)}), {"a": [1]}),
        ({1: "x", None: "y"}, {"1": "x", "None": "y"}),
        (2**63, "9223372036854775808"),
        (-(2**63), -(2**63)),
        (float("nan"), "NaN"),
        ([float("inf"), -float("inf")], ["Infinity", "-Infinity"]),
        ("\ud800 alone", "\\ud800 alone"),
        (Unprintable(), "<Unprintable that cannot be rendered: RuntimeError>"),
    ],
)
def test_values_of_every_kind(start, logger, value, expected):
    bench = start()
    logger.info("x", extra={"value": value})
    got = bench.lines()[0]["value"]
    assert (got, type(got)) == (expected, type(expected))
    assert len(bench.records()) == 1


def test_numbers_too_long_for_text_are_named(start, logger):
    bench = start()
    logger.info("x", extra={"value": 10**5000})
    assert bench.lines()[0]["value"].startswith("<int that cannot be rendered")


def test_a_ring_and_a_flood_are_cut_and_say_so(start, logger):
    bench = start()
    ring: list[object] = []
    ring.append(ring)
    logger.info(
        "x", extra={"ring": ring, "flood": list(range(10**6)), "map": dict.fromkeys(range(5000))}
    )
    (line,) = bench.lines()
    assert freeze.OMITTED in json.dumps(line["ring"])
    assert line["flood"] == [*range(freeze.MAX_ITEMS), freeze.OMITTED]
    assert len(line["map"]) == freeze.MAX_ITEMS + 1


def test_a_record_class_that_sets_its_own_attributes_first(start, logger):
    class Early(logging.LogRecord):
        def __init__(self, *args, **kwargs):
            self.early = "bird"
            super().__init__(*args, **kwargs)

    bench = start()
    record = Early(logger.name, 20, "f.py", 1, "x", (), None)
    record.late = "riser"
    logger.handle(record)
    (line,) = bench.lines()
    assert (line["early"], line["late"]) == ("bird", "riser")
    assert tuple(line) == (*semconv.LOG_FIELDS[:10], "early", "late")


@pytest.mark.parametrize(
    ("message", "args", "wanted"),
    [
        (
            "order %s at %d",
            ("A", "B"),
            r"order %s at %d \[could not be formatted with \['A', 'B'\]: TypeError",
        ),
        ("only %s", ("a", "b"), r"only %s \[could not be formatted"),
        ("%s", (Unprintable(),), r"Unprintable that cannot be rendered: RuntimeError"),
        (Unprintable(), (), r"Unprintable that cannot be rendered: RuntimeError"),
        ("%(a)s", ({"a": 1},), r"^1$"),
    ],
)
def test_messages_that_cannot_be_formatted_are_readable(start, logger, message, args, wanted):
    bench = start()
    logger.propagate = False  # other handlers would complain, as they do without us
    logger.info(message, *args)
    assert re.search(wanted, bench.messages()[0])


def test_text_that_ends_lines_elsewhere_stays_in_its_line(start, logger):
    bench = start()
    text = "a\nb\r\nc\x85d\u2028e\u2029f\x0bg\x1ch"
    logger.info("%s", text)
    assert len(bench.text().splitlines()) == 1
    assert bench.messages() == [text]


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(message=st.text(st.characters()), args=st.lists(ANYTHING, max_size=2), extra=ANYTHING)
@example(message="%", args=[1], extra={"a": float("nan")})
def test_any_record_is_one_line_of_valid_json_and_one_otlp_record(
    start, logger, message, args, extra
):
    bench = start()
    try:
        logger.propagate = False
        before = len(bench.text().splitlines())
        logger.info(message, *args, extra={"given": extra, "k\ud800": extra})
        added = bench.text().splitlines()[before:]
        assert len(added) == 1

        def strict(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        line = json.loads(added[0], parse_constant=strict)
        assert {"given", "k\\ud800"} <= set(line)
        (record,) = bench.records()
        record.body.encode()
    finally:
        bench.capture()


def test_long_values_are_cut_after_redaction(start, logger):
    bench = start(attribute_length=64)
    # The secret straddles the cut: cut first, half of it would stay.
    logger.info("x", extra={"value": "v" * 50 + SECRET, "deep": {"list": ["w" * 100]}})
    logger.info("m" * 70_000)
    first, second = bench.lines()
    assert first["value"].startswith("v" * 50 + "[redacted:plan")
    assert SECRET[:6] not in bench.text()
    assert len(first["value"]) < 80
    assert len(first["deep"]["list"][0]) < 80
    assert 65_536 <= len(second["message"]) < 65_600


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("levelname", SECRET),
        ("name", SECRET),
        ("module", SECRET),
        ("funcName", SECRET),
        ("levelname", {"nested": [SECRET]}),
        ("funcName", {"nested": [SECRET]}),
    ],
)
def test_no_field_of_a_record_is_trusted(start, logger, field, value):
    """They are the engine's to set, and are redacted once for many records."""
    bench = start()
    for _ in range(2):
        record = logger.makeRecord(logger.name, logging.INFO, __file__, 1, "text", (), None)
        vars(record)[field] = value
        logger.handle(record)

    assert SECRET not in bench.text()
    assert len(bench.lines()) == 2


def test_an_attribute_that_a_filter_puts_in_again_keeps_its_meaning(start, logger):
    bench = start()

    def put_again(record):
        line = record.lineno
        del record.lineno
        record.lineno = line
        return True

    def take_out(record):
        del record.relativeCreated
        return True

    logger.addFilter(put_again)
    logger.warning("one", extra={"n": 1})
    logger.addFilter(take_out)
    logger.warning("two", extra={"n": 2})
    lines = bench.lines()
    assert [(line["message"], line["n"], line["level"]) for line in lines] == [
        ("one", 1, "WARNING"),
        ("two", 2, "WARNING"),
    ]
    assert [type(line["line"]) for line in lines] == [int, int]


@pytest.mark.parametrize("field", ["lineno", "thread"])
def test_a_secret_in_place_of_a_number_does_not_leave(start, logger, field):
    secret = "token=" + "hunter2" * 3
    bench = start(redactor=lambda line: redact_line(line, Redactor(load_catalogue())))

    def put_in(record):
        setattr(record, field, secret)
        return True

    logger.addFilter(put_in)
    logger.propagate = False  # handlers of the tests' own cannot format it
    logger.warning("one")
    assert secret not in bench.text()
    [record] = bench.records()
    assert secret not in str(dict(record.attributes))
