# SPDX-License-Identifier: Apache-2.0
"""The engine's own threads: trade monitor and order status worker.

Each pass of such a thread is a trace of its own. The thread itself starts with an empty
context: it inherits the one of whoever started it, and an API request's span would be the
parent of all it does for the rest of its life.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from ffe_otel.capture import api
from ffe_otel.capture.hooking import Hook
from ffe_otel.capture.hooks.about import about_trade
from ffe_otel.capture.hooks.facts import carrying, number, text

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from ffe_otel.capture.around import Body, Call

_MODULE: Final = "finance_feedback_engine.monitoring.trade_monitor"
_WORKER: Final = "finance_feedback_engine.monitoring.order_status_worker"
_PASS: Final = otel_context.create_key("ffe-otel-monitor-pass")


@contextmanager
def _nothing_inherited() -> Iterator[None]:
    token = otel_context.attach(Context())
    try:
        yield
    finally:
        otel_context.detach(token)


def _thread(_call: Call) -> Generator[None, Any, None]:
    with _nothing_inherited():
        yield


@contextmanager
def _in_pass(name: str) -> Iterator[None]:
    if otel_context.get_value(_PASS) is not None:
        yield  # part of the pass that called it
        return
    with api.monitor(name) as step, carrying(_PASS, step):
        yield


def _pass(name: str) -> Body:
    def body(_call: Call) -> Generator[None, Any, None]:
        with _in_pass(name):
            yield

    return body


def _completed(call: Call) -> Generator[None, Any, None]:
    with _in_pass("trade_completed"), about_trade(call.get("metrics")):
        yield


def _limit_hit(call: Call) -> Generator[None, Any, None]:
    """The portfolio's stop-loss or take-profit was reached."""
    limit = text(call.get("limit_type")) or "limit"
    percentage = number(call.get("current_pnl_pct"))
    step: Any = otel_context.get_value(_PASS)
    if step is not None:
        step.fail(f"portfolio {limit} hit at {percentage}")
    if limit == "stop_loss":
        api.risk_veto("trade_monitor", "portfolio_stop_loss", f"portfolio P&L is {percentage}")
    yield


def _monitor(method: str, wrapper: Body, *parameters: str, optional: bool = False) -> Hook:
    name = "monitor." + method.strip("_")
    return Hook(name, _MODULE, f"TradeMonitor.{method}", wrapper, parameters, optional=optional)


HOOKS: Final = (
    _monitor("_monitoring_loop", _thread, optional=True),
    _monitor("_check_portfolio_pnl_limits", _pass("portfolio_limits")),
    _monitor("_handle_portfolio_limit_hit", _limit_hit, "limit_type", "current_pnl_pct"),
    _monitor("_detect_new_trades", _pass("detect_trades")),
    _monitor("_on_trade_completed", _completed, "metrics"),
    _monitor("_process_pending_trades", _pass("pending_trades"), optional=True),
    _monitor("_maybe_execute_market_pulse", _pass("market_pulse"), optional=True),
    Hook(
        "monitor.orders_thread",
        _WORKER,
        "OrderStatusWorker._worker_loop",
        _thread,
        optional=True,
    ),
    Hook(
        "monitor.orders",
        _WORKER,
        "OrderStatusWorker._check_pending_orders",
        _pass("order_status"),
        optional=True,
    ),
)
