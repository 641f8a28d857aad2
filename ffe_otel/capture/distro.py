# SPDX-License-Identifier: Apache-2.0
"""The entry points that ``opentelemetry-instrument`` calls: distribution and configurator.

``OTEL_SDK_DISABLED=true`` is honoured before anything of the SDK is imported. What goes
wrong is said once on standard error, and the engine runs on without telemetry.
"""

from __future__ import annotations

import os
from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]

from ffe_otel.capture.start import say, sdk_disabled

# Defaults for what the standard leaves open; a variable that is set always wins.
DEFAULTS = {
    # Records are taken once, by our own tap; the handler would send each a second time.
    "OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION": "false",
    # The stable HTTP conventions; without it the old http.* names go out.
    "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
}


class FfeDistro(BaseDistro):  # type: ignore[misc]
    """Sets the defaults of the distribution."""

    def _configure(self, **_kwargs: Any) -> None:
        if sdk_disabled():
            return
        from ffe_otel.capture.configuring import correct_variables

        # Before anything of the SDK reads them, some of it while it is being imported.
        correct_variables()
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)

    def load_instrumentor(self, entry_point: Any, **kwargs: Any) -> None:
        """Load an instrumentation, unless it would only wrap what goes nowhere."""
        if not sdk_disabled():
            super().load_instrumentor(entry_point, **kwargs)


class FfeConfigurator:
    """Builds the providers; the hooks follow when the instrumentor is loaded."""

    def configure(self, **_kwargs: Any) -> None:
        """Install capture without hooks.

        What is wrong with the configuration is said and left out: an agent that holds
        positions has to start.
        """
        if sdk_disabled():
            return
        try:
            from ffe_otel.capture.configuring import usable_config
            from ffe_otel.capture.install import install_at_start

            install_at_start(usable_config())
        except Exception as error:  # noqa: BLE001 - whatever it is, the engine has to start
            say(f"nothing is captured: {type(error).__name__}{_shown(error)}")


def _shown(error: Exception) -> str:
    try:
        from ffe_otel.capture.configuring import without_secrets

        return f": {without_secrets()(str(error))}"
    except Exception:  # noqa: BLE001 - it may be what failed
        return ""
