# SPDX-License-Identifier: Apache-2.0
"""One run, put together: the loopback world, the engine, its monitor and the agent."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from finance_feedback_engine.agent.config import TradingAgentConfig
from finance_feedback_engine.agent.trading_loop_agent import TradingLoopAgent
from finance_feedback_engine.core import FinanceFeedbackEngine
from finance_feedback_engine.monitoring.trade_monitor import TradeMonitor
from finance_feedback_engine.simulation.faults import EXIT_DONE, EXIT_KILL_SWITCH, EXIT_STUCK
from finance_feedback_engine.simulation.http import LoopbackServer
from finance_feedback_engine.simulation.llm import MODELS, OllamaService
from finance_feedback_engine.simulation.market import MarketService
from finance_feedback_engine.simulation.replay import Replay
from finance_feedback_engine.stats import RunStats

if TYPE_CHECKING:
    from .options import Options

logger = logging.getLogger(__name__)

DEFAULT_API_KEY = "DEMOFAKEKEY01234"
_OLLAMA = "http://127.0.0.1:11434"
_LLM_FAULTS = {"slow_provider", "failing_provider", "llm_down", "bad_llm_json"}
_FAULTY_CYCLE = 2
_LOSING_TRADES = 8


class Session:
    """Everything that one run needs, from ``open`` to ``close``.

    Args:
        options: What to do.

    Raises:
        UnknownAssetError: An asset has no recorded prices.
        ValueError: The replay cannot start on the day that was asked for.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.stats = RunStats()
        self.replay = Replay(options.assets, options.start)
        self._kept: list[bytearray] = []
        with ExitStack() as resources:
            self._resources = resources
            self._build()
            self._resources = resources.pop_all()

    def _build(self) -> None:
        options = self.options
        own_folder = self._resources.enter_context(TemporaryDirectory(prefix="ffe-demo-"))
        self.state_dir = options.state_dir or Path(own_folder)
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self._replay_file = self.state_dir / "replay.json"
        self._continue_replay()
        api_key = os.environ.get("ALPHA_VANTAGE_API_KEY") or DEFAULT_API_KEY
        market = self._serve(
            MarketService(self.replay, api_key, options.faults, options.data_latency), "market-api"
        )
        self.engine = FinanceFeedbackEngine(self._config(api_key, market, self._llm_host()))
        if "platform_error" in options.faults:
            self.engine.trading_platform.paper._error_rate = 1.0  # noqa: SLF001 - the fault's switch
        self.monitor = TradeMonitor(self.engine.trading_platform.paper, detection_interval=0.5)
        self.engine.enable_monitoring_integration(self.monitor)
        self.agent = TradingLoopAgent(
            self._agent_config(),
            self.engine,
            self.monitor,
            self.engine.memory_engine,
            self.engine.trading_platform,
        )
        self.agent.on_cycle = self._on_cycle
        self.agent.phase_gate = self._phase_gate

    async def run(self) -> int:
        """Run the agent to its end and return the exit code."""
        self.monitor.start()
        try:
            await self.agent.run()
        finally:
            await asyncio.to_thread(self.monitor.stop, 2.0)
            await self.engine.data_provider.close()
        if self.agent.stop_reason == "kill_switch":
            return EXIT_KILL_SWITCH
        return EXIT_STUCK if self.agent.phase_timeouts else EXIT_DONE

    def close(self) -> None:
        """Stop the loopback servers and remember where the replay stands."""
        self._replay_file.write_text(json.dumps({"index": self.replay.index}), encoding="utf-8")
        self._resources.close()

    def summary(self) -> dict[str, Any]:
        """Return what the engine says it did."""
        return {
            **self.stats.summary(),
            "llm": self.options.llm,
            "assets": list(self.options.assets),
            "faults": sorted(self.options.faults),
            "seed": self.options.seed,
            "stop_reason": self.agent.stop_reason,
            "phase_timeouts": self.agent.phase_timeouts,
            "state_dir": str(self.options.state_dir or ""),
        }

    def _serve(self, service: Any, name: str) -> str:
        server = LoopbackServer(service, name)
        self._resources.callback(server.close)
        return server.url

    def _llm_host(self) -> str:
        """Return the address of a language model server, starting one when there is none."""
        faults = self.options.faults
        asked = os.environ.get("OLLAMA_HOST") or _OLLAMA
        asked = asked if "://" in asked else f"http://{asked}"
        # Faults are made by the built-in server, so a real one is of no use then.
        if not faults & _LLM_FAULTS and _answers(asked):
            logger.info("Using the language model server at %s", asked)
            return asked
        service = OllamaService(self.options.seed, faults, self.options.llm_latency)
        if "llm_down" in faults:
            gone = LoopbackServer(service, "built-in-llm")
            gone.close()
            url = gone.url
            logger.warning("The language model server at %s is down on purpose", url)
            return url
        url = self._serve(service, "built-in-llm")
        why = "a fault is on" if faults & _LLM_FAULTS else f"no server answers at {asked}"
        note = f"using the built-in language models at {url} ({why})"
        logger.info("%s", note)
        print(f"finance_feedback_engine: {note}", file=sys.stderr)
        return url

    def _config(self, api_key: str, market_url: str, llm_host: str) -> dict[str, Any]:
        options = self.options
        bull, judge, bear = MODELS[1], MODELS[0], MODELS[2]
        return {
            "alpha_vantage_api_key": api_key,
            "market_data": {"base_url": market_url},
            "platforms": {
                "paper": {
                    "state_file": str(self.state_dir / "positions.json"),
                    "seed": options.seed,
                    "initial_balance": {"FUTURES_USD": 10_000.0},
                }
            },
            "decision_engine": {
                "ai_provider": "ensemble" if options.llm == "debate" else options.llm,
                "model_name": "llama3.1:8b",
                "ollama_host": llm_host,
            },
            "ensemble": {
                "enabled_providers": list(MODELS),
                "provider_weights": {judge: 0.4, bull: 0.3, bear: 0.3},
                "debate_mode": options.llm == "debate",
                "debate_providers": {"bull": bull, "bear": bear, "judge": judge},
            },
            "cli_arguments": self._cli_arguments(),
            "error_tracking": {"crash_dump_dir": str(self.state_dir / "crash_dumps")},
            "safety": {"initial_balance": 10_000.0},
            "data_dir": str(self.state_dir),
            "stats": self.stats,
        }

    def _cli_arguments(self) -> list[str]:
        faults = self.options.faults
        slow = 20 if "slow_provider" in faults else 1
        arguments = ["--seed", str(self.options.seed)]
        arguments += ["--latency", str(self.options.llm_latency * slow)]
        arguments += ["--prose"] if "bad_llm_json" in faults else []
        arguments += ["--fail"] if "failing_provider" in faults else []
        return arguments

    def _agent_config(self) -> TradingAgentConfig:
        return TradingAgentConfig(
            asset_pairs=list(self.options.assets),
            max_cycles=self.options.cycles,
            analysis_frequency_seconds=self.options.interval,
            main_loop_error_backoff_seconds=self.options.interval,
            phase_timeout_seconds=self.options.phase_timeout,
        )

    def _continue_replay(self) -> None:
        if not self._replay_file.exists():
            return
        try:
            index = int(json.loads(self._replay_file.read_text(encoding="utf-8"))["index"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{self._replay_file} does not say where the replay stands; delete it to begin anew"
            ) from error
        self.replay.seek(index)

    def _on_cycle(self, agent: TradingLoopAgent) -> None:
        if self.replay.advance():
            logger.info("The recorded prices end here: closing all positions and beginning anew")
            self.engine.trading_platform.paper.flatten()
        second = self.stats.value("cycles_begun") == _FAULTY_CYCLE
        if second and "kill_switch" in self.options.faults:
            logger.warning("Making up %d losing trades", _LOSING_TRADES)
            agent._performance_metrics["current_streak"] = -_LOSING_TRADES  # noqa: SLF001
        if "memory_leak" in self.options.faults:
            self._kept.append(bytearray(os.urandom(1) * int(self.options.leak_megabytes * 2**20)))

    async def _phase_gate(self, phase: str) -> None:
        second = self.stats.value("cycles_begun") == _FAULTY_CYCLE
        if second and phase == "REASONING" and "stuck_phase" in self.options.faults:
            logger.warning("Reasoning hangs on purpose")
            await asyncio.Event().wait()


def _answers(host: str) -> bool:
    try:
        with urllib.request.urlopen(f"{host}/api/tags", timeout=1) as reply:  # noqa: S310 - http
            return bool(json.load(reply).get("models"))
    except (OSError, ValueError, urllib.error.URLError):
        return False
