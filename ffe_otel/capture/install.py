# SPDX-License-Identifier: Apache-2.0
"""Putting capture together, and taking it apart again."""

from __future__ import annotations

import gc
import logging
import os
import time
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ffe_otel import semconv
from ffe_otel.capture import ending, lifecycle, runtime
from ffe_otel.capture.children import process_name
from ffe_otel.capture.configuring import correct_variables
from ffe_otel.capture.start import sdk_disabled
from ffe_otel.config import load_config, load_usable
from ffe_otel.foundation.release import installed_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    from ffe_otel.capture.flushing import Flusher
    from ffe_otel.capture.hooking import HookSet
    from ffe_otel.capture.logs import LogCapture
    from ffe_otel.capture.runtime import Runtime
    from ffe_otel.config import Config
    from ffe_otel.export.prometheus import MetricsPage
    from ffe_otel.export.spool.outbox import Outbox
    from ffe_otel.export.stats import ExportStats
    from ffe_otel.redaction import Redactor

_log = logging.getLogger(__name__)

_FOR_WAITING: Final = 0.95
"""Of ``limits.shutdown_seconds``; the rest is what ending takes when nobody waits."""


class Handle:
    """An installed capture.

    Attributes:
        runtime: what the manual API and the hooks use; ``None`` when nothing was installed
            because ``OTEL_SDK_DISABLED`` is set.
        tracer_provider, meter_provider, logger_provider: the OpenTelemetry providers.
        hooks: the state of the engine's hooks, ``None`` when they were not asked for.
        page: the metrics page, ``None`` when it is switched off.
    """

    def __init__(self, stack: ExitStack, shutdown_seconds: float) -> None:
        self.runtime: Runtime | None = None
        self.tracer_provider: TracerProvider | None = None
        self.meter_provider: MeterProvider | None = None
        self.logger_provider: LoggerProvider | None = None
        self.hooks: HookSet | None = None
        self.page: MetricsPage | None = None
        self.redactor: Redactor | None = None
        self.stats: ExportStats | None = None
        self.log_capture: LogCapture | None = None
        self.outbox: Outbox | None = None
        self.flusher: Flusher | None = None
        self._closed = False
        self._stack = stack
        self._shutdown_seconds = shutdown_seconds * _FOR_WAITING

    def flush(self, timeout: float = 5.0) -> bool:
        """Send what is waiting; ``False`` when that failed or took over ``timeout`` seconds.

        What could not be sent is on disk then, and is sent later. True means what it means for
        ``force_flush`` of the providers, see docs/durability.md. Other than those, this tries
        the endpoint once even while it is thought to be away.
        """
        return self.flusher is None or self.flusher.everything(self.providers(), timeout)

    def store(self, seconds: float) -> bool:
        """Bring the spans and log records that are in memory to the spool within ``seconds``.

        Metrics are not collected for it. Whether all of it is stored.
        """
        if self.flusher is None:
            return True
        sources = (self.tracer_provider, self.logger_provider)
        return self.flusher.store([each for each in sources if each is not None], seconds)

    def providers(self) -> tuple[Any, ...]:
        """The OpenTelemetry providers that there are."""
        found = (self.tracer_provider, self.logger_provider, self.meter_provider)
        return tuple(provider for provider in found if provider is not None)

    def uninstall(self) -> None:
        """Flush within the configured deadline and give back every patched object.

        OpenTelemetry's global meter and logger provider can be set once in a process. Where
        they were ours, metrics and log records that the engine makes through the OpenTelemetry
        API stay off afterwards, also after another ``install``; its spans do not.
        """
        self._stack.close()

    def close(self) -> None:
        """End open spans as aborted and send everything, for a process that ends.

        Patches stay: log records of exit callbacks that run later still reach the file.
        """
        if self._closed:
            return
        if self.runtime is not None:
            self.runtime.abort_open()
        seconds = self._begin_end()
        end = time.monotonic() + seconds
        if self.log_capture is not None:
            self.log_capture.close(seconds / 2)
        self.shut_providers(end)

    def _begin_end(self) -> float:
        """Seconds that our part of the exit may take from now on."""
        if self.flusher is None:
            return self._shutdown_seconds
        self.flusher.flushes.closing = True
        return min(self._shutdown_seconds, self.flusher.flushes.budget.left())

    def shut_providers(self, end: float | None = None) -> None:
        """Shut the providers down, once; the seams keep that within the deadline.

        Args:
            end: monotonic time in seconds until which the spool may be sent; by default
                ``limits.shutdown_seconds`` from now.
        """
        if self._closed:
            return
        self._closed = True
        end = time.monotonic() + self._begin_end() if end is None else end
        for provider in self.providers():
            try:
                provider.shutdown()
            except Exception:  # noqa: BLE001 - the others are to be sent all the same
                _log.warning("ffe_otel: a provider could not be shut down", exc_info=True)
        if self.outbox is not None:
            self.outbox.close(end)


