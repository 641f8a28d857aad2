# SPDX-License-Identifier: Apache-2.0
"""The assembly of an installed capture from SDK parts, one stage after the other.

Each stage pushes its own undoing on the handle's exit stack, so that a failure half-way
and ``uninstall`` both leave the process as it was.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import _logs, metrics, propagate, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from ffe_otel import semconv
from ffe_otel.capture import declared, exporters, runtime
from ffe_otel.capture.api import log_context
from ffe_otel.capture.children import Children
from ffe_otel.capture.configuring import without_secrets
from ffe_otel.capture.flushing import Flusher
from ffe_otel.capture.install import own_resource_attributes, resource_attributes, state_dir
from ffe_otel.capture.instruments import Instruments
from ffe_otel.capture.libraries import Libraries, set_defaults
from ffe_otel.capture.logs import install_log_capture
from ffe_otel.capture.own_metrics import observe_telemetry
from ffe_otel.capture.port import make_way
from ffe_otel.capture.prices import PriceTable
from ffe_otel.capture.printed import Screen, install_screen
from ffe_otel.capture.process_metrics import observe_process
from ffe_otel.capture.start import say
from ffe_otel.correlation import ConsistentRatioSampler, FfeIdGenerator, FfePropagator
from ffe_otel.export import otlp, prometheus, seams
from ffe_otel.export.flushing import Flushes
from ffe_otel.export.spool.exporters import is_spooled
from ffe_otel.export.spool.outbox import Outbox
from ffe_otel.export.spool.processors import SpoolLogProcessor, SpoolSpanProcessor
from ffe_otel.export.spool.sender import Desk
from ffe_otel.export.stats import ExportStats
from ffe_otel.foundation.room import Room
from ffe_otel.redaction import configured_redactor, engine_redactor
from ffe_otel.sdk import existing, leaving, selfcheck
from ffe_otel.sdk import found as sdk_found
from ffe_otel.sdk.emitting import emit_event
from ffe_otel.sdk.loggers import FfeLoggerProvider
from ffe_otel.sdk.meters import FfeMeterProvider
from ffe_otel.sdk.provider import FfeTracerProvider
from ffe_otel.sdk.switch import ProcessorSwitch
from ffe_otel.sdk.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import ExitStack

    from opentelemetry.configuration import OpenTelemetryConfiguration
    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import Sampler

    from ffe_otel.capture.install import Handle
    from ffe_otel.config import Config

_log = logging.getLogger(__name__)
T = TypeVar("T")
_RATIO_SAMPLERS = ("traceidratio", "parentbased_traceidratio", "ffe_otel")


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts that a caller brings in place of the configured ones."""

    span_exporter: SpanExporter | None = None
    log_exporter: LogRecordExporter | None = None
    metric_reader: MetricReader | None = None
    id_generator: IdGenerator | None = None
    clock: Callable[[], int] | None = None
    monotonic: Callable[[], int] | None = None


