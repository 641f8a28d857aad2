# SPDX-License-Identifier: Apache-2.0
"""What the engine's handlers write to a console passes redaction; all else is as it was."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import logging
import logging.config
import logging.handlers
import os
import queue
import re
import sys
import unittest
import warnings

import pytest
from rich.console import Console
from rich.logging import RichHandler

SECRET = "Qm7zX2vB9nK4tR8wL1pD6sF3hJ5gY0cA"
LINE = f"api_key={SECRET}"
HIDDEN = "api_key=[redacted:api-key]"


def refuse(why):
    raise ValueError(why)


class Shouting(logging.StreamHandler):
    """Formats by itself."""

    def format(self, record):
        return f"{record.levelname}! {record.getMessage()}"


class Direct(logging.StreamHandler):
    """Writes by itself what ``format`` gives."""

    def emit(self, record):
        self.stream.write(f"<{self.format(record)}>{self.terminator}")


class Late(logging.StreamHandler):
    """Writes to whatever standard output is at the moment, by a property."""

    def __init__(self):
        logging.Handler.__init__(self)

    stream = property(lambda _: sys.stdout)


def by_instance(handler):
    handler.format = lambda record: record.getMessage()
    return handler


HANDLERS = {
    "stdout": lambda: logging.StreamHandler(sys.stdout),
    "stderr": logging.StreamHandler,
    "own format": Shouting,
    "own emit": Direct,
    "a property": Late,
    "a format of the instance": lambda: by_instance(logging.StreamHandler()),
    "a wrapper": lambda: logging.StreamHandler(io.TextIOWrapper(sys.stdout.buffer)),
    "rich": lambda: RichHandler(console=Console(file=sys.stdout, width=200)),
}


@pytest.mark.parametrize("existing", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("name", HANDLERS)
def test_no_secret_on_a_console(screened, engine, capfd, name, existing):
    if not existing:
        screened()
    engine.addHandler(HANDLERS[name]())
    if existing:
        screened()
    engine.warning("api_key=%s", SECRET)
    engine.handlers[0].flush()
    shown = "".join(capfd.readouterr())
    assert SECRET not in shown
    assert HIDDEN in shown


def by_basic_config():
    logging.basicConfig(stream=sys.stdout, force=True, format="%(name)s:%(message)s")


def by_dict_config():
    console = {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}
    root = {"handlers": ["console"], "level": "INFO"}
    settings = {"version": 1, "handlers": {"console": console}, "root": root}
    logging.config.dictConfig({**settings, "disable_existing_loggers": False})


def by_file_config():
    settings = io.StringIO(
        "[loggers]\nkeys=root\n[handlers]\nkeys=one\n[formatters]\nkeys=\n"
        "[logger_root]\nhandlers=one\nlevel=INFO\n"
        "[handler_one]\nclass=StreamHandler\nargs=(sys.stdout,)\n"
    )
    logging.config.fileConfig(settings, disable_existing_loggers=False)


@pytest.mark.parametrize("configure", [by_basic_config, by_dict_config, by_file_config])
def test_however_a_handler_comes_to_be(screened, engine, capsys, configure):
    screened()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    engine.parent = root
    try:
        configure()
        engine.warning(LINE)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    shown = capsys.readouterr().out
    assert HIDDEN in shown
    assert SECRET not in shown


CLEAN = (
    "analysed BTCUSD in 312 ms",
    "two\nlines\r\n",
    "",
    "ünï €  \x1b[32mgreen\x1b[0m",
    "nul \0 and \x7f",
    "100 % of 5 % {braces}",
)


@pytest.mark.parametrize("terminator", ["\n", "", "\r\n\0"])
def test_byte_for_byte_the_same_where_nothing_is_secret(screened, engine, terminator, monkeypatch):
    def written() -> bytes:
        stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
        monkeypatch.setattr(sys, "stdout", stream)
        handler = logging.StreamHandler(stream)
        handler.terminator = terminator
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
        engine.addHandler(handler)
        for text in CLEAN:
            engine.info(text)
            engine.error("%s and %s", text, 5)
        try:
            refuse("no funds")
        except ValueError:
            engine.exception("order failed", stack_info=False)
        engine.removeHandler(handler)
        return stream.buffer.getvalue()

    before = written()
    screened()
    assert written() == before


def test_an_encoding_error_is_what_it_was(screened, engine, capsys, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    engine.addHandler(logging.StreamHandler(stream))
    screened()
    engine.info("€")
    assert "UnicodeEncodeError" in capsys.readouterr().err
    assert stream.buffer.getvalue() == b""


def test_once_a_record_however_many_handlers(screened, engine, redactor, capsys):
    for number in range(6):
        handler = logging.StreamHandler((sys.stdout, sys.stderr)[number % 2])
        handler.setFormatter(logging.Formatter(("%(message)s", "%(name)s %(message)s")[number % 2]))
        engine.addHandler(handler)
    screened()
    engine.warning(LINE)
    assert len(redactor.looked_at) == 2
    shown = capsys.readouterr()
    assert shown.out == f"{HIDDEN}\n" * 3
    assert shown.err == f"{engine.name} {HIDDEN}\n" * 3
    redactor.looked_at.clear()
    engine.warning("nothing secret")
    assert len(redactor.looked_at) == 2


def test_the_record_stays_as_it_was(screened, engine, capsys):
    records, kept = [], io.StringIO()
    engine.addHandler(logging.StreamHandler(sys.stdout))
    other = logging.StreamHandler(kept)
    other.emit = lambda record: (records.append(record), kept.write(other.format(record)))
    engine.addHandler(other)
    screened()
    try:
        refuse(LINE)
    except ValueError:
        engine.exception("api_key=%s", SECRET)
    assert SECRET not in capsys.readouterr().out
    (record,) = records
    assert record.args == (SECRET,)
    assert record.msg == "api_key=%s"
    assert SECRET in record.exc_text
    assert kept.getvalue().count(SECRET) == 2


@pytest.mark.parametrize("wanted", ["console", "all"])
def test_who_keeps_records_is_left_alone(screened, engine, caplog, wanted):
    screened(wanted)
    kept, queued = io.StringIO(), queue.SimpleQueue()
    engine.addHandler(logging.StreamHandler(kept))
    engine.addHandler(logging.handlers.QueueHandler(queued))
    target = logging.StreamHandler(io.StringIO())
    engine.addHandler(logging.handlers.MemoryHandler(1, target=target))
    engine.addHandler(caplog.handler)
    with unittest.TestCase().assertLogs(engine) as seen:
        engine.warning(LINE)
    engine.warning(LINE)
    assert seen.output == [f"WARNING:{engine.name}:{LINE}"]
    assert kept.getvalue() == f"{LINE}\n"
    assert queued.get().getMessage() == LINE
    assert target.stream.getvalue() == f"{LINE}\n"
    assert LINE in caplog.text


def test_behind_a_queue(screened, engine, capsys):
    screened()
    queued = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(queued, logging.StreamHandler(sys.stdout))
    engine.addHandler(logging.handlers.QueueHandler(queued))
    listener.start()
    engine.warning(LINE)
    listener.stop()
    assert capsys.readouterr().out == f"{HIDDEN}\n"


def test_behind_a_memory(screened, engine, capsys):
    screened()
    memory = logging.handlers.MemoryHandler(5, target=logging.StreamHandler(sys.stdout))
    engine.addHandler(memory)
    engine.error(LINE)
    assert capsys.readouterr().out == f"{HIDDEN}\n"


def test_standard_output_that_is_replaced_later(screened, engine):
    screened()
    replaced = io.StringIO()
    with contextlib.redirect_stdout(replaced):
        engine.addHandler(logging.StreamHandler(sys.stdout))
        engine.warning(LINE)
    assert replaced.getvalue() == f"{HIDDEN}\n"


@pytest.mark.parametrize("number", [1, 2])
def test_a_file_that_is_standard_output(screened, engine, capfd, number):
    screened()
    engine.addHandler(logging.FileHandler(f"/dev/fd/{number}"))
    engine.warning(LINE)
    assert "".join(capfd.readouterr()) == f"{HIDDEN}\n"


@pytest.mark.parametrize("delay", [True, False])
@pytest.mark.parametrize(
    "kind",
    [
        logging.FileHandler,
        logging.handlers.RotatingFileHandler,
        logging.handlers.TimedRotatingFileHandler,
        logging.handlers.WatchedFileHandler,
    ],
)
def test_files_when_all_is_wanted(screened, engine, tmp_path, kind, delay):
    path = tmp_path / "engine.log"
    engine.addHandler(kind(path, delay=delay))
    screened()
    engine.warning(LINE)
    assert path.read_text() == f"{LINE}\n"
    screened.undo()
    path.write_text("")
    screened("all")
    engine.warning(LINE)
    assert path.read_text().strip("\0") == f"{HIDDEN}\n"


def test_a_rolled_file_holds_none_either(screened, engine, tmp_path):
    screened("all")
    path = tmp_path / "engine.log"
    engine.addHandler(logging.handlers.RotatingFileHandler(path, maxBytes=200, backupCount=9))
    for _ in range(30):
        engine.warning(LINE)
    texts = [each.read_text() for each in tmp_path.iterdir()]
    assert len(texts) > 3
    assert not any(SECRET in text for text in texts)


SKELETON = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 WARNING engine\.[a-z_.]+ (.*)\n"
)


def test_a_skeleton_where_redaction_fails(screened, engine, redactor, capsys):
    screened()
    engine.addHandler(logging.StreamHandler(sys.stdout))
    redactor.broken = True
    engine.warning("the message, %s", LINE)
    shown = SKELETON.fullmatch(capsys.readouterr().out)
    assert shown is not None
    assert shown[1] == "[redacted:redaction-failed]"
    assert redactor.failures() == {"printed": 1}


def test_a_skeleton_of_json_is_json(screened, engine, redactor, capsys):
    screened()
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter('{"message": "%(message)s"}'))
    engine.addHandler(handler)
    redactor.broken = True
    engine.warning("a")
    shown = json.loads(capsys.readouterr().out)
    assert shown["message"] == "[redacted:redaction-failed]"
    assert (shown["level"], shown["logger"]) == ("WARNING", engine.name)


@pytest.mark.parametrize(("length", "whole"), [(65_536, True), (65_537, False), (900_000, False)])
def test_a_marker_with_the_length_in_place_of_a_long_text(screened, engine, capsys, length, whole):
    screened()
    engine.addHandler(logging.StreamHandler(sys.stdout))
    text = f"{LINE} {'word ' * 200_000}"[:length]
    engine.warning(text)
    shown = capsys.readouterr().out
    assert SECRET not in shown
    if whole:
        assert shown.startswith(HIDDEN)
    else:
        assert SKELETON.fullmatch(shown)[1] == f"[redacted:too-long] {length} characters"


def test_a_name_that_is_no_code_is_not_in_a_skeleton(screened, redactor, capsys):
    logger = logging.Logger(f"engine.{SECRET}")  # noqa: LOG001
    logger.addHandler(logging.StreamHandler(sys.stdout))
    screened()
    redactor.broken = True
    logger.warning("x")
    assert SECRET not in capsys.readouterr().out


def test_a_detector_that_logs_ends(screened, engine, redactor, capsys, monkeypatch):
    screened()
    engine.addHandler(logging.StreamHandler(sys.stdout))
    plain = redactor.strict_text

    def logging_text(text, surface, limit=None):
        engine.warning("looking at %s", text)
        return plain(text, surface, limit)

    monkeypatch.setattr(redactor, "strict_text", logging_text)
    engine.warning(LINE)
    inner, outer = capsys.readouterr().out.splitlines()
    assert SKELETON.fullmatch(f"{inner}\n")
    assert outer == HIDDEN


def test_colours_between_a_name_and_its_value(screened, engine, capsys):
    screened()
    engine.addHandler(logging.StreamHandler(sys.stdout))
    engine.warning("\x1b[36mapi_key\x1b[0m=\x1b[35m%s\x1b[0m \x1b[1mBTCUSD\x1b[0m", SECRET)
    assert capsys.readouterr().out == f"{HIDDEN} BTCUSD\n"
    engine.warning("\x1b[36msymbol\x1b[0m=\x1b[35mBTCUSD\x1b[0m")
    assert "\x1b[35mBTCUSD" in capsys.readouterr().out


@pytest.mark.parametrize("shows_locals", [True, False])
def test_rich_tracebacks(screened, engine, shows_locals):
    screened()
    console = Console(file=sys.stdout, width=300)
    drawn = RichHandler(console=console, rich_tracebacks=True, tracebacks_show_locals=shows_locals)
    engine.addHandler(drawn)
    with console.capture() as captured:
        try:
            wanted = SECRET
            refuse(f"api_key={wanted}")
        except ValueError:
            engine.exception("login with api_key=%s", SECRET)
    assert SECRET not in captured.get()
    assert HIDDEN in captured.get()
    drawn.tracebacks_show_locals = False
    with console.capture() as captured:
        try:
            refuse("no funds")
        except ValueError:
            engine.exception("order failed")
    assert "╭" in captured.get()


def test_what_is_learnt_later_is_hidden_from_then_on(screened, engine, capsys):
    screen = screened()
    engine.addHandler(logging.StreamHandler(sys.stdout))
    engine.warning("the word is xyzzy-plugh-plover")
    screen.learn(["xyzzy-plugh-plover"])
    engine.warning("the word is xyzzy-plugh-plover")
    first, second = capsys.readouterr().out.splitlines()
    assert "xyzzy" in first
    assert "xyzzy" not in second


def test_a_formatter_that_raises_is_reported_as_ever(screened, engine, capsys):
    class Broken(logging.Formatter):
        def format(self, record):
            raise ZeroDivisionError

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Broken())
    engine.addHandler(handler)
    screened()
    engine.warning("x")
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [("api_key=%s %s", SECRET), ("api_key=%s", SECRET, 5), ("api_key=%d", SECRET), (LINE, 1)],
)
def test_the_report_of_a_failed_handler(screened, engine, capsys, arguments):
    screened()
    engine.addHandler(logging.StreamHandler(io.StringIO()))
    engine.warning(*arguments)
    shown = capsys.readouterr().err
    assert shown.startswith("--- Logging error ---\nTraceback (most recent call last):\n")
    assert "api_key=[redacted:api-key]" in shown
    assert SECRET not in shown


def test_the_report_of_a_failed_handler_without_secrets_is_logging_s_own(screened, engine, capsys):
    screened()
    engine.addHandler(logging.StreamHandler(io.StringIO()))
    engine.warning("%d orders", "many")
    assert "Message: '%d orders'\nArguments: ('many',)\n" in capsys.readouterr().err


def test_logging_that_is_told_to_be_silent_is_silent(screened, engine, capsys, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    screened()
    engine.addHandler(logging.StreamHandler(io.StringIO()))
    engine.warning("api_key=%s %s", SECRET)
    assert capsys.readouterr().err == ""


def everything():
    """All that is patched, as it is at the moment."""
    return (
        *(vars(logging.Handler)[name] for name in ("format", "handleError")),
        vars(logging.StreamHandler)["emit"],
        *(
            vars(getattr(logging.handlers, name))["emit"]
            for name in ("SocketHandler", "SMTPHandler", "HTTPHandler")
        ),
        vars(RichHandler)["emit"],
        logging.lastResort,
        sys.excepthook,
        sys.unraisablehook,
        warnings._showwarnmsg_impl,
    )


@pytest.mark.parametrize("wanted", ["console", "all", "off"])
def test_everything_is_given_back(screened, wanted):
    before = everything()
    screened(wanted)
    assert everything() != before
    screened.undo()
    assert everything() == before


def test_a_patch_that_somebody_wrapped_stays_and_does_nothing(screened, engine, capsys):
    screened()
    ours = logging.StreamHandler.emit
    logging.StreamHandler.emit = functools.wraps(ours)(lambda *given: ours(*given))  # noqa: PLW0108
    try:
        screened.undo()
        engine.addHandler(logging.StreamHandler(sys.stdout))
        engine.warning(LINE)
        assert capsys.readouterr().out == f"{LINE}\n"
    finally:
        del logging.StreamHandler.emit
        logging.StreamHandler.emit = ours.__wrapped__


def test_a_pipe_that_is_closed_is_reported_as_ever(screened, engine, monkeypatch, capsys):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        screened()
        engine.addHandler(logging.StreamHandler(stream))
        monkeypatch.setattr(sys, "stdout", stream)
        engine.warning("x")
        assert "BrokenPipeError" in capsys.readouterr().err
        engine.handlers.clear()
        with contextlib.suppress(BrokenPipeError):
            stream.close()
