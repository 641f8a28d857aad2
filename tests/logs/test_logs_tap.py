# SPDX-License-Identifier: Apache-2.0
"""Every record is taken exactly once, whatever the engine does to its logging."""

from __future__ import annotations

import io
import logging
import logging.config
import threading
from types import SimpleNamespace

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import NonRecordingSpan, TraceFlags, TraceState, use_span

from ffe_otel.capture.logs import guard


def root_ready() -> None:
    logging.getLogger().setLevel(logging.DEBUG)


def clear_handlers() -> None:
    logging.getLogger().handlers.clear()


def force_basic_config() -> None:
    logging.basicConfig(force=True, level=logging.DEBUG, stream=io.StringIO())


def dict_config() -> None:
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"null": {"class": "logging.NullHandler"}},
            "root": {"level": "DEBUG", "handlers": ["null"]},
        }
    )


@pytest.mark.parametrize("upheaval", [clear_handlers, force_basic_config, dict_config])
def test_as_many_lines_and_otlp_records_as_were_logged(start, logger, upheaval):
    bench = start()
    root_ready()
    for number in range(40):
        logger.info("before %d", number)
    upheaval()
    for number in range(40):
        logger.info("after %d", number)
    expected = [f"before {n}" for n in range(40)] + [f"after {n}" for n in range(40)]
    assert bench.messages() == expected
    assert [record.body for record in bench.records()] == expected
    assert bench.losses == {}


def test_a_logger_disabled_by_dict_config_stays_silent(start, logger):
    bench = start()
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})
    logger.info("not wanted any more")
    logging.getLogger("engine.made.later").warning("wanted")
    assert bench.messages() == ["wanted"]


def test_non_propagating_loggers_and_loggers_without_handlers(start, logger):
    bench = start()
    logger.propagate = False
    logger.info("nobody else hears this")
    child = logger.getChild("child")
    child.addHandler(logging.NullHandler())
    child.info("neither this")
    assert bench.messages() == ["nobody else hears this", "neither this"]


def test_levels_and_filters_of_the_logger_hold(start, logger):
    bench = start()
    logger.setLevel(logging.WARNING)
    logger.addFilter(lambda record: "noise" not in record.getMessage())
    logger.info("too quiet")
    logger.warning("noise")
    logger.warning("heard")
    assert bench.messages() == ["heard"]


def test_the_configured_level_is_the_least_severe_taken(start, logger):
    bench = start(level="WARNING")
    logger.info("no")
    logger.warning("yes")
    assert bench.messages() == ["yes"]


def test_a_record_replaced_by_a_filter_is_the_one_taken(start, logger):
    bench = start()

    def masked(record: logging.LogRecord) -> bool:
        record.msg, record.args = "masked", ()
        return True

    logger.addFilter(masked)
    logger.info("plain %s", "words")
    assert bench.messages() == ["masked"]


def test_handlers_of_the_engine_see_an_untouched_record(start, logger):
    start()
    seen = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    logger.addHandler(Keep())
    logger.propagate = False
    levels = logging.getLogger().level, logger.level
    logger.info("value %s", 1, extra={"mine": 2})
    (record,) = seen
    plain = set(logging.makeLogRecord({}).__dict__)
    assert set(record.__dict__) - plain == {"mine"}
    assert (record.msg, record.args) == ("value %s", (1,))
    assert (logging.getLogger().level, logger.level) == levels


def test_threads_lose_and_repeat_nothing(start, logger):
    bench = start()

    def work(name: int) -> None:
        for number in range(200):
            logger.info("%d-%d", name, number)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    messages = bench.messages()
    assert len(messages) == 1600
    for name in range(8):
        mine = [text for text in messages if text.startswith(f"{name}-")]
        assert mine == [f"{name}-{number}" for number in range(200)]


