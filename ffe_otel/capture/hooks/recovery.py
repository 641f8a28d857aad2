# SPDX-License-Identifier: Apache-2.0
"""Recovery of open positions at start, inside a cycle or before the first one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context

from ffe_otel.capture import api
from ffe_otel.capture.hooking import Hook
from ffe_otel.capture.hooks import venues
from ffe_otel.capture.hooks.facts import carrying, field, integer, text

if TYPE_CHECKING:
    from collections.abc import Generator

    from ffe_otel.capture.around import Call

_MODULE: Final = "finance_feedback_engine.agent.trading_loop_agent"
_RECOVERY: Final = otel_context.create_key("ffe-otel-recovery")


def _recover(call: Call) -> Generator[None, Any, None]:
    if otel_context.get_value(_RECOVERY) is not None:
        yield  # the state handler delegates to the recovery itself: one of them is enough
        return
    platform = getattr(call.instance, "trading_platform", None)
    with api.recovery(venues.of(platform)) as step, carrying(_RECOVERY, step):
        yield


def told(event: Any) -> None:
    """Take what the engine tells its dashboard: recovery returns nothing and never raises."""
    step: Any = otel_context.get_value(_RECOVERY)
    if step is None:
        return
    if field(event, "type") == "recovery_complete":
        count = integer(field(event, "kept"))
        step.recovered(count if count is not None else integer(field(event, "found")) or 0)
    else:
        reason = text(field(event, "reason")) or "unknown"
        error = text(field(event, "error"))
        step.fail(f"{reason}: {error}" if error else reason)


HOOKS: Final = (
    Hook("recovery.state", _MODULE, "TradingLoopAgent.handle_recovering_state", _recover),
    Hook("recovery.positions", _MODULE, "TradingLoopAgent._recover_existing_positions", _recover),
)
