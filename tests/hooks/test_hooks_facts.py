# SPDX-License-Identifier: Apache-2.0
"""Facts read from foreign objects are typed and bounded, whatever they are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from types import SimpleNamespace

import pytest
from opentelemetry import context as otel_context

from ffe_otel.capture.hooks import about, facts
from ffe_otel.capture.hooks.reasons import engine_code, risk_code


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3.0),
        ("-29.96", -29.96),
        (Decimal("0.1"), 0.1),
        (True, None),
        ("about 3", None),
        ("nan", None),
        (float("inf"), None),
        (None, None),
        ([1], None),
        (10**400, None),
    ],
)
def test_number(value, expected):
    assert facts.number(value) == expected


@pytest.mark.parametrize(
    ("source", "pair"),
    [
        ({"asset_pair": "BTCUSD", "product_id": "ETH-USD"}, "BTCUSD"),
        ({"asset_pair": None, "product_id": "BTC-USD"}, "BTCUSD"),
        ({"product": "eur_usd"}, "EURUSD"),
        (SimpleNamespace(asset_pair="BTC/USD"), "BTCUSD"),
        ({}, None),
        (None, None),
    ],
)
def test_the_instrument_of_what_the_engine_hands_around(source, pair):
    assert about.asset_pair_of(source) == pair


@pytest.mark.parametrize(
    ("value", "expected"), [("a", "a"), ("", None), (7, "7"), (True, None), ({}, None)]
)
def test_text(value, expected):
    assert facts.text(value) == expected


def test_field_reads_dictionaries_and_objects():
    assert facts.field({"a": 1}, "a") == 1
    assert facts.field(SimpleNamespace(a=1), "a") == 1
    assert facts.field(None, "a", "default") == "default"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("UnifiedTradingPlatform", "unified"),
        ("MockTradingPlatform", "mock"),
        ("CoinbaseAdvancedPlatform", "coinbase_advanced"),
        ("Platform", "unknown"),
    ],
)
def test_platform_name(name, expected):
    assert facts.platform_name(type(name, (), {})()) == expected


def test_http_status_is_found_behind_the_engine_s_own_exceptions():
    inner = OSError("502 Server Error")
    inner.response = SimpleNamespace(status_code=502)
    caused, surrounded = ValueError("unavailable"), KeyError("module")
    caused.__cause__ = inner
    surrounded.__context__ = caused

    assert facts.http_status(surrounded) == 502
    direct = RuntimeError()
    direct.status = 429
    assert facts.http_status(direct) == 429
    assert facts.http_status(ValueError("502")) is None
    assert facts.http_status(None) is None


def test_carried_values_reach_threads_with_the_context_only():
    with facts.carrying("key", "value"):
        context = otel_context.get_current()
    assert otel_context.get_value("key") is None

    def in_thread():
        token = otel_context.attach(context)
        try:
            return otel_context.get_value("key")
        finally:
            otel_context.detach(token)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(in_thread).result() == "value"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("Leverage 6.10 exceeds max 5.0", "leverage"),
        ("Effective position concentration for BTCUSD 61.0% exceeds max 60.0%", "concentration"),
        ("Volatility/confidence threshold exceeded", "volatility_confidence"),
        ("Max drawdown exceeded (-16.00%)", "drawdown"),
        ("Correlation limit exceeded", "correlation"),
        ("Portfolio VaR limit exceeded: 6.00% (max: 5.00%)", "var"),
        ("Stale market data (3.00 hours): too old", "stale_data"),
        ("Market closed (Weekend)", "market_hours"),
        ("PERFORMANCE KILL SWITCH TRIGGERED!", "kill_switch"),
        ("Rejected due to poor performance streak: 4 consecutive losses", "performance"),
        ("no idea", "other"),
        (None, "other"),
    ],
)
def test_risk_code(reason, code):
    assert risk_code(reason) == code


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("LOW_CONFIDENCE", "low_confidence"),
        ("JUDGED_OPEN_TUESDAY_ONLY", "judged_open"),
        ("anything 4711", "other"),
        (None, "other"),
    ],
)
def test_engine_code(given, code):
    assert engine_code(given) == code
