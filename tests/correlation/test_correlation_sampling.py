# SPDX-License-Identifier: Apache-2.0
"""Sampling follows OpenTelemetry's consistent rule for every kind of id.

The rule is written here a second time, from the specification's text: thresholds and
randomness compare as 14 hexadecimal digits, digit by digit, from the left.
"""

import random
import uuid
from fractions import Fraction

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from ffe_otel.correlation import (
    ConsistentRatioSampler,
    FfeIdGenerator,
    FfePropagator,
    requested_root,
    sampler_from_env,
    use_requested_root,
    with_requested_root,
)

RATIOS = (0.05, 0.1, 0.3, 0.5, 0.9)
COUNT = 20_000


def uuid4_text(source, _number):
    return str(uuid.UUID(int=source.getrandbits(128), version=4))


def uuid7_text(source, number):
    # RFC 9562, section 5.7: 48 bits of milliseconds, version, rand_a, variant, rand_b.
    stamp = 1_790_000_000_000 + number // 50
    bits = (
        stamp << 80 | 7 << 76 | source.getrandbits(12) << 64 | 0b10 << 62 | source.getrandbits(62)
    )
    return str(uuid.UUID(int=bits))


def uuid1_text(_source, number):
    # RFC 9562, section 5.1: what one host hands out in a row, a tick of 100 ns apart.
    tick = 0x1F0_9E0C_0000_0000 + number
    fields = (
        tick & 0xFFFFFFFF,
        tick >> 32 & 0xFFFF,
        tick >> 48 & 0x0FFF,
        0x33,
        0x44,
        0x0242AC110002,
    )
    return str(uuid.UUID(fields=fields, version=1))


def free_text(_source, number):
    return f"order {number} of desk 7"


KINDS = {"uuid4": uuid4_text, "uuid7": uuid7_text, "uuid1": uuid1_text, "free text": free_text}


def ot_pairs(trace_state):
    entry = (trace_state or {}).get("ot", "")
    return dict(pair.split(":", 1) for pair in entry.split(";") if pair)


def threshold_of(ratio):
    digits = f"{2**56 - round(Fraction(ratio) * 2**56):014x}"
    assert len(digits) == 14
    return digits


def check(result, trace_id, threshold):
    """Compare one decision with the rule; return (kept, wrote explicit randomness)."""
    pairs = ot_pairs(result.trace_state)
    explicit = pairs.get("rv")
    randomness = explicit or f"{trace_id:032x}"[-14:]
    kept = result.decision.is_sampled()
    assert len(randomness) == 14
    assert kept == (randomness >= threshold)
    assert pairs.get("th") == (threshold.rstrip("0") if kept else None)
    return kept, explicit is not None


@pytest.mark.parametrize("kind", KINDS)
def test_the_share_of_requested_ids_is_right_and_every_decision_consistent(kind):
    source, propagator = random.Random(20_260_801), FfePropagator()
    contexts = [
        propagator.extract({"X-Correlation-ID": KINDS[kind](source, number)})
        for number in range(COUNT)
    ]
    for ratio in RATIOS:
        sampler, threshold = ConsistentRatioSampler(ratio), threshold_of(ratio)
        kept = explicit = 0
        for context in contexts:
            trace_id = requested_root(context).trace_id
            result = sampler.should_sample(context, trace_id, "ffe.cycle")
            was_kept, was_explicit = check(result, trace_id, threshold)
            kept += was_kept
            explicit += was_explicit
        assert explicit == (COUNT if kind in {"uuid1", "free text"} else 0)
        assert kept / COUNT == pytest.approx(ratio, abs=0.015)


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_share_of_our_own_ids_is_right_and_every_decision_consistent(ratio):
    generator, sampler = FfeIdGenerator(random.Random(3)), ConsistentRatioSampler(ratio)
    kept, context, threshold = 0, Context(), threshold_of(ratio)
    for _ in range(COUNT):
        trace_id = generator.generate_trace_id()
        result = sampler.should_sample(context, trace_id, "ffe.cycle")
        was_kept, explicit = check(result, trace_id, threshold)
        assert not explicit
        kept += was_kept
    assert kept / COUNT == pytest.approx(ratio, abs=0.015)


