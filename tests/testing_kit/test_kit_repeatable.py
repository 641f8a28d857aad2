# SPDX-License-Identifier: Apache-2.0
"""Time and ids of the test kit are the same in every run."""

import pytest

from ffe_otel._testing.repeatable import START_NS, FakeClock, RepeatableIds


def test_the_clock_stands_still_until_moved():
    clock = FakeClock()
    assert clock.time_ns() == clock.time_ns() == START_NS
    assert clock.monotonic_ns() == 0
    clock.advance(1.5)
    assert clock.time_ns() == START_NS + 1_500_000_000
    assert clock.monotonic_ns() == 1_500_000_000


def test_the_clock_can_tick_each_time_it_is_read():
    clock = FakeClock(start_ns=10)
    clock.tick = 1e-9
    assert [clock.time_ns(), clock.monotonic_ns(), clock.time_ns()] == [10, 1, 12]


def test_the_clock_does_not_run_back():
    clock = FakeClock()
    with pytest.raises(ValueError, match="cannot advance the clock by -1 s"):
        clock.advance(-1)


def test_ids_repeat_for_a_seed_and_differ_for_another():
    first, again, other = RepeatableIds(1), RepeatableIds(1), RepeatableIds(2)
    trace_id = first.generate_trace_id()
    assert again.generate_trace_id() == trace_id != other.generate_trace_id()
    assert [first.generate_span_id() for _ in range(3)] == [1, 2, 3]
