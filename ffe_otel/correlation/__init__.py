# SPDX-License-Identifier: Apache-2.0
"""Correlation id = trace id: ids, their generator, propagation, sampling."""

from ffe_otel.correlation.generator import FfeIdGenerator
from ffe_otel.correlation.ids import correlation_id, hash_trace_id, is_random_id, trace_id
from ffe_otel.correlation.propagator import FfePropagator
from ffe_otel.correlation.requested import (
    RequestedRoot,
    current_correlation_id,
    incoming_correlation,
    requested_root,
    use_requested_root,
    with_requested_root,
)
from ffe_otel.correlation.sampler import ConsistentRatioSampler, sampler_from_env

__all__ = [
    "ConsistentRatioSampler",
    "FfeIdGenerator",
    "FfePropagator",
    "RequestedRoot",
    "correlation_id",
    "current_correlation_id",
    "hash_trace_id",
    "incoming_correlation",
    "is_random_id",
    "requested_root",
    "sampler_from_env",
    "trace_id",
    "use_requested_root",
    "with_requested_root",
]
