# SPDX-License-Identifier: Apache-2.0
"""Providers that ``OTEL_CONFIG_FILE`` declares, with our promises kept.

The file says where telemetry goes. What it leaves open is ours: ids, sampler, resource,
correlation header, metrics page (docs/decisions/0010). OpenTelemetry's loader builds and
keeps the providers for itself, so what is missing is put into its model, and what the model
has no words for into the arguments of the providers' constructors while it builds them.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from opentelemetry import propagate
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from ffe_otel.correlation import FfePropagator
from ffe_otel.export import otlp
from ffe_otel.export.patching import Patches
from ffe_otel.sdk.loggers import FfeLoggerProvider
from ffe_otel.sdk.meters import FfeMeterProvider
from ffe_otel.sdk.provider import FfeTracerProvider, make_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.configuration import OpenTelemetryConfiguration
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import Sampler

    # Given a provider and the arguments of the loader, the arguments to make it with.
    _Arguments = Callable[[Any, dict[str, Any]], dict[str, Any]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ours:
    """What goes where the file leaves room.

    Attributes:
        sampler: where none is declared.
        id_generator: where none is declared, or the SDK's, whose ids repeat.
        resource: attributes that are not declared.
        readers: makes the metric readers that are there in any case; is told whether one of
            the declared readers is on prometheus_client's default registry already.
        header: the correlation header.
    """

    sampler: Sampler
    id_generator: IdGenerator
    resource: Mapping[str, str]
    readers: Callable[[bool], list[MetricReader]]
    header: str


@dataclass(frozen=True, slots=True)
class Built:
    """The providers that came of it."""

    tracer_provider: FfeTracerProvider
    meter_provider: MeterProvider
    logger_provider: LoggerProvider


def load(path: str) -> OpenTelemetryConfiguration:
    """Read the file.

    Raises:
        RuntimeError: the package that can is not installed.
        ConfigurationError: the file is not there or not valid.
    """
    try:
        from opentelemetry.configuration import load_config_file
    except ImportError as error:
        raise RuntimeError(
            "OTEL_CONFIG_FILE is set, but the package that reads it is not installed; "
            "pip install opentelemetry-configuration"
        ) from error
    return load_config_file(path)


def build(model: OpenTelemetryConfiguration, ours: Ours) -> Built:
    """Build the providers and the propagator, and make them global where none are set."""
    from opentelemetry.configuration import configure_sdk

    sampler = None if model.tracer_provider and model.tracer_provider.sampler else ours.sampler
    propagator_declared = model.propagator is not None
    _fill_in(model, ours.resource)
    made: dict[type, Any] = {}
    arguments: dict[type, _Arguments] = {
        TracerProvider: lambda provider, given: _for_traces(provider, given, ours, sampler),
        MeterProvider: lambda provider, given: _for_metrics(provider, given, ours),
        LoggerProvider: _for_logs,
    }
    patches = Patches()
    for kind, more in arguments.items():
        patches.wrap(kind, "__init__", _constructor(kind, more, made))
    try:
        configure_sdk(model)
    except Exception as error:
        if len(made) < len(arguments):
            for provider in made.values():
                provider.shutdown()
            raise
        # The providers are there: what failed came after them.
        _log.warning("ffe_otel: part of OTEL_CONFIG_FILE cannot be used: %s", error)
    finally:
        patches.undo()
    _add_header(ours.header, declared=propagator_declared)
    return Built(made[TracerProvider], made[MeterProvider], made[LoggerProvider])


def _fill_in(model: OpenTelemetryConfiguration, resource: Mapping[str, str]) -> None:
    """Declare what is not: signals that go nowhere, and our resource attributes.

    Without providers of the SDK there would be no ids and no metrics page.
    """
    from opentelemetry.configuration import models

    model.tracer_provider = model.tracer_provider or models.TracerProvider(processors=[])
    model.meter_provider = model.meter_provider or models.MeterProvider(readers=[])
    model.logger_provider = model.logger_provider or models.LoggerProvider(processors=[])
    declared = model.resource = model.resource or models.Resource()
    # In this list the later of two wins, and every other kind of declaration wins over it.
    pairs = [f"{name}={quote(value)}" for name, value in resource.items()]
    declared.attributes_list = ",".join([*pairs, declared.attributes_list or ""])


def _constructor(kind: type, more: _Arguments, made: dict[type, Any]) -> Callable[..., None]:
    """Make ``kind`` with ``more`` arguments and remember it."""
    thread = threading.get_ident()

    def wrapper(
        wrapped: Callable[..., None], provider: Any, args: Any, kwargs: dict[str, Any]
    ) -> None:
        if threading.get_ident() != thread:
            # Somebody else happens to make one at the same time.
            wrapped(*args, **kwargs)
            return
        # Shutting down is up to the handle, within its deadline.
        wrapped(*args, **{**more(provider, kwargs), "shutdown_on_exit": False})
        made[kind] = provider

    return wrapper


def _for_traces(
    provider: Any, given: dict[str, Any], ours: Ours, sampler: Sampler | None
) -> dict[str, Any]:
    more: dict[str, Any] = {"active_span_processor": make_ours(provider).processors}
    if sampler is not None:
        more["sampler"] = sampler
    if type(given.get("id_generator")) in {type(None), RandomIdGenerator}:
        more["id_generator"] = ours.id_generator
    return given | more


def _for_metrics(provider: Any, given: dict[str, Any], ours: Ours) -> dict[str, Any]:
    provider.__class__ = FfeMeterProvider
    declared = [otlp.leave_out_doubles(reader) for reader in given.get("metric_readers", ())]
    on_registry = any(isinstance(reader, PrometheusMetricReader) for reader in declared)
    return given | {"metric_readers": [*declared, *ours.readers(on_registry)]}


def _for_logs(provider: Any, given: dict[str, Any]) -> dict[str, Any]:
    provider.__class__ = FfeLoggerProvider
    return given


def _add_header(header: str, *, declared: bool) -> None:
    """Send the correlation header beside what is declared, unless that is nothing at all."""
    if not declared:
        propagate.set_global_textmap(FfePropagator(header))
        return
    propagator = propagate.get_global_textmap()
    if propagator.fields and header not in propagator.fields:
        propagate.set_global_textmap(FfePropagator(header, beside=(propagator,)))
