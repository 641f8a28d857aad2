# SPDX-License-Identifier: Apache-2.0
"""Watches from a thread of its own what opened, what closed and what the account is worth."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

from . import prometheus

logger = logging.getLogger(__name__)


class TradeMonitor:
    """Polls the platform and hands closed trades to the trading loop.

    Args:
        platform: Where the positions are.
        metrics_collector: Not used.
        portfolio_memory: Not used.
        detection_interval: Seconds between two looks.
        poll_interval: Not used.
        portfolio_initial_balance: Not used; the context provider has its own.
        portfolio_stop_loss_percentage: Loss of the account, as a fraction, that pauses trading.
        portfolio_take_profit_percentage: Gain that does the same.
        monitoring_context_provider: Asked for profit and loss of the account.
        orchestrator: Told to pause trading when a limit is hit.
        unified_data_provider: Not used.
        timeframe_aggregator: Not used.
        pulse_interval: Not used.
    """

    MAX_CONCURRENT_TRADES = 4

    def __init__(
        self,
        platform: Any = None,
        metrics_collector: Any = None,
        portfolio_memory: Any = None,
        detection_interval: float = 30,
        poll_interval: float = 30,
        portfolio_initial_balance: float = 0.0,
        portfolio_stop_loss_percentage: float = 0.0,
        portfolio_take_profit_percentage: float = 0.0,
        monitoring_context_provider: Any = None,
        orchestrator: Any = None,
        unified_data_provider: Any | None = None,
        timeframe_aggregator: Any | None = None,
        pulse_interval: float = 300,
    ) -> None:
        del metrics_collector, portfolio_memory, poll_interval, portfolio_initial_balance
        del unified_data_provider, timeframe_aggregator, pulse_interval
        self.platform = platform
        self.detection_interval = detection_interval
        self.portfolio_stop_loss_percentage = portfolio_stop_loss_percentage
        self.portfolio_take_profit_percentage = portfolio_take_profit_percentage
        self.monitoring_context_provider = monitoring_context_provider
        self.orchestrator = orchestrator
        self.closed_trades_queue: queue.Queue[dict[str, Any]] = queue.Queue()
        self._tracked: set[str] = set()
        self._decisions: dict[str, str] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Tell whether the thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread; does nothing when it runs."""
        if self.is_running:
            return
        self._stopping.clear()
        self._thread = threading.Thread(
            target=self._monitoring_loop, name="TradeMonitor-Main", daemon=True
        )
        self._thread.start()
        logger.info("TradeMonitor started (every %.1fs)", self.detection_interval)

    def stop(self, timeout: float = 10.0) -> bool:
        """Stop the thread; False when it did not end in time."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout)
        logger.info("TradeMonitor stopped")
        return not self.is_running

    def _monitoring_loop(self) -> None:
        while not self._stopping.wait(self.detection_interval):
            try:
                self._detect_new_trades()
                self._check_portfolio_pnl_limits()
            except Exception:
                logger.exception("Error in the monitoring loop")

    def _check_portfolio_pnl_limits(self) -> None:
        if self.monitoring_context_provider is None:
            return
        pnl = self.monitoring_context_provider.get_portfolio_pnl_percentage()
        stop, take = self.portfolio_stop_loss_percentage, self.portfolio_take_profit_percentage
        if stop and pnl <= -stop:
            logger.critical(
                "PORTFOLIO STOP-LOSS HIT! Current P&L: %.2f%% Threshold: -%.2f%%",
                pnl * 100,
                stop * 100,
            )
            self._handle_portfolio_limit_hit("stop_loss", pnl)
        elif take and pnl >= take:
            self._handle_portfolio_limit_hit("take_profit", pnl)

    def _handle_portfolio_limit_hit(self, limit_type: str, current_pnl_pct: float) -> None:
        logger.warning(
            "Portfolio %s hit. Current P&L: %.2f%%. Pausing trading.",
            limit_type.upper(),
            current_pnl_pct * 100,
        )
        if self.orchestrator is None:
            logger.warning("No Orchestrator instance available to signal for pausing trading.")
            return
        self.orchestrator.pause_trading(reason=f"portfolio {limit_type} at {current_pnl_pct:.2%}")

    def _detect_new_trades(self) -> None:
        """Track what opened and report what closed since the last look."""
        with self._lock:
            held = {
                str(item["product_id"]): item
                for item in self.platform.get_active_positions()["positions"]
            }
            for asset in sorted(held.keys() - self._tracked):
                logger.info("New trade detected: %s %s", held[asset]["side"], asset)
            self._tracked = set(held)
            prometheus.update_active_trades("paper", len(held))
            for trade in self.platform.drain_closed_trades():
                self._on_trade_completed(trade)

    def _on_trade_completed(self, metrics: dict[str, Any]) -> None:
        logger.info(
            "Trade completed: %s | PnL: $%.2f | Duration: %.2fh",
            metrics["trade_id"],
            metrics["realized_pnl"],
            metrics["holding_duration_hours"],
        )
        prometheus.update_trade_pnl_trade(
            metrics["asset_pair"], metrics["trade_id"], metrics["realized_pnl"]
        )
        self.closed_trades_queue.put(metrics)

    def associate_decision_to_trade(self, decision_id: str, asset_pair: str) -> None:
        """Remember which decision a position in an asset came from."""
        self._decisions[asset_pair] = decision_id

    def get_decision_id_by_asset(self, asset_pair: str) -> str | None:
        """Return the latest decision that was executed for an asset."""
        return self._decisions.get(asset_pair)

    def get_closed_trades(self) -> list[dict[str, Any]]:
        """Return the trades closed since the last call.

        It looks at the platform itself first, so that what the loop learns from does not depend on
        when the thread looked last.
        """
        self._detect_new_trades()
        closed = []
        while not self.closed_trades_queue.empty():
            closed.append(self.closed_trades_queue.get_nowait())
        return closed

    def get_active_trades(self) -> list[dict[str, Any]]:
        """Return the open positions."""
        positions: list[dict[str, Any]] = self.platform.get_active_positions()["positions"]
        return positions
