# SPDX-License-Identifier: Apache-2.0
"""Market data, portfolio and monitoring context, one metric for each real call.

Where the engine nests several levels for one answer, the outer one becomes a span that
says whether the data is stale, and only what really goes out is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context

from ffe_otel.capture import api
from ffe_otel.capture.hooking import Hook
from ffe_otel.capture.hooks import about, holdings
from ffe_otel.capture.hooks.facts import (
    UNKNOWN,
    carrying,
    field,
    http_status,
    number,
    platform_name,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from ffe_otel.capture.around import Body, Call
    from ffe_otel.capture.steps.data import Fetch

_PACKAGE: Final = "finance_feedback_engine"
_COMPOSITE: Final = otel_context.create_key("ffe-otel-composite-fetch")
_PORTFOLIO: Final = otel_context.create_key("ffe-otel-portfolio-fetch")
_NOT_FOUND: Final = object()
_REFUSALS: Final = ("Note", "Information", "Error Message")


def _failed(step: Fetch, error: BaseException) -> None:
    status = http_status(error)
    step.fail(error)
    if status is not None:
        step.status(status)


def _freshness(step: Fetch, result: Any) -> None:
    if isinstance(result, dict) and ("stale_data" in result or "data_age_seconds" in result):
        step.stale(bool(result.get("stale_data")), number(result.get("data_age_seconds")))


def _composite(service: str, endpoint: str) -> Body:
    """An answer put together from several calls, which are counted themselves."""

    def body(call: Call) -> Generator[None, Any, None]:
        if otel_context.get_value(_COMPOSITE) == service:
            yield
            return
        pair = about.standard(call.get("asset_pair"))
        with api.data_fetch(service, endpoint, asset_pair=pair) as step:
            step.cached()
            with carrying(_COMPOSITE, service):
                result = yield
            _freshness(step, result)

    return body


def _candles(call: Call) -> Generator[None, Any, None]:
    # The instrument by the name the agent has for it; the product's is Coinbase's own.
    pair = text(api.log_context().get("asset_pair")) or about.standard(call.get("product_id"))
    with api.data_fetch("coinbase", "candles", asset_pair=pair) as step:
        try:
            yield
        except BaseException as error:
            _failed(step, error)
            raise


def _alpha_vantage_request(call: Call) -> Generator[None, Any, None]:
    # The other parameters hold the API key and are not looked at.
    function = text(field(call.get("params"), "function")) or UNKNOWN
    with api.data_fetch("alpha_vantage", function) as step:
        try:
            answer = yield
        except BaseException as error:
            _failed(step, error)
            raise
        refusal = next((key for key in _REFUSALS if field(answer, key)), None)
        if refusal is not None:
            # Rate limits come with status 200. The words are left out: they name the key.
            step.fail(f"Alpha Vantage answered with {refusal!r} instead of data")


def _unified_price(call: Call) -> Generator[None, Any, None]:
    with api.data_fetch(
        "unified", "price", asset_pair=about.standard(call.get("asset_pair"))
    ) as step:
        step.cached()
        with carrying(_COMPOSITE, "unified"):
            price = yield
        if price is None:
            # Every provider failed and the engine goes on without a price.
            step.fail("no provider had a price")


def _monitoring_context(call: Call) -> Generator[None, Any, None]:
    platform = getattr(call.instance, "platform", None)
    pair = about.standard(call.get("asset_pair"))
    with api.data_fetch(platform_name(platform), "monitoring_context", asset_pair=pair) as step:
        context = yield
        if platform is not None and field(context, "has_monitoring_data", _NOT_FOUND) is False:
            step.fail("the platform gave no positions")


def _portfolio(call: Call) -> Generator[None, Any, None]:
    if otel_context.get_value(_PORTFOLIO) is not None:
        yield
        return
    platform = getattr(call.instance, "trading_platform", None)
    with api.data_fetch(platform_name(platform), "portfolio") as step:
        try:
            with carrying(_PORTFOLIO, True):
                breakdown = yield
        except BaseException as error:
            _failed(step, error)
            raise
    holdings.told(platform, breakdown)


def _analysis(call: Call) -> Generator[None, Any, None]:
    """The agent swallows a failed analysis and goes on with the next asset."""
    pair = about.standard(call.get("asset_pair"))
    try:
        with about.about(pair):
            result = yield
    except Exception as error:
        _analysis_failed(pair, error)
        raise
    finally:
        about.stay_with(pair)
    metadata = field(result, "ensemble_metadata")
    if field(metadata, "error_type") is not None:
        _analysis_failed(pair, text(field(metadata, "error_message")) or "no quorum of providers")


def _analysis_failed(pair: str | None, error: BaseException | str) -> None:
    cycle = api.current_cycle()
    if cycle is not None:
        cycle.error(error, f"analysis of {pair or UNKNOWN}")


def _alpha_vantage(method: str, wrapper: Body, *parameters: str) -> Hook:
    return Hook(
        f"data.alpha_vantage.{method.strip('_')}",
        f"{_PACKAGE}.data_providers.alpha_vantage_provider",
        f"AlphaVantageProvider.{method}",
        wrapper,
        parameters,
    )


HOOKS: Final = (
    _alpha_vantage(
        "get_comprehensive_market_data",
        _composite("alpha_vantage", "comprehensive_market_data"),
        "asset_pair",
    ),
    _alpha_vantage("get_market_data", _composite("alpha_vantage", "market_data"), "asset_pair"),
    _alpha_vantage(
        "get_news_sentiment", _composite("alpha_vantage", "news_sentiment"), "asset_pair"
    ),
    _alpha_vantage("_async_request", _alpha_vantage_request, "params"),
    Hook(
        "data.coinbase.candles",
        f"{_PACKAGE}.data_providers.coinbase_data",
        "CoinbaseDataProvider._fetch_candles_from_api",
        _candles,
        ("product_id",),
    ),
    Hook(
        "data.unified.price",
        f"{_PACKAGE}.data_providers.unified_data_provider",
        "UnifiedDataProvider.get_current_price",
        _unified_price,
        ("asset_pair",),
    ),
    Hook(
        "data.unified.candles",
        f"{_PACKAGE}.data_providers.unified_data_provider",
        "UnifiedDataProvider.get_candles",
        _composite("unified", "candles"),
        ("asset_pair",),
    ),
    Hook(
        "data.monitoring_context",
        f"{_PACKAGE}.monitoring.context_provider",
        "MonitoringContextProvider.get_monitoring_context",
        _monitoring_context,
        ("asset_pair",),
    ),
    Hook(
        "data.portfolio",
        f"{_PACKAGE}.core",
        "FinanceFeedbackEngine.get_portfolio_breakdown",
        _portfolio,
    ),
    Hook(
        "data.portfolio_async",
        f"{_PACKAGE}.core",
        "FinanceFeedbackEngine.get_portfolio_breakdown_async",
        _portfolio,
    ),
    Hook(
        "data.analysis",
        f"{_PACKAGE}.core",
        "FinanceFeedbackEngine.analyze_asset_async",
        _analysis,
        ("asset_pair",),
    ),
)
