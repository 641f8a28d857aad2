# SPDX-License-Identifier: Apache-2.0
"""Correlation id = trace id: ids, their generator, propagation, sampling.

The generator and the sampler are built on the SDK and are imported when they are asked
for: the manual API needs the rest also in a process where the SDK is switched off.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from ffe_otel.correlation.generator import FfeIdGenerator
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

_FROM_SDK = {
    "FfeIdGenerator": "generator",
    "ConsistentRatioSampler": "sampler",
    "sampler_from_env": "sampler",
}


def __getattr__(name: str) -> Any:
    if name in _FROM_SDK:
        return getattr(import_module(f"{__name__}.{_FROM_SDK[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
