# SPDX-License-Identifier: Apache-2.0
"""The secrets in the engine's configuration, hidden by value from its start on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ffe_otel.capture import runtime
from ffe_otel.capture.hooking import Hook
from ffe_otel.redaction import harvest_settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from ffe_otel.capture.around import Call


def _engine(call: Call) -> Generator[None, Any, None]:
    config = call.get("config")
    capture = runtime.get()
    if capture is not None and isinstance(config, Mapping):
        capture.learn_secrets(harvest_settings(config))
    yield


HOOKS: Final = (
    Hook(
        "settings.engine",
        "finance_feedback_engine.core",
        "FinanceFeedbackEngine.__init__",
        _engine,
        ("config",),
    ),
)
