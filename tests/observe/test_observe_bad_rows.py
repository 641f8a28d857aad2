# SPDX-License-Identifier: Apache-2.0
"""No sender's odd record costs another sender what was acknowledged."""

from __future__ import annotations

import time
from typing import Any

AT = str(1_795_400_000_000_000_000)
MOST = 2**64 - 1


def span(number: int, **fields: Any) -> dict[str, Any]:
    """A span as OTLP/JSON, in a trace of its own."""
    return {"traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": "s",
            "startTimeUnixNano": AT, "endTimeUnixNano": AT, **fields}  # fmt: skip


def traces(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


def test_enums_of_tomorrow_and_of_nobody_mean_unspecified(server):
    odd = [span(1, kind=1000), span(2, status={"code": -5}), span(3, kind=3, status={"code": 2})]
    assert server.post("traces", traces(*odd)).json() == {}
    server.stored(spans=3)
    found = [server.get(f"traces/{n:032x}")["spans"][0] for n in (1, 2, 3)]
    assert [(s["kind"], s["status"]) for s in found] == [
        ("unspecified", "unset"), ("unspecified", "unset"), ("client", "error"),
    ]  # fmt: skip
    records = [{"timeUnixNano": AT, "severityNumber": n, "body": {"intValue": n + 99}}
               for n in (300, -1, 24)]  # fmt: skip
    payload = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
    assert server.post("logs", payload).json() == {}
    server.stored(logs=3)
    logs = {log["body"]: log["severity_number"] for log in server.get("logs")["logs"]}
    assert logs == {"399": 24, "98": 0, "123": 24}


def test_numbers_no_metric_should_have_are_taken_with_their_neighbours(server):
    at = str(time.time_ns())

    def metric(name: str, kind: str, **point: Any) -> dict[str, Any]:
        return {"name": name, kind: {"dataPoints": [{"timeUnixNano": at, **point}]}}

    metrics = [
        metric("innocent", "gauge", asInt="1"),
        *(metric(f"scale{n}", "exponentialHistogram", count=str(MOST), scale=n,
                 positive={"offset": n, "bucketCounts": [str(MOST), "1"]})
          for n in (-(2**31), 2**31 - 1)),
        metric("counts", "histogram", count=str(MOST), sum="Infinity",
               bucketCounts=[str(MOST)], explicitBounds=[]),
        metric("sum", "summary", count=str(MOST), sum="NaN"),
        metric("flags", "gauge", asDouble=1.0, flags=2**32 - 2),
    ]  # fmt: skip
    payload = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    answer = server.post("metrics", payload)
    assert (answer.status, answer.json()) == (200, {})
    server.stored(metric_points=6)
