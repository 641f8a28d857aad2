# SPDX-License-Identifier: Apache-2.0
"""How the trading loop behaves."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class TradingAgentConfig:
    """Settings of one agent; times in seconds, ``max_cycles`` 0 means no end."""

    asset_pairs: list[str] = field(default_factory=list)
    autonomous: bool = True
    max_cycles: int = 0
    analysis_frequency_seconds: float = 1.0
    main_loop_error_backoff_seconds: float = 1.0
    phase_timeout_seconds: float = 60.0
    max_retries_per_cycle: int = 2
    reasoning_max_concurrent_assets: int = 3
    min_confidence_threshold: float = 0.66
    max_daily_trades: int = 5000
    rejection_cooldown_cycles: int = 2
    failure_cooldown_cycles: int = 4
    initial_balance: float = 10_000.0
    max_drawdown_percent: float = 0.06
    correlation_threshold: float = 0.75
    max_var_pct: float = 0.02
    max_leverage: float = 0.5
    max_position_pct: float = 30.0
    kill_switch_loss_pct: float = 25.0
    kill_switch_loss_streak: int = 8
    kill_switch_total_loss_fraction: float = 0.25
    loss_streak_pause: int = 4
    loss_streak_pause_cycles: int = 10
