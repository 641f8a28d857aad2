# SPDX-License-Identifier: Apache-2.0
"""How steps end when it is not by reaching the end of the block."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from opentelemetry.trace import StatusCode

import ffe_otel
from ffe_otel import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ffe_otel._testing.telemetry import Telemetry


@pytest.fixture
def ffe_telemetry_hooks() -> bool:
    return False


def cycle_of(telemetry: Telemetry) -> dict[str, object]:
    """How the only cycle ended."""
    (cycle,) = [s for s in telemetry.spans if s.name == semconv.SPAN_CYCLE]
    return dict(cycle.attributes or {})


def test_closing_a_generator_early_fails_nothing(ffe_telemetry: Telemetry) -> None:
    def rows() -> Iterator[int]:
        with ffe_otel.phase("perception"):
            yield from range(3)

    with ffe_otel.cycle():
        for _ in rows():
            break
        with ffe_otel.llm_call("ollama", "m"):
            pass
    assert {s.status.status_code for s in ffe_telemetry.spans} == {StatusCode.UNSET}
    assert [e.name for s in ffe_telemetry.spans for e in s.events] == []
    assert cycle_of(ffe_telemetry)[semconv.CYCLE_ERRORS] == 0


@pytest.mark.parametrize("code", [None, 0, False])
def test_leaving_the_program_without_an_error_fails_nothing(
    ffe_telemetry: Telemetry, code: int | None
) -> None:
    with contextlib.suppress(SystemExit), ffe_otel.cycle(), ffe_otel.phase("learning"):
        raise SystemExit(code)
    assert {s.status.status_code for s in ffe_telemetry.spans} == {StatusCode.UNSET}
    cycle = cycle_of(ffe_telemetry)
    assert cycle[semconv.CYCLE_OUTCOME] == "stopped"
    assert cycle[semconv.CYCLE_REASON] == "SystemExit"
    assert cycle[semconv.CYCLE_ERRORS] == 0


def test_leaving_the_program_keeps_what_the_cycle_came_to(ffe_telemetry: Telemetry) -> None:
    with contextlib.suppress(SystemExit), ffe_otel.cycle() as cycle:
        cycle.outcome("rejected", "leverage")
        raise SystemExit
    assert cycle_of(ffe_telemetry)[semconv.CYCLE_OUTCOME] == "rejected"


@pytest.mark.parametrize("code", [1, "out of funds"])
def test_leaving_the_program_with_an_error_is_a_failure(
    ffe_telemetry: Telemetry, code: int | str
) -> None:
    with contextlib.suppress(SystemExit), ffe_otel.cycle():
        raise SystemExit(code)
    assert cycle_of(ffe_telemetry)[semconv.CYCLE_OUTCOME] == "failed"
    assert ffe_telemetry.spans[0].status.status_code is StatusCode.ERROR


def test_an_order_nobody_saw_answered_is_no_execution(ffe_telemetry: Telemetry) -> None:
    order = ffe_otel.trade("BTCUSD", "BUY", "paper")
    with contextlib.suppress(SystemExit), ffe_otel.cycle(), order:
        raise SystemExit
    assert ffe_telemetry.events(semconv.EVENT_TRADE) == []
    assert cycle_of(ffe_telemetry)[semconv.CYCLE_OUTCOME] == "stopped"


def test_an_order_that_was_filled_before_leaving_is_one(ffe_telemetry: Telemetry) -> None:
    order = ffe_otel.trade("BTCUSD", "BUY", "paper")
    with contextlib.suppress(SystemExit), ffe_otel.cycle(), order:
        order.filled(order_id="o-1")
        raise SystemExit
    assert len(ffe_telemetry.events(semconv.EVENT_TRADE)) == 1
    assert cycle_of(ffe_telemetry)[semconv.CYCLE_OUTCOME] == "executed"
