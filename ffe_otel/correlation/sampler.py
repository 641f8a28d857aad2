# SPDX-License-Identifier: Apache-2.0
"""Consistent probability sampling, so that a cycle is kept or dropped as a whole.

OpenTelemetry's rule (specification, "TraceState: Probability Sampling", OTEP 235): with
56 bits of randomness R and the rejection threshold T = (1 - ratio) * 2^56, a trace is
kept when R >= T. The SDK's own ratio sampler compares the lowest 64 bits with an upper
bound instead: it keeps other traces than every consistent sampler downstream, and all
or none of those whose id is a UUID, whose variant bits sit there.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import TraceFlags, get_current_span

from ffe_otel.correlation import ids, tracestate
from ffe_otel.correlation.generator import issued_randomness
from ffe_otel.correlation.requested import requested_root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanContext, SpanKind, TraceState
    from opentelemetry.util.types import Attributes

_MAX_THRESHOLD: Final = 1 << 56


class ConsistentRatioSampler(Sampler):
    """Keeps a share of the traces; children follow their parent.

    A root is judged by OpenTelemetry's consistent rule. R is ``rv`` of the trace state
    where there is one, else the lowest 56 bits of the trace id when they are random,
    else derived from the id by SHA-256 and written as ``rv`` for everybody downstream.
    A kept root carries its threshold as ``th``.

    Args:
        ratio: Share of traces to keep, 0 to 1. Below 2^-57 it is 0.

    Raises:
        ValueError: The ratio is not between 0 and 1.
    """

    def __init__(self, ratio: float) -> None:
        if not 0.0 <= ratio <= 1.0:
            raise ValueError(f"sampling ratio {ratio!r} is not between 0 and 1")
        self._ratio = ratio
        self._threshold = _MAX_THRESHOLD - round(ratio * _MAX_THRESHOLD)
        self._kept_state = tracestate.write(None, tracestate.SamplingState(self._threshold))

    @property
    def ratio(self) -> float:
        """Share of traces kept."""
        return self._ratio

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,  # noqa: ARG002 - the SDK's signature
        kind: SpanKind | None = None,  # noqa: ARG002 - the SDK's signature
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,  # noqa: ARG002 - the SDK's signature
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide about one span; see `opentelemetry.sdk.trace.sampling.Sampler`."""
        parent = get_current_span(parent_context).get_span_context()
        if parent.is_valid:
            sampled = bool(parent.trace_flags & TraceFlags.SAMPLED)
            # A local parent's trace state has been through here already.
            inherited = _checked(parent, sampled) if parent.is_remote else parent.trace_state
            return _result(sampled, attributes, inherited)
        return self._root(parent_context, trace_id, attributes, trace_state)

    def get_description(self) -> str:
        """Name the sampler and its ratio."""
        return f"ConsistentRatioSampler{{{self._ratio}}}"

    def _root(
        self,
        context: Context | None,
        trace_id: int,
        attributes: Attributes,
        trace_state: TraceState | None,
    ) -> SamplingResult:
        state = tracestate.read(trace_state)
        explicit = state.randomness
        if explicit is None and not _is_random(context, trace_id):
            explicit = ids.derived_randomness(trace_id)
        randomness = trace_id & ids.RANDOMNESS_MASK if explicit is None else explicit
        sampled = randomness >= self._threshold
        if explicit is None and not trace_state:
            return _result(sampled, attributes, self._kept_state if sampled else None)
        state = tracestate.SamplingState(self._threshold if sampled else None, explicit, state.rest)
        return _result(sampled, attributes, tracestate.write(trace_state, state))


def sampler_from_env(arg: str | None = None) -> ConsistentRatioSampler:
    """Build the sampler the way OpenTelemetry's configuration asks for it.

    Args:
        arg: Value of ``OTEL_TRACES_SAMPLER_ARG``; None (a declarative configuration
            passes nothing) reads that variable. Unset or empty means 1.

    Raises:
        ValueError: The value is not a number between 0 and 1.
    """
    text = os.environ.get("OTEL_TRACES_SAMPLER_ARG") if arg is None else arg
    if text is None or not text.strip():
        return ConsistentRatioSampler(1.0)
    try:
        return ConsistentRatioSampler(float(text))
    except ValueError:
        raise ValueError(
            f"OTEL_TRACES_SAMPLER_ARG is {text!r}: give the share of traces to keep, "
            "a number between 0 and 1"
        ) from None


def _is_random(context: Context | None, trace_id: int) -> bool:
    known = issued_randomness(trace_id)
    if known is not None:
        return known
    requested = requested_root(context)
    if requested is not None and requested.trace_id == trace_id:
        return requested.is_random
    return not ids.is_structured_id(trace_id)


def _checked(parent: SpanContext, sampled: bool) -> TraceState:
    """Drop a remote parent's threshold when its own sampled flag contradicts it."""
    state = tracestate.read(parent.trace_state)
    if state.threshold is None:
        return parent.trace_state
    randomness = state.randomness
    if randomness is None:
        randomness = parent.trace_id & ids.RANDOMNESS_MASK
    if (randomness >= state.threshold) == sampled:
        return parent.trace_state
    return tracestate.write(parent.trace_state, dataclasses.replace(state, threshold=None))


def _result(
    sampled: bool, attributes: Attributes, trace_state: TraceState | None
) -> SamplingResult:
    if sampled:
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, trace_state)
    return SamplingResult(Decision.DROP, None, trace_state)
