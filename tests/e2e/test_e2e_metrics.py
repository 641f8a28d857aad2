# SPDX-License-Identifier: Apache-2.0
"""The metrics page after a run of the engine: every promised name, label and bucket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from otlp_sink import running
from prometheus_client.parser import text_string_to_metric_families

from ffe_otel import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).with_name("engine_and_page.py")
BUCKETS = {
    "ffe_ooda_cycle_duration_seconds": [0.1, 0.5, 1, 2, 5, 10, 30],
    "ffe_agent_cycle_duration_seconds": [0.1, 0.5, 1, 2, 5, 10, 30],
    "ffe_decision_generation_latency_seconds": [1, 5, 10, 30, 60, 120],
    "ffe_api_call_duration_seconds": [0.1, 0.5, 1, 2, 5, 10],
    "ffe_position_recovery_duration_seconds": [1, 5, 10, 30, 60],
}
LABELS = {
    "ffe_ooda_cycle_duration_seconds": set(),
    "ffe_agent_cycle_duration_seconds": {"state"},
    "ffe_decision_generation_latency_seconds": {"provider", "phase"},
    "ffe_api_call_duration_seconds": {"service", "endpoint"},
    "ffe_risk_check_result_total": {"result", "reason"},
    "ffe_position_recovery_duration_seconds": {"platform"},
    "ffe_agent_state": set(),
    "ffe_agent_state_transitions_total": {"from", "to"},
    "ffe_decision_latency_seconds": {"provider", "asset_pair"},
    "ffe_decision_confidence": {"asset_pair", "action"},
    "ffe_provider_requests_total": {"provider", "status"},
    "ffe_trade_pnl_dollars_summary_sum": {"asset_pair"},
    "ffe_trade_pnl_dollars_summary_count": {"asset_pair"},
    "ffe_trade_pnl_abs_dollars": {"asset_pair", "outcome"},
    "ffe_trades_closed_total": {"asset_pair", "outcome"},
    "ffe_trade_execution_duration_seconds": {"platform", "action"},
    "ffe_circuit_breaker_state": {"service"},
    "ffe_portfolio_value_dollars": {"platform"},
    "ffe_active_trades": {"platform"},
    "ffe_llm_tokens_total": {"provider", "model", "direction"},
    "ffe_llm_cost_usd_total": {"provider", "model"},
    "ffe_cache_requests_total": {"cache", "result"},
}
# They count what went wrong, and nothing has to.
MAY_BE_EMPTY = {
    semconv.OTEL_DROPPED.prometheus,
    semconv.OTEL_QUARANTINED.prometheus,
    semconv.OTEL_SEND_FAILURES.prometheus,
    semconv.OTEL_REDACTION_FAILURES.prometheus,
    semconv.OTEL_FOLDED.prometheus,
    semconv.OTEL_HOOK_ERRORS.prometheus,
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with running() as sink:
        yield sink.url


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, endpoint: str) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("metrics")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "FFE_OTEL"))}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--cycles", "12", "--interval", "0", "--llm", "debate"],
        env=env
        | {
            "FFE_OTEL__METRICS__PROMETHEUS__PORT": "0",
            "FFE_OTEL__STATE_DIR": str(folder),
            "FFE_DEMO_LLM_LATENCY": "0",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def families(text: str) -> dict[str, list[tuple[str, dict[str, str], float]]]:
    """Family as Prometheus names it (counters with ``_total``) -> its samples."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): [
            (s.name, s.labels, s.value) for s in family.samples if not s.name.endswith("_created")
        ]
        for family in text_string_to_metric_families(text)
    }


def test_every_promised_metric_is_there_under_its_name(run: dict[str, str]) -> None:
    found = families(run["text"])
    missing = semconv.PROMETHEUS_NAMES - MAY_BE_EMPTY - {k for k, v in found.items() if v}
    assert missing == set()
    assert set(found) <= semconv.PROMETHEUS_NAMES | {"target_info", "target"}


def test_labels_and_buckets_are_the_documented_ones(run: dict[str, str]) -> None:
    found = families(run["text"])
    for name, labels in LABELS.items():
        for _, seen, _ in found[name]:
            assert set(seen) - {"le"} == labels, name
    for name, bounds in BUCKETS.items():
        seen_bounds = {float(s["le"]) for n, s, _ in found[name] if n.endswith("_bucket")}
        assert sorted(seen_bounds) == [*map(float, bounds), float("inf")], name


def test_exemplars_name_a_trace_of_the_run(run: dict[str, str]) -> None:
    lines = [
        line
        for line in run["openmetrics"].splitlines()
        if line.startswith("ffe_ooda_cycle_duration_seconds_bucket") and "trace_id=" in line
    ]
    assert lines
    for line in lines:
        trace_id = line.split('trace_id="')[1].split('"')[0]
        assert trace_id in run["cycles"]


def test_the_engine_s_own_families_stay_on_the_default_registry(run: dict[str, str]) -> None:
    found = families(run["engine"])
    by_prometheus_client = {"ffe_agent_state", "ffe_provider_requests_total"}
    by_opentelemetry = "ffe_decision_generation_latency_seconds"
    assert by_prometheus_client <= set(found)
    assert all({"asset_pair", "status"} <= set(labels) for _, labels, _ in found[by_opentelemetry])
    assert semconv.CYCLE_DURATION.prometheus not in found