class SharedHandle(Handle):
    """A capture that was brought up when the program started.

    It belongs to whoever started the program: ``uninstall`` and ``close`` send what is
    waiting and leave it in place.
    """

    def __init__(self, owner: Handle) -> None:
        vars(self).update(vars(owner))

    def uninstall(self) -> None:
        """Send what is waiting, within the configured deadline."""
        self.flush(self._shutdown_seconds)

    close = uninstall


def install(
    config: Config | None = None,
    *,
    span_exporter: SpanExporter | None = None,
    log_exporter: LogRecordExporter | None = None,
    metric_reader: MetricReader | None = None,
    id_generator: IdGenerator | None = None,
    clock: Callable[[], int] | None = None,
    monotonic: Callable[[], int] | None = None,
    hooks: bool = True,
    set_global: bool = True,
) -> Handle:
    """Install capture in this process.

    Under ``opentelemetry-instrument`` and ``ffe-otel run`` it is there already; the handle
    then stands for that one, and ``config`` is not used.

    Args:
        config: by default what ``load_config`` finds.
        span_exporter: takes the spans, at once and in place of the configured exporters.
        log_exporter: the same for log records.
        metric_reader: in place of the configured readers; no metrics page is started then.
        id_generator: of trace and span ids.
        clock: wall clock in nanoseconds, for span and event times.
        monotonic: clock in nanoseconds that durations are measured with.
        hooks: hook the engine and the HTTP and threading libraries.
        set_global: make the providers OpenTelemetry's global ones where none are set.

    Returns:
        A handle; its ``uninstall`` undoes everything.

    Raises:
        ConfigError: the configuration is invalid; of OpenTelemetry's own variables what cannot
            be used counts as not set, which is said on standard error.
        CatalogueError: the section ``redaction`` names what does not exist.
        RuntimeError: capture is installed already, by another call of this function or,
            where an exporter, a reader, a clock or an id generator is given, by the start
            of the program.
    """
    parts = (span_exporter, log_exporter, metric_reader, id_generator, clock, monotonic)
    active = runtime.get()
    if active is not None and active.shared is not None and not any(parts):
        if config is not None:
            _log.warning(
                "ffe_otel: capture came with the start of the program, with a configuration of "
                "its own; the one given to install() is not used"
            )
        return SharedHandle(active.shared)
    stack = ExitStack()
    if sdk_disabled():
        config = config if config is not None else load_usable().config
        return Handle(stack, config.limits.shutdown_seconds)
    stack.callback(correct_variables())
    try:
        config = config if config is not None else load_config().config
    except BaseException:
        stack.close()
        raise
    handle = Handle(stack, config.limits.shutdown_seconds)
    runtime.require_none()
    from ffe_otel.capture.assembly import Assembly, Parts

    try:
        Assembly(config, Parts(*parts), stack, handle, set_global=set_global).build(hooks=hooks)
    except BaseException:
        stack.close()
        raise
    stack.callback(ending.watch(handle.store))
    stack.callback(lifecycle.at_exit(handle))
    stack.callback(lifecycle.Termination(handle, config.limits.shutdown_seconds).install())
    lifecycle.at_fork(handle)
    return handle


def install_at_start(config: Config) -> None:
    """Install capture for a program that need not know of it; hooks follow separately."""
    handle = install(config, hooks=False)
    if handle.runtime is not None:
        handle.runtime.shared = handle
        # Nothing of the program is there yet, and all of ours stays. The garbage collector,
        # which stops every thread, would look through it each time for ten milliseconds.
        gc.freeze()


def own_resource_attributes(config: Config) -> dict[str, str]:
    """What ``OTEL_RESOURCE_ATTRIBUTES`` and ``OTEL_SERVICE_NAME`` leave open of them."""
    from opentelemetry.sdk.resources import OTELResourceDetector

    given = {name for name, value in OTELResourceDetector().detect().attributes.items() if value}
    own = resource_attributes(config)
    return {name: value for name, value in own.items() if name not in given}


def resource_attributes(config: Config) -> dict[str, str]:
    """Resource attributes of this process where nobody else names them."""
    return {
        "service.name": config.telemetry.service_name,
        # Named after the agent: a random id would make new Prometheus series at each start.
        "service.instance.id": str(
            uuid.uuid5(
                uuid.NAMESPACE_DNS,
                f"{os.uname().nodename}/{config.telemetry.agent_id}{process_name()}",
            )
        ),
        "deployment.environment.name": config.telemetry.environment,
        "telemetry.distro.name": semconv.SCOPE,
        "telemetry.distro.version": installed_version(),
        semconv.AGENT_ID: config.telemetry.agent_id,
    }


def state_dir(config: Config) -> Path:
    """Where spool, store, tokens and logs live."""
    return Path(config.state_dir or Path.home() / ".local/state/ffe_otel")
