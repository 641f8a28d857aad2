# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry's own instrumentations that ``install()`` brings along.

HTTP clients, so that requests of a cycle are in its trace and carry its ids, and threads,
so that the context gets into pools. ``opentelemetry-instrument`` loads them by itself.
"""

from __future__ import annotations

import logging
import os
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

import wrapt

from ffe_otel.capture.distro import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack
    from types import ModuleType

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_log = logging.getLogger(__name__)

# Module, and the name its instrumentation is registered under.
LIBRARIES: Final = {
    "threading": "threading",
    "requests": "requests",
    "httpx": "httpx",
    "aiohttp": "aiohttp-client",
}


class Libraries:
    """Instruments each library once it is imported; never imports one itself."""

    def __init__(
        self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None
    ) -> None:
        self._providers = {"tracer_provider": tracer_provider, "meter_provider": meter_provider}
        self._instrumented: list[Any] = []
        self._active = True

    def install(self) -> Callable[[], None]:
        """Instrument what is there and what will be; returns the undoing."""
        for module, name in LIBRARIES.items():
            wrapt.register_post_import_hook(self._hook(name), module)
        return self._undo

    def _hook(self, name: str) -> Callable[[ModuleType], None]:
        return lambda _module: self._instrument(name)

    def _instrument(self, name: str) -> None:
        if not self._active:
            return
        try:
            for entry in entry_points(group="opentelemetry_instrumentor", name=name):
                instrumentor = entry.load()()
                if not instrumentor.is_instrumented_by_opentelemetry:
                    instrumentor.instrument(**self._providers)
                    self._instrumented.append(instrumentor)
        except Exception:  # noqa: BLE001 - somebody's import must not fail on our account
            _log.warning("ffe_otel: %s could not be instrumented", name, exc_info=True)

    def _undo(self) -> None:
        self._active = False
        for instrumentor in reversed(self._instrumented):
            instrumentor.uninstrument()
        self._instrumented.clear()


def set_defaults(stack: ExitStack) -> None:
    """Set the distribution's variables where they are open, until ``stack`` is closed."""
    for name, value in DEFAULTS.items():
        if name not in os.environ:
            os.environ[name] = value
            stack.callback(os.environ.pop, name, None)