def test_a_record_handed_on_to_another_logger_counts_once(start, logger):
    bench = start()
    audit = logging.getLogger(f"{logger.name}.audit")
    audit.propagate = False

    class Forward(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            audit.handle(record)
            audit.warning("forwarded")

    logger.addHandler(Forward())
    logger.info("one")
    assert bench.messages() == ["one", "forwarded"]


def test_an_argument_that_logs_while_it_is_rendered_does_not_loop(start, logger):
    bench = start()

    class Chatty:
        def __str__(self) -> str:
            logger.info("%s", self)
            return "chatty"

    logger.propagate = False
    logger.info("say %s", Chatty())
    assert bench.messages() == ["say chatty"]


def test_what_runs_uninstrumented_is_not_taken(start, logger):
    bench = start()
    with suppress_instrumentation():
        logger.warning("an exporter at work")
    logger.warning("the engine")
    assert bench.messages() == ["the engine"]


@pytest.mark.parametrize("name", guard.CHANNEL_LOGGERS)
def test_the_channel_does_not_report_on_itself(start, logger, name):
    bench = start()
    channel = logging.getLogger(f"{name}.part")
    channel.addHandler(logging.NullHandler())
    channel.error("cannot export")
    logging.getLogger("ffe_otel.capture.hooking").warning("a hook is missing")
    assert bench.messages() == ["a hook is missing"]


def test_a_processor_that_logs_does_not_loop(start, logger):
    bench = start()
    noisy = logging.getLogger("somebody.else")
    original = bench.exporter.export

    def export(batch):
        noisy.warning("exporting %d", len(batch))
        return original(batch)

    bench.exporter.export = export
    logger.info("one")
    assert bench.messages() == ["one"]
    assert len(bench.records()) == 1


def test_undo_gives_back_the_very_same_function(start):
    before = logging.Logger.__dict__["callHandlers"]
    bench = start()
    assert logging.Logger.__dict__["callHandlers"] is not before
    bench.capture()
    assert logging.Logger.__dict__["callHandlers"] is before
    bench.capture()
    assert logging.Logger.__dict__["callHandlers"] is before


def test_undo_below_somebody_elses_patch_goes_quiet(start, logger, monkeypatch):
    monkeypatch.setattr(logging.Logger, "callHandlers", logging.Logger.__dict__["callHandlers"])
    bench = start()
    ours = logging.Logger.__dict__["callHandlers"]
    calls = []

    def theirs(self, record):
        calls.append(record)
        return ours.__get__(self)(record)

    logging.Logger.callHandlers = theirs
    bench.capture()
    logger.info("after")
    assert len(calls) == 1
    assert logging.Logger.__dict__["callHandlers"] is theirs
    assert bench.messages() == []


def test_a_broken_log_context_costs_its_fields_only(start, logger):
    class Unusable(dict):
        def __bool__(self) -> bool:
            raise RuntimeError("no context")

    bench = start(context=lambda _: Unusable())
    logger.info("still taken")
    assert bench.messages() == ["still taken"]
    assert "agent_state" not in bench.lines()[0]


def test_what_is_no_log_record_costs_the_record_not_the_engine(start, logger):
    bench = start()
    heard = []
    handler = logging.Handler()
    handler.handle = heard.append
    logger.addHandler(handler)
    logger.propagate = False

    class Odd:
        levelno = 20

    logger.callHandlers(Odd())
    logger.callHandlers(
        record=logging.makeLogRecord({"name": "a", "levelno": 30, "msg": "by keyword"})
    )
    assert len(heard) == 2
    assert bench.messages() == ["by keyword"]
    assert bench.losses["logs", "unreadable"] == 1


def test_a_span_whose_context_is_no_tuple_is_where_a_record_belongs(start, logger):
    bench = start()
    names = {"trace_id": 5, "span_id": 6, "is_remote": False, "is_valid": True}
    identity = SimpleNamespace(**names, trace_flags=TraceFlags(1), trace_state=TraceState())
    with use_span(NonRecordingSpan(identity)):
        logger.info("in a span of somebody else's")
    (line,) = bench.lines()
    assert (line["trace_id"], line["span_id"]) == (f"{5:032x}", f"{6:016x}")
