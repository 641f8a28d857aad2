# SPDX-License-Identifier: Apache-2.0
"""Libraries that ``install()`` has observed.

HTTP clients, so that requests of a cycle are in its trace and carry its ids, and threads,
so that the context gets into pools. By OpenTelemetry's instrumentations where they are
installed, which ``opentelemetry-instrument`` loads by itself; where they are not, ours
stand in for some.
"""

from __future__ import annotations

import logging
import os
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

import wrapt

from ffe_otel.capture import aiohttp_client, threads
from ffe_otel.capture.distro import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack
    from importlib.metadata import EntryPoint
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


# What each of ours needs to be made of comes from the providers.
OWN: Final[dict[str, Callable[..., Callable[[], None]]]] = {
    "threading": lambda **_: threads.carry_context(),
    "aiohttp-client": aiohttp_client.observe_sessions,
}
_DISABLED: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"


class Libraries:
    """Instruments each library once it is imported; never imports one itself.

    Args:
        tracer_provider: of the spans; by default the global one.
        meter_provider: of the metrics; by default the global one.
        only_own: leave OpenTelemetry's instrumentations to whoever loads them.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        only_own: bool = False,
    ) -> None:
        self._providers = {"tracer_provider": tracer_provider, "meter_provider": meter_provider}
        self._only_own = only_own
        self._undoing: list[Callable[[], None]] = []
        self._active = True

    def install(self) -> Callable[[], None]:
        """Instrument what is there and what will be; returns the undoing."""
        disabled = {name.strip() for name in os.environ.get(_DISABLED, "").split(",")}
        for module, name in LIBRARIES.items():
            if name not in disabled:
                wrapt.register_post_import_hook(self._hook(name), module)
        return self._undo

    def _hook(self, name: str) -> Callable[[ModuleType], None]:
        return lambda _module: self._instrument(name)

    def _instrument(self, name: str) -> None:
        if not self._active:
            return
        try:
            entries = entry_points(group="opentelemetry_instrumentor", name=name)
            if not entries and name in OWN:
                self._undoing.append(OWN[name](**self._providers))
            elif not self._only_own:
                for entry in entries:
                    self._load(entry)
        except Exception:  # noqa: BLE001 - somebody's import must not fail on our account
            _log.warning("ffe_otel: %s could not be instrumented", name, exc_info=True)

    def _load(self, entry: EntryPoint) -> None:
        instrumentor = entry.load()()
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(**self._providers)
            self._undoing.append(instrumentor.uninstrument)

    def _undo(self) -> None:
        self._active = False
        while self._undoing:
            self._undoing.pop()()


def set_defaults(stack: ExitStack) -> None:
    """Set the distribution's variables where they are open, until ``stack`` is closed."""
    for name, value in DEFAULTS.items():
        if name not in os.environ:
            os.environ[name] = value
            stack.callback(os.environ.pop, name, None)
