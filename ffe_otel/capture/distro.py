# SPDX-License-Identifier: Apache-2.0
"""The entry points that ``opentelemetry-instrument`` calls: distribution and configurator.

``OTEL_SDK_DISABLED=true`` is honoured before anything of the SDK is imported. What goes
wrong is said once on standard error, and the engine runs on without telemetry.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]

# Defaults for what the standard leaves open; a variable that is set always wins.
DEFAULTS = {
    # Records are taken once, by our own tap; the handler would send each a second time.
    "OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION": "false",
    # The stable HTTP conventions; without it the old http.* names go out.
    "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
}


def sdk_disabled() -> bool:
    """Whether ``OTEL_SDK_DISABLED`` is true."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def say(message: str) -> None:
    """Tell the operator something before logging is set up."""
    sys.stderr.write(f"ffe_otel: {message}\n")


class FfeDistro(BaseDistro):  # type: ignore[misc]
    """Sets the defaults of the distribution."""

    def _configure(self, **_kwargs: Any) -> None:
        if sdk_disabled():
            return
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

        An invalid configuration file is reported and replaced by the defaults: an agent
        that holds positions has to start.
        """
        if sdk_disabled():
            return
        from ffe_otel.capture.install import install_at_start
        from ffe_otel.config import ConfigError, load_config

        try:
            config = load_config().config
        except ConfigError as error:
            say(f"{error}\nffe_otel: going on with the default configuration")
            own = ("FFE_OTEL", "OTEL_")
            rest = {k: v for k, v in os.environ.items() if not k.startswith(own)}
            config = load_config(Path(os.devnull), environ=rest).config
        try:
            install_at_start(config)
        except Exception as error:  # noqa: BLE001 - whatever it is, the engine has to start
            say(f"nothing is captured: {type(error).__name__}: {error}")
