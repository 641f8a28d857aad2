# SPDX-License-Identifier: Apache-2.0
"""No sender's odd record costs another sender what was acknowledged."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from observe_server import until

if TYPE_CHECKING:
    from pathlib import Path

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


def journal_of(tmp_path: Path, name: str, lines: list[bytes]) -> Path:
    """A journal that an earlier run left, with one segment; where it is."""
    journal = tmp_path / "state" / "store" / "journal"
    journal.mkdir(parents=True)
    (journal / name).write_bytes(b"".join(line + b"\n" for line in lines))
    return journal


def line(number: int, **fields: Any) -> bytes:
    """A span as a journal line."""
    row = {"trace_id": f"{number + 1:032x}", "span_id": number + 1, "name": "s", "kind": 1,
           "service": "s", "scope": "s", "start_ns": int(AT), "duration_ns": 1, "status": 0,
           "attrs": {}, "resource_id": 1, **fields}  # fmt: skip
    return json.dumps(row).encode()


def test_only_the_lines_at_fault_are_set_aside_and_status_says_so(start, tmp_path):
    bad = {7: {"kind": 1000}, 8: {"trace_id": "no id"}, 399: {"start_ns": 2**63}}
    lines = [line(n, **bad.get(n, {})) for n in range(400)]
    journal = journal_of(tmp_path, "000000000007-traces.ndjson", lines)
    server = start(otlp_grpc_port=-1)
    server.stored(spans=397, quarantined=3)
    assert [p.name for p in journal.iterdir()] == ["000000000007-traces.bad"]
    kept = journal / "000000000007-traces.bad"
    assert kept.read_bytes().splitlines() == [lines[n] for n in bad]
    assert kept.stat().st_mode & 0o777 == 0o600
    store = server.get("status")["backends"]["store"]
    assert not store["ok"]
    assert f"3 rows could not be loaded and are kept in {journal}" in store["detail"]
    server.stop()

    again = start(otlp_grpc_port=-1)
    assert again.get("status")["store"]["quarantined"] == 3
    assert again.post("traces", traces(span(9_000))).status == 200
    again.stored(spans=398)
    kept.unlink()
    assert again.get("status")["store"]["quarantined"] == 0
    assert again.get("status")["backends"]["store"]["ok"]


def test_names_of_rows_set_aside_are_not_given_again(start, tmp_path):
    name = "000000000001-traces"
    journal = journal_of(tmp_path, f"{name}.ndjson", [line(0, kind=1000)])
    first = start(otlp_grpc_port=-1)
    first.stored(quarantined=1)
    first.stop()
    (journal / f"{name.replace('1', '2')}.ndjson").write_bytes(line(1, kind=1000) + b"\n")
    second = start(otlp_grpc_port=-1)
    until(lambda: second.get("status")["store"]["quarantined"] == 2)
    assert second.post("traces", traces(span(5))).status == 200
    second.stored(spans=1)
    assert (journal / f"{name}.bad").read_bytes() == line(0, kind=1000) + b"\n"
