# SPDX-License-Identifier: Apache-2.0
"""Exceptions and stacks as structured frames."""

from __future__ import annotations

import gc
import logging
import pickle
import weakref

import pytest
from logs_bench import fail


def inner() -> None:
    raise ValueError("inner trouble")


def outer() -> None:
    try:
        inner()
    except ValueError as error:
        raise RuntimeError("outer trouble") from error


def logged(bench, logger, function):
    try:
        function()
    except BaseException:
        logger.exception("failed")
    return bench.lines()[-1]["exception"]


def functions(exception):
    return [frame["function"] for frame in exception["frames"]]


def test_frames_run_from_the_outermost_call_to_the_raise(start, logger):
    exception = logged(start(), logger, inner)
    assert exception["type"] == "ValueError"
    assert exception["message"] == "inner trouble"
    assert functions(exception) == ["logged", "inner"]
    frame = exception["frames"][-1]
    assert frame["file"].endswith("tests/logs/test_logs_failures.py")
    assert frame["line"] == inner.__code__.co_firstlineno + 1


def test_causes_and_contexts_are_told_apart(start, logger):
    exception = logged(start(), logger, outer)
    assert exception["cause"]["message"] == "inner trouble"
    assert "context" not in exception

    def careless() -> None:
        try:
            inner()
        except ValueError:
            {}["missing"]

    exception = logged(start(), logger, careless)
    assert exception["type"] == "KeyError"
    assert exception["context"]["message"] == "inner trouble"
    assert "cause" not in exception

    def hiding() -> None:
        try:
            inner()
        except ValueError:
            raise KeyError("hidden") from None

    exception = logged(start(), logger, hiding)
    assert {"cause", "context"} & set(exception) == set()


def test_groups_and_notes(start, logger):
    def group() -> None:
        error = ExceptionGroup("several", [ValueError("a"), TypeError("b")])
        error.add_note("noted")
        raise error

    exception = logged(start(), logger, group)
    assert [member["message"] for member in exception["exceptions"]] == ["a", "b"]
    assert exception["notes"] == ["noted"]


def test_a_ring_of_causes_ends(start, logger):
    def ring() -> None:
        first, second = ValueError("first"), ValueError("second")
        first.__cause__, second.__cause__ = second, first
        raise first

    exception = logged(start(), logger, ring)
    assert exception["cause"]["message"] == "second"
    assert "cause" not in exception["cause"]


def test_a_runaway_recursion_keeps_both_ends(start, logger):
    def down(level: int) -> None:
        if level == 0:
            raise ValueError("bottom")
        down(level - 1)

    exception = logged(start(), logger, lambda: down(300))
    assert len(exception["frames"]) + exception["frames_omitted"] == 303
    assert len(exception["frames"]) == 64
    assert exception["frames"][-1]["line"] == down.__code__.co_firstlineno + 2
    assert functions(exception)[0] == "logged"


def test_an_exception_that_cannot_be_rendered(start, logger):
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def mute() -> None:
        raise Mute

    logger.propagate = False
    exception = logged(start(), logger, mute)
    assert exception["type"].endswith("Mute")
    assert "cannot be rendered" in exception["message"]


@pytest.mark.parametrize("exc_info", [True, (None, None, None), (1, 2, 3), 5])
def test_no_exception_is_no_exception(start, logger, exc_info):
    bench = start()
    logger.propagate = False
    record = logging.makeLogRecord({"name": "x", "levelno": 40, "msg": "x", "exc_info": exc_info})
    logger.callHandlers(record)
    assert "exception" not in bench.lines()[0]


def test_an_exception_given_as_such(start, logger):
    bench = start()
    logger.error("x", exc_info=ValueError("never raised"))
    exception = bench.lines()[0]["exception"]
    assert (exception["message"], exception["frames"]) == ("never raised", [])


def test_an_exception_that_came_as_text_from_another_process(start, logger):
    formatter = logging.Formatter()
    try:
        inner()
    except ValueError as error:
        record = logger.makeRecord(
            logger.name, 40, "f", 1, "x", (), (type(error), error, error.__traceback__)
        )
    formatter.format(record)
    record.exc_info = None
    bench = start()
    logger.handle(pickle.loads(pickle.dumps(record)))
    exception = bench.lines()[0]["exception"]
    assert (exception["type"], exception["message"]) == ("ValueError", "inner trouble")
    assert functions(exception)[-1] == "inner"


def test_stack_info_becomes_frames(start, logger):
    bench = start()
    logger.info("where am I", stack_info=True)
    stack = bench.lines()[0]["stack"]
    assert stack[-1]["function"] == "test_stack_info_becomes_frames"
    assert set(stack[-1]) == {"file", "line", "function"}
    assert "logger.info" not in bench.text()


def test_a_waiting_record_keeps_nothing_of_the_engine_alive(start, logger):
    class Big:
        pass

    bench = start()
    logger.propagate = False  # pytest keeps the records it hears
    big = Big()
    gone = weakref.ref(big)
    with bench.capture._worker._delivering:  # the worker cannot get at it
        try:
            hold = big
            fail()
        except ValueError:
            logger.exception("with %s", "args", extra={"big": hold})
        del big, hold
        gc.collect()
        assert gone() is None
    assert len(bench.lines()) == 1


def test_local_variables_and_source_lines_stay_out(start, logger):
    bench = start()

    def work() -> None:
        password = "hunter2"  # noqa: F841
        raise ValueError("x")

    logged(bench, logger, work)
    assert "hunter2" not in bench.text()
    assert "raise ValueError" not in bench.text()
