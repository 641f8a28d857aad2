# SPDX-License-Identifier: Apache-2.0
"""The console: nothing twice, nothing stuck, nothing forged."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import os
import queue
import re
import sys

import pytest
from logs_bench import fail

from ffe_otel.capture.logs.console import Console
from ffe_otel.capture.logs.render import text_line


@pytest.fixture
def engine(logger):
    """A logger on its own, with a handler that prints nothing."""
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return logger


def printed(bench, capsys) -> list[str]:
    assert bench.capture.flush(10)
    return capsys.readouterr().err.splitlines()


def test_json_on_standard_error(start, engine, capsys):
    bench = start(console=True)
    engine.info("hello")
    (line,) = printed(bench, capsys)
    assert json.loads(line)["message"] == "hello"


@pytest.mark.parametrize("stream", ["stdout", "stderr", "__stderr__"])
def test_nothing_is_said_that_the_engine_says_itself(start, engine, capsys, stream):
    engine.addHandler(logging.StreamHandler(getattr(sys, stream)))
    bench = start(console=True)
    engine.info("the engine prints this")
    assert bench.messages() == ["the engine prints this"]
    assert "{" not in capsys.readouterr().err


def test_a_console_handler_that_is_too_picky_does_not_count(start, engine, capsys):
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.ERROR)
    handler.setFormatter(logging.Formatter("engine: %(message)s"))
    engine.addHandler(handler)
    bench = start(console=True, format="text")
    engine.info("ours")
    engine.error("theirs")
    lines = printed(bench, capsys)
    assert len(lines) == 2
    assert lines[0] == "engine: theirs"
    assert "ours" in lines[1]


def test_streams_that_are_no_console_do_not_count(start, engine, capsys):
    engine.addHandler(logging.StreamHandler(io.StringIO()))
    bench = start(console=True)
    engine.info("x")
    assert len(printed(bench, capsys)) == 1


def test_a_console_handler_of_an_ancestor_counts_unless_it_is_cut_off(start, engine, capsys):
    engine.addHandler(logging.StreamHandler(sys.stdout))
    child = engine.getChild("child")
    child.setLevel(logging.DEBUG)
    bench = start(console=True)
    child.info("reaches the ancestor")
    assert printed(bench, capsys) == []
    child.addHandler(logging.NullHandler())
    child.propagate = False
    child.info("does not")
    assert len(printed(bench, capsys)) == 1


def test_the_handler_of_last_resort_counts(start, logger, capsys):
    logger.propagate = False
    bench = start(console=True)
    logger.warning("printed by logging itself")
    logger.info("printed by nobody else")
    lines = printed(bench, capsys)
    assert lines[0] == "printed by logging itself"
    assert [json.loads(line)["message"] for line in lines[1:]] == ["printed by nobody else"]


def test_rich_and_queued_console_handlers_count(start, engine, capsys):
    class Rich(logging.Handler):
        def __init__(self, file):
            super().__init__()
            self.console = type("RichConsole", (), {"file": file})()

        def emit(self, record):
            """Print nothing, for the test."""

    bench = start(console=True)
    rich = Rich(sys.stdout)
    engine.addHandler(rich)
    engine.info("x")
    assert printed(bench, capsys) == []
    engine.removeHandler(rich)
    queued = logging.handlers.QueueHandler(queue.SimpleQueue())
    queued.listener = logging.handlers.QueueListener(
        queued.queue, logging.StreamHandler(sys.stderr)
    )
    engine.addHandler(queued)
    engine.info("y")
    assert printed(bench, capsys) == []


def test_text_for_people(start, engine, capsys):
    bench = start(console=True, format="text", context=lambda _: {"asset_pair": "BTCUSD"})
    engine.warning("two\nlines", extra={"why": "be cause", "n": 1, "deep": {"a": [1]}})
    head, further = printed(bench, capsys)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING  \[engine\..*\] two "
        r'asset_pair=BTCUSD why="be cause" n=1 deep=\{"a":\[1\]\}',
        head,
    )
    assert further == "    lines"


def test_exceptions_and_stacks_in_text(start, engine, capsys):
    bench = start(console=True, format="text")
    try:
        fail("bad\nnews")
    except ValueError:
        engine.exception("failed", stack_info=True)
    lines = printed(bench, capsys)
    assert lines[1] == "    Traceback (most recent call last):"
    assert "    ValueError: bad" in lines
    assert "    news" in lines
    assert "    Stack (most recent call last):" in lines


def test_a_message_cannot_move_the_cursor_or_forge_a_line(start, engine, capsys):
    bench = start(console=True, format="text")
    engine.info("\x1b[2Jcleared\r2030 CRITICAL\x9b", extra={"k\nkey": "v\x1b[0m", "u": "a\u2028b"})
    (line,) = printed(bench, capsys)
    assert "\x1b" not in line
    assert "\r" not in line
    assert "\\x1b[2Jcleared\\x0d2030" in line


def test_colours_are_for_terminals_only(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    assert Console().coloured()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Console().coloured()
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not Console().coloured()
    line = {"level": "ERROR", "message": "m", "logger": "l", "trace_id": "0123456789" * 3}
    assert "\x1b[31mERROR" in text_line(line, colour=True)
    assert "\x1b" not in text_line(line)
    assert text_line(line).endswith("trace=01234567")


def test_a_terminal_gets_colours_and_the_file_does_not(start, engine, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    bench = start(console=True, format="text")
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    engine.error("x")
    assert "\x1b" not in bench.text()
    assert "\x1b[31m" in terminal.getvalue()


def test_a_pipe_nobody_reads_holds_up_neither_file_nor_otlp(start, engine, monkeypatch):
    bench = start(console=True)
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stuck, os.fdopen(reading):
        monkeypatch.setattr(sys, "stderr", stuck)
        for _ in range(60):
            engine.info("x" * 3000)
            assert bench.capture.flush(10)
        assert len(bench.lines()) == 60
        assert len(bench.records()) == 60
        lost = bench.losses["logs", "console"]
        assert 0 < lost < 60
        # Once somebody reads again, lines appear again.
        os.set_blocking(reading, False)
        while True:
            try:
                os.read(reading, 65536)
            except BlockingIOError:
                break
        engine.info("back")
        assert bench.capture.flush(10)
        assert b"back" in os.read(reading, 65536)
        assert bench.losses["logs", "console"] == lost
        monkeypatch.undo()


@pytest.mark.parametrize("gone", [None, "closed"])
def test_without_a_standard_error(start, engine, monkeypatch, gone):
    bench = start(console=True)
    stream = None
    if gone == "closed":
        stream = io.StringIO()
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    engine.info("x")
    assert bench.messages() == ["x"]