def test_a_foreign_generator_of_time_based_uuids_is_not_trusted():
    sampler = ConsistentRatioSampler(0.3)
    kept, context, threshold = 0, Context(), threshold_of(0.3)
    for number in range(COUNT):
        trace_id = uuid.UUID(uuid1_text(None, number)).int
        was_kept, explicit = check(
            sampler.should_sample(context, trace_id, "x"), trace_id, threshold
        )
        assert explicit
        kept += was_kept
    assert kept / COUNT == pytest.approx(0.3, abs=0.015)


def test_a_smaller_ratio_keeps_a_subset_of_a_larger_one():
    samplers = [ConsistentRatioSampler(ratio) for ratio in (0.01, *RATIOS, 1.0)]
    for number in range(2000):
        context = with_requested_root(Context(), free_text(None, number))
        trace_id = requested_root(context).trace_id
        kept = [
            sampler.should_sample(context, trace_id, "x").decision.is_sampled()
            for sampler in samplers
        ]
        assert kept == sorted(kept)


@pytest.mark.parametrize("kind", [*KINDS, "own"])
def test_a_trace_is_kept_or_dropped_as_a_whole_across_processes(kind):
    source = random.Random(11)
    here = TracerProvider(
        sampler=ConsistentRatioSampler(0.5),
        id_generator=FfeIdGenerator(source),
        shutdown_on_exit=False,
    ).get_tracer("here")
    # The other process keeps everything of its own and still follows.
    there = TracerProvider(
        sampler=ConsistentRatioSampler(1.0),
        id_generator=FfeIdGenerator(source),
        shutdown_on_exit=False,
    ).get_tracer("there")
    propagator, seen = FfePropagator(), set()
    for number in range(200):
        context = Context()
        if kind != "own":
            context = with_requested_root(context, KINDS[kind](source, number))
        with use_requested_root(requested_root(context)):
            root = here.start_span("ffe.cycle", context)
        inside = trace.set_span_in_context(root, context)
        child = here.start_span("ffe.phase.perception", inside)
        headers = {}
        propagator.inject(headers, inside)
        remote = there.start_span("server", propagator.extract(headers))
        ours = root.get_span_context()
        for span in (child, remote):
            theirs = span.get_span_context()
            assert theirs.trace_id == ours.trace_id
            assert theirs.trace_flags == ours.trace_flags
            assert theirs.trace_state == ours.trace_state
            assert span.is_recording() == root.is_recording()
        assert ours.trace_flags.random_trace_id == (kind in {"own", "uuid4", "uuid7"})
        seen.add(root.is_recording())
    assert seen == {True, False}


def test_ratio_one_keeps_all_and_says_so():
    result = ConsistentRatioSampler(1.0).should_sample(Context(), 1, "x")
    assert result.decision.is_sampled()
    assert result.trace_state.to_header() == "ot=th:0"


def test_ratio_zero_drops_all_and_writes_no_threshold():
    sampler = ConsistentRatioSampler(0.0)
    result = sampler.should_sample(Context(), 2**128 - 1, "x")
    assert not result.decision.is_sampled()
    assert "th" not in ot_pairs(result.trace_state)


@pytest.mark.parametrize(
    ("ratio", "threshold"),
    [(0.5, "8"), (0.25, "c"), (0.1, "e6666666666666"), (0.001, "ffbe76c8b43958")],
)
def test_thresholds_are_written_without_trailing_zeros(ratio, threshold):
    result = ConsistentRatioSampler(ratio).should_sample(Context(), 2**128 - 1, "x")
    assert result.trace_state.to_header() == f"ot=th:{threshold}"


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_ratio_outside_0_to_1_is_refused(ratio):
    with pytest.raises(ValueError, match="not between 0 and 1"):
        ConsistentRatioSampler(ratio)


def test_a_root_obeys_explicit_randomness_and_keeps_other_members():
    state = TraceState([("vendor", "a"), ("ot", "x:1;rv:7fffffffffffff;y:2"), ("other", "b")])
    dropped = ConsistentRatioSampler(0.5).should_sample(
        Context(), 2**128 - 1, "x", trace_state=state
    )
    assert not dropped.decision.is_sampled()
    assert dropped.trace_state.to_header() == "ot=rv:7fffffffffffff;x:1;y:2,vendor=a,other=b"
    kept = ConsistentRatioSampler(0.75).should_sample(Context(), 1, "x", trace_state=state)
    assert kept.decision.is_sampled()
    assert kept.trace_state.to_header() == "ot=th:4;rv:7fffffffffffff;x:1;y:2,vendor=a,other=b"


