# SPDX-License-Identifier: Apache-2.0
"""Writes down what became of each position, from what the platform shows before and after."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


class TradeOutcomeRecorder:
    """Compares positions with those of the last call; a smaller or missing one is an outcome.

    Args:
        data_dir: Outcomes are appended to ``trade_outcomes/<day>.jsonl`` below it.
        use_async: Not used; outcomes are written at once.
        unified_provider: Asked for the exit price.
        trade_close_alert_webhook_url: Not used.
        trade_close_alert_token: Not used.
        pending_linkage_store: Not used.
    """

    def __init__(
        self,
        data_dir: str = "data",
        use_async: bool = True,
        unified_provider: Any = None,
        trade_close_alert_webhook_url: str | None = None,
        trade_close_alert_token: str | None = None,
        pending_linkage_store: Any = None,
    ) -> None:
        del use_async, trade_close_alert_webhook_url, trade_close_alert_token
        del pending_linkage_store
        self._folder = Path(data_dir) / "trade_outcomes"
        self._unified_provider = unified_provider
        self._open: dict[str, dict[str, Any]] = {}

    def update_positions(self, current_positions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Record what closed since the last call and return it."""
        current = {str(item["product_id"]): item for item in current_positions}
        outcomes = []
        for asset, before in self._open.items():
            left = current.get(asset, {"contracts": 0.0})["contracts"]
            gone = before["contracts"] - left
            if gone > 1e-9:
                outcome = self._create_outcome(
                    _trade_data(before),
                    datetime.now(UTC),
                    Decimal(str(self._exit_price(before))),
                    Decimal(str(gone)),
                    "market",
                )
                if outcome is not None:
                    outcomes.append(outcome)
        self._open = current
        return outcomes

    def _exit_price(self, position: dict[str, Any]) -> float:
        quote = None
        if self._unified_provider is not None:
            quote = self._unified_provider.get_current_price(position["product_id"])
        return float(quote["price"] if quote else position["current_price"])

    def _create_outcome(
        self,
        trade_data: dict[str, Any],
        exit_time: datetime,
        exit_price: Decimal,
        exit_size: Decimal,
        exit_price_source: str = "unknown",
    ) -> dict[str, Any] | None:
        entry_price = Decimal(str(trade_data["entry_price"]))
        direction = 1 if trade_data["side"] == "LONG" else -1
        pnl = (exit_price - entry_price) * exit_size * direction
        held = (exit_time - datetime.fromisoformat(trade_data["entry_time"])).total_seconds()
        outcome = {
            "trade_id": trade_data["trade_id"],
            "decision_id": trade_data["decision_id"],
            "product_id": trade_data["product_id"],
            "asset_pair": trade_data["product_id"],
            "recorded_via": "position_polling",
            "side": trade_data["side"],
            "entry_time": trade_data["entry_time"],
            "entry_price": str(entry_price),
            "exit_time": exit_time.isoformat(),
            "exit_price": str(exit_price),
            "exit_price_source": exit_price_source,
            "exit_size": str(exit_size),
            "realized_pnl": str(pnl),
            "fees": "0",
            "holding_duration_seconds": int(held),
            "roi_percent": str((exit_price / entry_price - 1) * 100 * direction),
        }
        self._save_outcome(outcome)
        return outcome

    def _save_outcome(self, outcome: dict[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{datetime.now(UTC):%Y-%m-%d}.jsonl"
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(outcome) + "\n")
        logger.info(
            "Recorded trade outcome: %s %s P&L %s",
            outcome["side"],
            outcome["asset_pair"],
            outcome["realized_pnl"],
        )


def _trade_data(position: dict[str, Any]) -> dict[str, Any]:
    return {
        "trade_id": position["id"],
        "decision_id": position["decision_id"],
        "product_id": position["product_id"],
        "side": position["side"],
        "entry_time": position["opened_at"],
        "entry_price": position["entry_price"],
    }
