# SPDX-License-Identifier: Apache-2.0
"""Spans in generators that nobody finishes: they end once, quietly, and are current no longer."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

import ffe_otel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractContextManager

    from ffe_otel._testing.telemetry import Telemetry

    Block = Callable[[], AbstractContextManager[Any]]


@pytest.fixture
def ffe_telemetry_hooks() -> bool:
    return False


@pytest.fixture(params=["phase", "span", "both"])
def block(request: pytest.FixtureRequest, ffe_telemetry: Telemetry) -> Block:
    """What an engine may open in a generator of its own."""
    tracer = ffe_telemetry.handle.tracer_provider.get_tracer("engine")

    class Both:
        def __enter__(self) -> None:
            self.inside = [ffe_otel.phase("perception"), tracer.start_as_current_span("inner")]
            for each in self.inside:
                each.__enter__()

        def __exit__(self, *error: object) -> None:
            for each in reversed(self.inside):
                each.__exit__(*error)  # type: ignore[arg-type]

    blocks: dict[str, Block] = {
        "phase": lambda: ffe_otel.phase("perception"),
        "span": lambda: tracer.start_as_current_span("inner"),
        "both": Both,
    }
    return blocks[request.param]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    errors = [r for r in caplog.get_records("call") if r.levelno >= logging.ERROR]
    assert [r.getMessage() for r in errors] == []


async def settle() -> None:
    """Let the loop close what was abandoned."""
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)


def after_it(telemetry: Telemetry, *, failed: bool | None = False) -> None:
    """The cycle is the parent of what came afterwards; everything ended once."""
    spans = {span.name: span for span in telemetry.spans}
    names = [span.name for span in telemetry.spans]
    assert len(names) == len(set(names))
    cycle, after = spans["ffe.cycle"], spans["ffe.phase.reasoning"]
    assert after.parent is not None
    assert after.parent.span_id == cycle.context.span_id
    for name in ("inner", "ffe.phase.perception"):
        if name in spans:
            is_error = spans[name].status.status_code is StatusCode.ERROR
            assert failed is None or is_error is failed
    assert ("inner" in spans) or ("ffe.phase.perception" in spans)


def test_break_out_of_an_async_generator(block: Block, ffe_telemetry: Telemetry) -> None:
    async def ticks() -> AsyncIterator[int]:
        with block():
            for number in range(10):
                yield number

    async def engine() -> None:
        with ffe_otel.cycle("agent"):
            around = trace.get_current_span()
            async for _ in ticks():
                break
            await settle()
            assert trace.get_current_span() is around
            with ffe_otel.phase("reasoning"):
                pass
            assert trace.get_current_span() is around

    asyncio.run(engine())
    after_it(ffe_telemetry)


@pytest.mark.parametrize("how", ["aclose", "aclosing", "throw", "another task", "cancelled"])
def test_async_generators_that_are_ended(how: str, block: Block, ffe_telemetry: Telemetry) -> None:
    async def ticks() -> AsyncIterator[int]:
        with block():
            for number in range(10):
                yield number

    async def end(source: Any) -> None:
        if how == "throw":
            with pytest.raises(ValueError, match="thrown"):
                await source.athrow(ValueError("thrown"))
        elif how == "cancelled":
            with pytest.raises(asyncio.CancelledError):
                await source.athrow(asyncio.CancelledError())
        else:
            await source.aclose()

    async def engine() -> None:
        with ffe_otel.cycle("agent"):
            around = trace.get_current_span()
            source: Any = ticks()
            if how == "aclosing":
                async with aclosing(source):
                    await anext(source)
            else:
                await anext(source)
                if how == "another task":
                    await asyncio.create_task(end(source))
                else:
                    await end(source)
            assert trace.get_current_span() is around
            with ffe_otel.phase("reasoning"):
                pass

    asyncio.run(engine())
    # Of a phase it is told that it was cancelled, of a span it is not.
    after_it(ffe_telemetry, failed=None if how == "cancelled" else how == "throw")


@pytest.mark.parametrize("how", ["here", "inside another block", "in another thread", "abandoned"])
def test_generators_that_are_closed(how: str, block: Block, ffe_telemetry: Telemetry) -> None:
    def ticks() -> Iterator[int]:
        with block():
            yield from range(10)

    source: Any = ticks()
    with ffe_otel.cycle("agent"):
        around = trace.get_current_span()
        next(source)
        if how == "here":
            source.close()
        elif how == "inside another block":
            with ffe_otel.phase("risk_check"):
                own = trace.get_current_span()
                source.close()
                assert trace.get_current_span() is own
        elif how == "in another thread":
            thread = threading.Thread(target=source.close)
            thread.start()
            thread.join(10)
        else:
            del source
            gc.collect()
        assert trace.get_current_span() is around
        with ffe_otel.phase("reasoning"):
            pass
        assert trace.get_current_span() is around
    after_it(ffe_telemetry)


def test_a_generator_closed_after_its_cycle_leaves_nothing_current(
    block: Block, ffe_telemetry: Telemetry
) -> None:
    def ticks() -> Iterator[int]:
        with block():
            yield from range(10)

    source: Any = ticks()
    with ffe_otel.cycle("agent"):
        next(source)
    source.close()
    assert not trace.get_current_span().get_span_context().is_valid
    assert len(ffe_telemetry.spans) == len({span.name for span in ffe_telemetry.spans})


def test_tasks_of_the_consumer_hang_on_what_was_around(
    block: Block, ffe_telemetry: Telemetry
) -> None:
    async def ticks() -> AsyncIterator[int]:
        with block():
            yield 1

    async def reason() -> None:
        with ffe_otel.phase("reasoning"):
            await asyncio.sleep(0)

    async def engine() -> None:
        with ffe_otel.cycle("agent"):
            async for _ in ticks():
                break
            await settle()
            await asyncio.create_task(reason())

    asyncio.run(engine())
    after_it(ffe_telemetry)


def test_something_left_attached_in_a_block_goes_with_it(ffe_telemetry: Telemetry) -> None:
    from opentelemetry import baggage
    from opentelemetry.context import attach

    with ffe_otel.cycle("agent"):
        around = trace.get_current_span()
        with ffe_otel.phase("perception"):
            attach(baggage.set_baggage("left", "here"))
        assert trace.get_current_span() is around
        assert baggage.get_baggage("left") is None
        with ffe_otel.phase("reasoning"):
            pass
    after_it(ffe_telemetry)


def test_contextmanagers_made_of_generators_are_current_in_their_block(
    ffe_telemetry: Telemetry,
) -> None:
    from contextlib import contextmanager

    @contextmanager
    def perceiving() -> Iterator[None]:
        with ffe_otel.phase("perception"):
            yield

    with ffe_otel.cycle("agent"):
        with (
            perceiving(),
            ffe_telemetry.handle.tracer_provider.get_tracer("engine").start_as_current_span(
                "inner"
            ),
        ):
            pass
        with ffe_otel.phase("reasoning"):
            pass
    spans = {span.name: span for span in ffe_telemetry.spans}
    parent = spans["inner"].parent
    assert parent is not None
    assert parent.span_id == spans["ffe.phase.perception"].context.span_id
    after_it(ffe_telemetry)