@pytest.mark.parametrize(
    "entry", ["rv:7FFFFFFFFFFFFF", "rv:7ffffffffffff", "rv:", "rv", "rv:-fffffffffffff"]
)
def test_malformed_randomness_counts_as_absent(entry):
    state = TraceState([("ot", entry)])
    result = ConsistentRatioSampler(0.5).should_sample(
        Context(), 2**128 - 1, "x", trace_state=state
    )
    assert result.decision.is_sampled()
    assert result.trace_state.to_header() == "ot=th:8"


def test_a_full_trace_state_gives_up_its_oldest_member():
    state = TraceState([(f"k{number}", "v") for number in range(32)])
    result = ConsistentRatioSampler(1.0).should_sample(Context(), 1, "x", trace_state=state)
    assert len(result.trace_state) == 32
    assert result.trace_state["ot"] == "th:0"
    assert "k31" not in result.trace_state
    assert "k30" in result.trace_state


def test_an_entry_that_would_grow_too_long_loses_pairs_of_others_only():
    state = TraceState([("ot", "rv:7fffffffffffff;a:1;b:" + "x" * 232)])
    result = ConsistentRatioSampler(1.0).should_sample(Context(), 1, "x", trace_state=state)
    assert result.trace_state["ot"] == "th:0;rv:7fffffffffffff;a:1"


def parent(flags, entry=None, *, remote=True):
    state = TraceState([("ot", entry), ("vendor", "a")]) if entry else TraceState([("vendor", "a")])
    context = SpanContext(2**127 + 0x80_0000_0000_0000, 9, remote, TraceFlags(flags), state)
    return trace.set_span_in_context(trace.NonRecordingSpan(context), Context())


@pytest.mark.parametrize(
    ("flags", "entry", "after"),
    [
        (1, "th:8", "ot=th:8,vendor=a"),
        (1, "th:80000000000001", "vendor=a"),
        (1, "th:9;x:1", "ot=x:1,vendor=a"),
        (1, "th:9;rv:90000000000000", "ot=th:9;rv:90000000000000,vendor=a"),
        (1, "th:8;rv:7fffffffffffff", "ot=rv:7fffffffffffff,vendor=a"),
        (0, "th:8", "vendor=a"),
        (0, "th:9", "ot=th:9,vendor=a"),
        (1, None, "vendor=a"),
        (0, None, "vendor=a"),
        (1, "rv:00000000000000", "ot=rv:00000000000000,vendor=a"),
    ],
)
@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_a_remote_parent_is_followed_and_a_contradicted_threshold_erased(
    flags, entry, after, ratio
):
    result = ConsistentRatioSampler(ratio).should_sample(
        parent(flags, entry), 2**127 + 0x80_0000_0000_0000, "x", attributes={"a": 1}
    )
    assert result.decision.is_sampled() == bool(flags)
    assert result.trace_state.to_header() == after
    assert dict(result.attributes) == ({"a": 1} if flags else {})


@pytest.mark.parametrize("flags", [0, 1])
def test_a_local_parent_is_followed_and_its_trace_state_handed_on(flags):
    context = parent(flags, "th:8", remote=False)
    result = ConsistentRatioSampler(0.0).should_sample(context, 2**127, "x")
    assert result.decision.is_sampled() == bool(flags)
    assert result.trace_state.to_header() == "ot=th:8,vendor=a"


def test_the_sampler_is_built_from_the_environment(monkeypatch):
    assert sampler_from_env("0.25").ratio == 0.25
    assert sampler_from_env().ratio == 1.0
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    assert sampler_from_env().ratio == 0.5
    assert sampler_from_env("").ratio == 1.0
    assert sampler_from_env("0.1").get_description() == "ConsistentRatioSampler{0.1}"
    for wrong in ("half", "2", "nan"):
        with pytest.raises(ValueError, match=f"OTEL_TRACES_SAMPLER_ARG is '{wrong}'"):
            sampler_from_env(wrong)
