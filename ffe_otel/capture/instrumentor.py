# SPDX-License-Identifier: Apache-2.0
"""The instrumentor that ``opentelemetry-instrument`` loads: the engine's hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)

from ffe_otel.capture.hooking import HookSet
from ffe_otel.capture.hooks import all_hooks
from ffe_otel.capture.libraries import Libraries
from ffe_otel.capture.start import sdk_disabled

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class FfeInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Patches the engine when its modules are imported, and undoes it."""

    _hooks: HookSet | None = None
    _restore: Callable[[], None] | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Nothing: the engine need not be an installed distribution to be hooked."""
        return ()

    def _instrument(self, **_kwargs: Any) -> None:
        if sdk_disabled():
            return
        self._restore = Libraries(only_own=True).install()
        self._hooks = HookSet()
        self._hooks.install(all_hooks())

    def _uninstrument(self, **_kwargs: Any) -> None:
        if self._hooks is not None:
            self._hooks.uninstall()
            self._hooks = None
        if self._restore is not None:
            self._restore()
            self._restore = None