class Assembly:
    """Builds one capture. The stages follow the data: redaction first, hooks last."""

    def __init__(
        self, config: Config, parts: Parts, stack: ExitStack, handle: Handle, *, set_global: bool
    ) -> None:
        self._config = config
        self._parts = parts
        self._stack = stack
        self._handle = handle
        self._set_global = set_global
        self._late: LoggerProvider | None = None
        self._room = Room(config.limits.queue_bytes)

    def build(self, *, hooks: bool) -> None:
        """Build all stages, or none where ``OTEL_CONFIG_FILE`` says so."""
        file = self._declaration()
        if file is not None and file.disabled:
            return
        self._sdk()
        self._redaction()
        if file is None or not self._declared_providers(file):
            self._providers()
        self._flusher()
        self._stack.callback(self._handle.shut_providers)
        self._runtime()
        self._logs()
        if hooks:
            self._hooks()
        page = self._handle.page
        if page is not None and page.start() and self._handle.runtime is not None:
            self._stack.callback(make_way(page, self._handle.runtime.failed))

    def _sdk(self) -> None:
        """Look what the SDK's private parts do, and say once what that means."""
        self._findings = sdk_found.renew()
        for line in selfcheck.told(self._findings):
            _log.warning("ffe_otel: OpenTelemetry's SDK is not as expected; %s", line)
        if self._findings.works(sdk_found.CONTEXT):
            self._stack.callback(leaving.install())

    def _redaction(self) -> None:
        self._redactor = configured_redactor(self._config, os.environ)
        self._screen = Screen(engine_redactor(self._config, os.environ, self._redactor))
        self._stats = ExportStats()
        self._handle.redactor, self._handle.stats = self._redactor, self._stats
        installed = seams.install(
            self._redactor,
            self._stats,
            attribute_length=self._config.limits.attribute_length,
            shutdown_seconds=self._config.limits.shutdown_seconds,
            findings=self._findings,
        )
        self._seams = installed
        self._flushes = Flushes(installed.budget, self._config.limits.flush_seconds, self._stats)
        self._stack.callback(installed)
        if self._config.spool.enabled:
            redactor = self._redactor
            self._handle.outbox = Outbox(
                self._config,
                state_dir(self._config) / self._config.spool.directory,
                Desk(self._stats, installed.health, lambda text: redactor.text(text, "log")),
            )

    def _providers(self) -> None:
        resource = Resource.create(dict(own_resource_attributes(self._config)))
        self._traces(resource)
        self._metrics(resource)
        self._log_records(resource)
        if self._set_global and not os.environ.get("OTEL_PROPAGATORS"):
            before = propagate.get_global_textmap()
            propagate.set_global_textmap(FfePropagator(self._config.logging.correlation_id_header))
            self._stack.callback(propagate.set_global_textmap, before)

    def _traces(self, resource: Resource) -> None:
        current = trace.get_tracer_provider() if self._set_global else None
        if isinstance(current, FfeTracerProvider):
            provider = current
        else:
            provider = FfeTracerProvider(
                sampler=_sampler(self._config),
                resource=resource,
                id_generator=self._parts.id_generator or FfeIdGenerator(),
            )
        if self._parts.span_exporter is not None:
            processors: list[Any] = [SimpleSpanProcessor(self._parts.span_exporter)]
        else:
            processors = [
                self._to_spool(SpoolSpanProcessor, exporter, "OTEL_BSP")
                if is_spooled(exporter)
                else otlp.span_processor(self._config, exporter)
                for exporter in exporters.span_exporters(self._config, self._handle.outbox)
            ]
        self._use_tracer_provider(provider, processors, current)

    def _use_tracer_provider(
        self, provider: FfeTracerProvider, processors: Sequence[Any], current: object
    ) -> None:
        for processor in processors:
            provider.add_span_processor(processor)
        self._stack.callback(provider.processors.clear)
        self._handle.tracer_provider = provider
        if not self._set_global:
            return
        if current is provider or trace.get_tracer_provider() is provider:
            return
        if not existing.is_somebodys(current):
            trace.set_tracer_provider(provider)
            return
        # The engine set a provider first; its spans come along through our processors.
        beside = ProcessorSwitch()
        for processor in processors:
            beside.add_span_processor(processor)
        try:
            existing.add_span_processor(current, beside)
        except Exception as error:  # noqa: BLE001 - a provider may be anybody's
            _log.warning(
                "ffe_otel: a %s was set before, which takes no more span processors (%s: %s); "
                "what it starts is not seen",
                type(current).__qualname__,
                type(error).__name__,
                error,
            )
            return
        self._stack.callback(existing.remove_span_processors, current, (beside,))
        self._stack.callback(beside.clear)

    def _metrics(self, resource: Resource) -> None:
        if self._parts.metric_reader is not None:
            readers = [self._parts.metric_reader]
        else:
            readers = exporters.metric_readers(self._config, self._handle.outbox)
            readers += prometheus.readers(self._page())
        provider = FfeMeterProvider(
            metric_readers=readers, resource=resource, shutdown_on_exit=False
        )
        provider.measurements.room = self._room
        self._handle.meter_provider = provider
        current = metrics.get_meter_provider() if self._set_global else provider
        if current is not provider and not existing.is_somebodys(current):
            metrics.set_meter_provider(provider)

    def _page(self) -> prometheus.MetricsPage | None:
        if self._config.metrics.prometheus.enabled:
            self._handle.page = prometheus.MetricsPage(self._config.metrics.prometheus)
            self._stack.callback(self._handle.page.close)
        return self._handle.page

    def _log_records(self, resource: Resource) -> None:
        provider = FfeLoggerProvider(resource=resource, shutdown_on_exit=False)
        if self._parts.log_exporter is not None:
            provider.add_log_record_processor(SimpleLogRecordProcessor(self._parts.log_exporter))
        else:
            for exporter in exporters.log_exporters(self._config, self._handle.outbox):
                if not is_spooled(exporter):
                    provider.add_log_record_processor(otlp.log_processor(self._config, exporter))
                    continue
                processor = self._to_spool(SpoolLogProcessor, exporter, "OTEL_BLRP")
                provider.add_log_record_processor(processor)
                if self._late is None:
                    self._late = LoggerProvider(resource=resource, shutdown_on_exit=False)
                # Shut down, it goes on taking records.
                self._late.add_log_record_processor(processor)
        self._handle.logger_provider = provider
        if self._set_global and not existing.is_somebodys(_logs.get_logger_provider()):
            _logs.set_logger_provider(provider)

    def _to_spool(self, kind: type[T], exporter: Any, prefix: str) -> T:
        """A processor that ends at the spool, in the configured bounds."""
        make: Callable[..., T] = kind
        return make(
            exporter,
            self._seams.seam,
            otlp.queue_size(self._config, prefix),
            self._flushes,
            self._room,
        )

    def _flusher(self) -> None:
        flusher = Flusher(self._flushes, self._handle.outbox)
        flusher.start()
        self._handle.flusher = flusher
        for provider in self._handle.providers():
            if isinstance(provider, FfeTracerProvider | FfeMeterProvider | FfeLoggerProvider):
                provider.flusher = flusher.of(provider)
                # The global one stays, and goes back to what the SDK does.
                self._stack.callback(setattr, provider, "flusher", None)

    def _declaration(self) -> OpenTelemetryConfiguration | None:
        """What ``OTEL_CONFIG_FILE`` says; parts that the caller brings come before it."""
        parts = (self._parts.span_exporter, self._parts.log_exporter, self._parts.metric_reader)
        path = os.environ.get("OTEL_CONFIG_FILE")
        if not path or any(parts) or not self._set_global:
            return None
        try:
            return declared.load(path)
        except Exception as error:  # noqa: BLE001 - whatever it is, the engine has to start
            self._undeclared(error)
            return None

    def _undeclared(self, error: Exception) -> None:
        text = without_secrets()(f"{type(error).__name__}: {error}")
        say(
            f"OTEL_CONFIG_FILE cannot be used ({text}); telemetry goes where the other variables "
            "and the configuration say"
        )

    def _declared_providers(self, file: OpenTelemetryConfiguration) -> bool:
        """The providers of ``OTEL_CONFIG_FILE``, unless they cannot be made."""
        current = trace.get_tracer_provider()
        self._stack.callback(propagate.set_global_textmap, propagate.get_global_textmap())
        page = self._page()
        ours = declared.Ours(
            sampler=_sampler(self._config),
            id_generator=self._parts.id_generator or FfeIdGenerator(),
            resource=resource_attributes(self._config),
            readers=lambda on_registry: prometheus.readers(page, registry=not on_registry),
            header=self._config.logging.correlation_id_header,
        )
        try:
            built = declared.build(file, ours)
        except Exception as error:  # noqa: BLE001 - whatever it is, the engine has to start
            self._undeclared(error)
            made = trace.get_tracer_provider()
            if isinstance(made, FfeTracerProvider):
                # Global for good; what it ended at is shut down.
                made.processors.clear()
            return False
        provider = current if isinstance(current, FfeTracerProvider) else built.tracer_provider
        self._use_tracer_provider(provider, built.tracer_provider.processors.take(), current)
        if isinstance(built.meter_provider, FfeMeterProvider):
            built.meter_provider.measurements.room = self._room
        self._handle.meter_provider = built.meter_provider
        self._handle.logger_provider = built.logger_provider
        return True

    def _runtime(self) -> None:
        handle: Any = self._handle
        meter = handle.meter_provider.get_meter(semconv.SCOPE)
        instruments = Instruments(meter, self._config.limits.label_sets)
        built = runtime.Runtime(
            tracer=handle.tracer_provider.get_tracer(semconv.SCOPE_API),
            instruments=instruments,
            events=partial(emit_event, handle.logger_provider.get_logger(semconv.SCOPE)),
            prices=PriceTable(self._config.llm.prices),
            environment=self._config.telemetry.environment,
            agent_id=self._config.telemetry.agent_id,
            capture_content=self._config.llm.capture_content,
        )
        if self._parts.clock is not None:
            built.clock = self._parts.clock
        if self._parts.monotonic is not None:
            built.monotonic = self._parts.monotonic
        if isinstance(handle.tracer_provider, FfeTracerProvider):
            built.live_spans = handle.tracer_provider.live.newest_first
            handle.tracer_provider.timeline = partial(Timeline, built.clock, built.monotonic)
        if isinstance(handle.meter_provider, FfeMeterProvider):
            handle.meter_provider.measurements.failed = built.failed
        built.learn_secrets = self._learn
        runtime.activate(built)
        self._handle.runtime = built
        children = Children()
        built.at_work = children.leave_alone
        self._stack.callback(children.install())
        self._stack.callback(runtime.deactivate, built)
        self._stack.callback(built.abort_open)
        observe_process(meter, state_dir(self._config))
        observe_telemetry(meter, self._stats, self._redactor, self._handle.outbox, built)

    def _logs(self) -> None:
        meters = self._handle.meter_provider
        capture = install_log_capture(
            self._config,
            self._redactor,
            self._handle.logger_provider,
            self._stats,
            log_context,
            self._late,
            meters.measurements.drain if isinstance(meters, FfeMeterProvider) else lambda: None,
            self._room,
        )
        self._handle.log_capture = capture
        if self._handle.flusher is not None:
            self._handle.flusher.log_lines = capture.ask
        self._stack.callback(capture)
        wanted = self._config.redaction.engine_handlers
        self._stack.callback(install_screen(wanted, self._screen, capture.prints))

    def _learn(self, literals: Iterable[str]) -> None:
        known = tuple(literals)
        self._redactor.learn(known)
        self._screen.learn(known)

    def _hooks(self) -> None:
        from ffe_otel.capture.hooking import HookSet
        from ffe_otel.capture.hooks import all_hooks

        set_defaults(self._stack)
        libraries = Libraries(self._handle.tracer_provider, self._handle.meter_provider)
        self._stack.callback(libraries.install())
        hooks = HookSet()
        hooks.install(all_hooks())
        self._handle.hooks = hooks
        self._stack.callback(hooks.uninstall)


def _sampler(config: Config) -> Sampler:
    from opentelemetry.sdk.trace import sampling

    name = os.environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    fixed: dict[str, Sampler] = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
        "parentbased_always_on": sampling.DEFAULT_ON,
        "parentbased_always_off": sampling.DEFAULT_OFF,
    }
    if name in fixed:
        return fixed[name]
    own = ConsistentRatioSampler(config.telemetry.sampling_ratio)
    if not name or name in _RATIO_SAMPLERS:
        return own
    try:
        return _registered_sampler(name)
    except Exception as error:  # noqa: BLE001 - code of others, and the engine has to start
        say(f"OTEL_TRACES_SAMPLER: {name} cannot be used ({type(error).__name__}), ours is")
        return own


def _registered_sampler(name: str) -> Sampler:
    """A sampler of somebody else, made as the SDK does it."""
    from opentelemetry.sdk.trace.sampling import Sampler

    for entry in entry_points(group="opentelemetry_traces_sampler", name=name):
        made = entry.load()(os.environ.get("OTEL_TRACES_SAMPLER_ARG"))
        if isinstance(made, Sampler):
            return made
    raise TypeError("no sampler")
