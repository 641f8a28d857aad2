# SPDX-License-Identifier: Apache-2.0
"""Run the real engine offline for a number of cycles; the last line is what it did, as JSON.

python engine_run.py CYCLES LLM_MODE [FAULT]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from typing import Any

from engine_services import MODELS, Services

ASSETS = ["BTCUSD", "ETHUSD"]
DEADLINE_SECONDS = 150


def config(llm: str) -> dict[str, Any]:
    several = llm in {"ensemble", "debate"}
    judge, bull, bear = MODELS
    return {
        "environment": "development",
        "alpha_vantage_api_key": "DEMOFAKEKEY01234",
        "trading_platform": "unified",
        "enabled_platforms": ["paper"],
        "platforms": [
            {"name": "paper", "credentials": {"initial_balance": {"FUTURES_USD": 10000.0}}}
        ],
        "paper_trading_defaults": {"enabled": True, "initial_cash_usd": 10000.0},
        "platform_credentials": {},
        "decision_engine": {
            "ai_provider": "ensemble" if several else llm,
            "model_name": bull,
            "decision_threshold": 0.6,
            "max_retries": 1,
            "local_models": list(MODELS),
        },
        "ensemble": {
            "enabled_providers": list(MODELS) if several else ["local"],
            "provider_weights": dict.fromkeys(MODELS, 1 / 3) if several else {"local": 1.0},
            "debate_mode": llm == "debate",
            "debate_providers": {"bull": bull, "bear": bear, "judge": judge},
            "min_providers_for_quorum": 1,
            "voting_strategy": "weighted",
            "two_phase": {"enabled": False},
        },
        "agent": {
            "asset_pairs": ASSETS,
            "autonomous": {"enabled": True},
            "max_drawdown_percent": 0.15,
            "position_sizing": {"max_position_usd_dev": 2000.0, "max_position_usd_prod": 2000.0},
        },
        # Opening passes; adding to a position is then over the leverage limit.
        "safety": {"max_leverage": 0.0, "max_position_pct": 60.0},
        "persistence": {"storage_path": "data/decisions", "max_decisions": 1000},
        "portfolio_memory": {"enabled": True},
        "monitoring": {"enabled": False, "enable_context_integration": True},
        "api_timeouts": {"llm_query": 10},
        "error_tracking": {"enabled": True},
    }


def build(llm: str, fault: str, url: str) -> tuple[Any, Any]:
    """The engine and its agent, talking to loopback only."""
    from finance_feedback_engine.agent.config import TradingAgentConfig
    from finance_feedback_engine.agent.trading_loop_agent import TradingLoopAgent
    from finance_feedback_engine.core import FinanceFeedbackEngine
    from finance_feedback_engine.data_providers.alpha_vantage_provider import AlphaVantageProvider
    from finance_feedback_engine.data_providers.coinbase_data import CoinbaseDataProvider
    from finance_feedback_engine.monitoring.trade_monitor import TradeMonitor
    from finance_feedback_engine.observability import init_metrics_from_config, init_tracer
    from finance_feedback_engine.utils.rate_limiter import RateLimiter

    AlphaVantageProvider.BASE_URL = f"{url}/query"
    CoinbaseDataProvider.BASE_URL = url
    observability = {"tracing": {"enabled": False}}
    init_tracer(observability)
    init_metrics_from_config(observability)
    settings = config(llm)
    engine = FinanceFeedbackEngine(settings)
    monitor = TradeMonitor(
        platform=engine.trading_platform,
        portfolio_initial_balance=10000.0,
        detection_interval=1,
        poll_interval=1,
    )
    engine.enable_monitoring_integration(trade_monitor=monitor)
    engine.data_provider.rate_limiter = RateLimiter(1000, 1000)
    engine.unified_provider.coinbase.rate_limiter = RateLimiter(1000, 1000)
    agent_config = TradingAgentConfig(**settings["agent"])
    agent_config.analysis_frequency_seconds = 0.02
    agent_config.main_loop_error_backoff_seconds = 0.02
    agent_config.reasoning_rate_limit_requests_per_minute = 0
    agent_config.max_daily_trades = 1000
    agent = TradingLoopAgent(
        config=agent_config,
        engine=engine,
        trade_monitor=monitor,
        portfolio_memory=engine.memory_engine,
        trading_platform=engine.trading_platform,
    )
    agent._rejection_cooldown_seconds = 0
    if fault == "kill_switch":
        agent._performance_metrics["current_streak"] = -6
    if fault == "platform_error":
        engine.trading_platform.platforms["paper"]._error_rate = 1.0
    return engine, agent


class Begun:
    """Counts the cycles that the engine itself says it began: perceptions it logs."""

    def __init__(self) -> None:
        self.cycles = 0
        logging.getLogger("finance_feedback_engine.agent.trading_loop_agent").addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        self.cycles += str(record.msg).startswith("State: PERCEPTION")
        return True


async def run(agent: Any, engine: Any, cycles: int) -> None:
    async def watch() -> None:
        end = time.monotonic() + DEADLINE_SECONDS
        while agent.is_running or agent._start_time is None:
            if agent._cycle_count >= cycles or time.monotonic() > end:
                agent.stop()
            await asyncio.sleep(0.005)

    await asyncio.gather(agent.run(), watch())
    await engine.data_provider.close()


def families() -> list[str]:
    """What the engine's own /metrics shows."""
    from prometheus_client import REGISTRY

    return sorted({metric.name for metric in REGISTRY.collect() if metric.samples})


def main() -> None:
    cycles, llm, fault = int(sys.argv[1]), sys.argv[2], (*sys.argv[3:], "none")[0]
    services = Services(fault)
    os.environ.update(OLLAMA_HOST=services.url, ENVIRONMENT="development", NO_PROXY="127.0.0.1")
    logging.getLogger().setLevel(logging.INFO)
    engine, agent = build(llm, fault, services.url)
    begun = Begun()
    asyncio.run(run(agent, engine, cycles))
    if engine.order_status_worker:
        engine.order_status_worker.stop()
    services.close()
    with contextlib.suppress(BrokenPipeError):
        done = {"begun": begun.cycles, "completed": agent._cycle_count, "families": families()}
        sys.stdout.write("\n" + json.dumps(done) + "\n")


if __name__ == "__main__":
    main()
