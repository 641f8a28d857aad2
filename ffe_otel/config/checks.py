# SPDX-License-Identifier: Apache-2.0
"""What no single key can say about itself: formats, and keys that depend on each other."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from ffe_otel.config.document import Found
from ffe_otel.config.problems import Problem
from ffe_otel.config.standard import is_header
from ffe_otel.config.urls import completed, without_userinfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping

# RFC 9110: a field name is a token.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# (smaller, larger): the first may not exceed the second.
_ORDERED = (
    ("logging.retention.hot_tier_days", "logging.retention.warm_tier_days"),
    ("logging.retention.warm_tier_days", "logging.retention.cold_tier_days"),
    (
        "optimization.resources.min_concurrent_trades",
        "optimization.resources.max_concurrent_trades",
    ),
)
# Where the switch is on, at least one key of each group must hold something.
_REQUIRED = {
    "alerting.channels.telegram.enabled": (("bot_token",), ("chat_id",)),
    "alerting.channels.email.enabled": (("smtp_host",), ("from_address",), ("to_addresses",)),
    "alerting.channels.pagerduty.enabled": (("routing_key", "service_key"),),
    "logging.outputs.syslog.enabled": (("address",),),
    "logging.outputs.file.enabled": (("path",),),
}
_TOGETHER = ("serve.tls_certificate", "serve.tls_key")
_LISTENING = ("serve.port", "serve.otlp_http_port", "serve.otlp_grpc_port")
_EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


_URLS = ("telemetry.otlp_endpoint", "metrics.influxdb.url", "dashboards.grafana.url")


def complete(values: MutableMapping[str, Found]) -> Iterator[Problem]:
    """Complete addresses to URLs in place; yields what had to be guessed."""
    for name in _URLS:
        found = values[name]
        url, guessed = completed(found.value)
        if not url or url == found.value:
            continue
        values[name] = Found(url, found.origin, found.unset)
        if guessed:
            message = f"names no scheme, so it is {without_userinfo(url)}"
            yield Problem(found.origin, name, message)


def relations(values: Mapping[str, Found]) -> Iterator[Problem]:
    """Every problem that shows only when the values are looked at together or in detail."""
    yield from _formats(values)
    yield from _order(values)
    yield from _required(values)
    yield from _ports(values)
    certificate, key = (values[name] for name in _TOGETHER)
    if bool(certificate.value) != bool(key.value):
        missing, there = _TOGETHER if key.value else reversed(_TOGETHER)
        yield Problem(values[there].origin, there, f"needs {missing} as well")


def disabled_section(name: str, values: Mapping[str, Found]) -> str:
    """The innermost switched-off section a key lies in, empty when all of them are on."""
    section = name.rpartition(".")[0]
    while section:
        switch = values.get(f"{section}.enabled")
        if switch is not None and switch.value is False:
            return section
        section = section.rpartition(".")[0]
    return ""


def _formats(values: Mapping[str, Found]) -> Iterator[Problem]:
    for name, check in _FORMATS.items():
        found = values[name]
        message = check(found.value)
        if message and not found.unset:
            yield Problem(found.origin, name, message)
    prices = values["llm.prices"]
    for number, price in enumerate(prices.value):
        for message in _price(price) if price is not None else ():
            yield Problem(prices.origin, f"llm.prices[{number}]", message)


def _order(values: Mapping[str, Found]) -> Iterator[Problem]:
    for smaller, larger in _ORDERED:
        low, high = values[smaller], values[larger]
        if low.value > high.value:
            at_fault = high if low.origin.source == "default" else low
            message = f"is {low.value}, more than {larger}, which is {high.value}"
            yield Problem(at_fault.origin, smaller, message, resets=(larger,))


def _required(values: Mapping[str, Found]) -> Iterator[Problem]:
    for switch, groups in _REQUIRED.items():
        section = switch.rpartition(".")[0]
        if not values[switch].value or disabled_section(section, values):
            continue
        for group in groups:
            members = [values[f"{section}.{name}"] for name in group]
            if any(member.value or member.unset for member in members):
                continue
            names = " or ".join(f"{section}.{name}" for name in group)
            message = f"is on, but {names} is empty; set it or switch this off"
            yield Problem(values[switch].origin, switch, message)


def _ports(values: Mapping[str, Found]) -> Iterator[Problem]:
    """Two keys that want the same port; 0 and -1 are no port."""
    names = [*_LISTENING]
    if _metrics_page_is_beside(values):
        names.append("metrics.prometheus.port")
    first: dict[int, str] = {}
    for name in names:
        port = values[name].value
        other = first.setdefault(port, name) if port > 0 else name
        if other != name:
            # Of the two the one that somebody set, or a default would be called wrong.
            at_fault, taken = (name, other)
            if values[name].origin.source == "default":
                at_fault, taken = taken, at_fault
            message = f"is {port}, which {taken} is too; give each a port of its own, or 0 for any"
            yield Problem(values[at_fault].origin, at_fault, message)


def _metrics_page_is_beside(values: Mapping[str, Found]) -> bool:
    """Whether the engine's metrics page and the backend certainly listen on one address.

    On every address, one file may be for two containers, where the same port is no clash.
    """
    if not values["metrics.prometheus.enabled"].value:
        return False
    page, serve = (
        values[name].value.strip("[]").lower().replace("localhost", "127.0.0.1")
        for name in ("metrics.prometheus.host", "serve.host")
    )
    return page == serve and page not in _EVERY_ADDRESS


def _http_url(value: str) -> str:
    return "" if completed(value)[0] else "expected a URL such as http://127.0.0.1:4318"


def _headers(value: Mapping[str, str]) -> str:
    bad = [name for name, text in value.items() if not is_header(name, text)]
    return "expected HTTP headers; one of them is none (its text is not shown)" if bad else ""


def _url_path(value: str) -> str:
    return "" if value.startswith("/") else "expected a path that begins with /"


def _header(value: str) -> str:
    return "" if _HEADER_NAME.fullmatch(value) else "expected the name of an HTTP header"


_FORMATS: Mapping[str, Callable[[Any], str]] = {
    **dict.fromkeys(_URLS, _http_url),
    "telemetry.otlp_headers": _headers,
    "metrics.prometheus.path": _url_path,
    "logging.correlation_id_header": _header,
}


def _price(price: Any) -> Iterator[str]:
    if not price.provider or not price.model:
        yield "needs a provider and a model"
    if price.since:
        try:
            dt.date.fromisoformat(price.since)
        except ValueError:
            yield f"since is {price.since!r}; expected a date such as 2026-01-31"
