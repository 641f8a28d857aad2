# SPDX-License-Identifier: Apache-2.0
"""What one OODA cycle amounts to, derived from its spans and its start event.

A cycle's row is computed anew whenever its trace got something, so that order and
repetition of what arrives do not matter.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ffe_otel import semconv
from ffe_otel.correlation import correlation_id
from ffe_otel.observe.coerce import MAX_SAFE, count, real, text, texts, total, whole
from ffe_otel.observe.store import schema
from ffe_otel.observe.store.load import insert_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ffe_otel.observe.store.database import Connection

STATUS_ERROR: Final = 2
_APPROVED: Final = "approved"
_EXECUTED: Final = "executed"
_REJECTED: Final = "rejected"


@dataclass(frozen=True, slots=True)
class SpanFacts:
    """What a cycle's row needs of a span; ``attributes`` is empty for foreign spans."""

    span_id: int
    parent_id: int | None
    name: str
    start_ns: int
    duration_ns: int
    error: bool
    attributes: dict[str, Any]
    message: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """The event that announced a cycle."""

    time_ns: int
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TraceTotals:
    """Counts and time range of a whole trace, and when its first and latest row arrived."""

    first_ns: int
    last_ns: int
    spans: int
    logs: int
    arrived_ns: int | None = None
    seen_ns: int | None = None


Row = dict[str, Any]


def summarise(
    trace_id: str, totals: TraceTotals, spans: Sequence[SpanFacts], started: Started | None
) -> Row:
    """The API's row of the cycle ``trace_id`` (32 hex digits)."""
    root = next((s for s in spans if s.name == semconv.SPAN_CYCLE), None)
    said = {**(started.attributes if started else {}), **(root.attributes if root else {})}
    start = root.start_ns if root else started.time_ns if started else totals.first_ns
    last = _last(spans, semconv.SPAN_DECISION, semconv.DECISION_ACTION)
    decision = {**(last.attributes if last else {}), **said}
    calls = [s.attributes for s in spans if semconv.GEN_AI_OPERATION in s.attributes]
    trades = [s.attributes for s in spans if s.name == semconv.SPAN_TRADE_OUTCOME]
    outcome = text(said.get(semconv.CYCLE_OUTCOME))
    errors = sum(s.error for s in spans)
    return {
        "trace_id": trace_id,
        "correlation_id": correlation_id(int(trace_id, 16)),
        "agent_id": text(said.get(semconv.AGENT_ID)),
        "number": whole(said.get(semconv.CYCLE_NUMBER)),
        "asset_pairs": _assets(said, spans),
        "start_unix_nano": str(start),
        "duration_ns": min(root.duration_ns, MAX_SAFE) if root else None,
        "last_seen_unix_nano": str(totals.last_ns),
        "state": "ended" if root else "running",
        "outcome": outcome,
        "reason": text(said.get(semconv.CYCLE_REASON)),
        "status_message": text((root.message or None) if root else None),
        "trades": whole(said.get(semconv.CYCLE_TRADES)),
        "action": text(decision.get(semconv.DECISION_ACTION)),
        "confidence": real(decision.get(semconv.DECISION_CONFIDENCE)),
        "decision_ids": _decision_ids(spans, said),
        "verdict": _verdict(spans, outcome),
        "pnl_dollars": total(real(t.get(semconv.TRADE_PNL_DOLLARS)) for t in trades),
        "cost_usd": total(real(c.get(semconv.LLM_COST_USD)) for c in calls),
        "tokens": min(sum(map(_tokens, calls)), MAX_SAFE),
        "errors": max(errors, count(said.get(semconv.CYCLE_ERRORS))),
        "phases": _phases(spans, start),
        "spans": totals.spans,
        "logs": totals.logs,
    }


def _last(spans: Sequence[SpanFacts], name: str, key: str) -> SpanFacts | None:
    found = [s for s in spans if s.name == name and key in s.attributes]
    return max(found, key=lambda s: s.start_ns + s.duration_ns, default=None)


def _tokens(call: dict[str, Any]) -> int:
    both = count(call.get(semconv.GEN_AI_INPUT_TOKENS)) + count(
        call.get(semconv.GEN_AI_OUTPUT_TOKENS)
    )
    return both or count(call.get(semconv.LLM_TOKENS))


def _assets(said: dict[str, Any], spans: Iterable[SpanFacts]) -> list[str]:
    named = said.get(semconv.ASSET_PAIRS)
    if isinstance(named, list) and named:
        return texts(named)
    return texts(s.attributes.get(semconv.ASSET_PAIR) for s in spans)


def _decision_ids(spans: Iterable[SpanFacts], said: dict[str, Any]) -> list[str]:
    found = [s.attributes.get(semconv.DECISION_ID) for s in spans] + [said.get(semconv.DECISION_ID)]
    return texts(found)


def _verdict(spans: Iterable[SpanFacts], outcome: str | None) -> str | None:
    """What the risk layers said of what became of the cycle.

    Of several assets one may be traded and another rejected; the traded one counts.
    """
    checks = [s for s in spans if s.name == semconv.SPAN_RISK_CHECK]
    said = [v for v in (text(s.attributes.get(semconv.RISK_VERDICT)) for s in checks) if v]
    if outcome == _EXECUTED and _APPROVED in said:
        return _APPROVED
    if _REJECTED in said or outcome == _REJECTED:
        return _REJECTED
    return said[-1] if said else None


def _phases(spans: Sequence[SpanFacts], start: int) -> list[Row]:
    prefix = semconv.SPAN_PHASE_PREFIX
    own = {s.span_id: s for s in spans if s.name.startswith(prefix)}
    errors = dict.fromkeys(own, 0)
    parents = {s.span_id: s.parent_id for s in spans}
    for span in spans:
        if span.error:
            phase = _enclosing(span.span_id, parents, own)
            if phase is not None:
                errors[phase] += 1
    return [
        {
            "name": s.name.removeprefix(prefix),
            "offset_ns": max(-MAX_SAFE, min(s.start_ns - start, MAX_SAFE)),
            "duration_ns": min(s.duration_ns, MAX_SAFE),
            "errors": errors[s.span_id],
        }
        for s in sorted(own.values(), key=lambda s: s.start_ns)
    ]


def _enclosing(
    span_id: int, parents: dict[int, int | None], phases: dict[int, SpanFacts]
) -> int | None:
    """The phase a span is in or is; None outside of all, also in a loop of parents."""
    seen: set[int] = set()
    current: int | None = span_id
    while current is not None and current not in seen:
        if current in phases:
            return current
        seen.add(current)
        current = parents.get(current)
    return None


def refresh_cycles(connection: Connection, trace_ids: Collection[str]) -> None:
    """Compute the rows of these cycles anew, in the caller's transaction."""
    if not trace_ids:
        return
    ids = sorted(trace_ids)
    totals = _totals(connection, ids)
    first = min((t.first_ns for t in totals.values()), default=0)
    spans = _span_facts(connection, ids, first)
    started = _started(connection, ids, first)
    rows = {
        trace_id: summarise(trace_id, total, spans.get(trace_id, []), started.get(trace_id))
        for trace_id, total in totals.items()
    }
    _replace(connection, ids, [(totals[trace_id], row) for trace_id, row in rows.items()])


def _totals(connection: Connection, ids: Sequence[str]) -> dict[str, TraceTotals]:
    rows = connection.execute(
        "SELECT trace_id, first_ns, last_ns, spans, logs, arrived_ns, seen_ns FROM traces "
        "WHERE trace_id IN (SELECT unnest(?::UUID[]))",
        [ids],
    ).fetchall()
    return {row[0].hex: TraceTotals(*row[1:]) for row in rows}


def _span_facts(
    connection: Connection, ids: Sequence[str], first: int
) -> dict[str, list[SpanFacts]]:
    rows = connection.execute(
        "SELECT trace_id, span_id, parent_id, name, start_ns, duration_ns, status = ?, message, "
        "CASE WHEN contains(attrs, '\"ffe.') OR contains(attrs, '\"gen_ai.') THEN attrs END "
        "FROM spans WHERE trace_id IN (SELECT unnest(?::UUID[])) AND start_ns >= ? "
        "ORDER BY start_ns, span_id",
        [STATUS_ERROR, ids, first],
    ).fetchall()
    found: dict[str, list[SpanFacts]] = {}
    for trace_id, span_id, parent_id, name, start, duration, error, message, attrs in rows:
        own = json.loads(attrs) if attrs else {}
        facts = SpanFacts(span_id, parent_id, name, start, duration, error, own, message or "")
        found.setdefault(trace_id.hex, []).append(facts)
    return found


def _started(connection: Connection, ids: Sequence[str], first: int) -> dict[str, Started]:
    rows = connection.execute(
        "SELECT trace_id, time_ns, attrs FROM logs "
        "WHERE trace_id IN (SELECT unnest(?::UUID[])) AND time_ns >= ? AND event_name = ? "
        "ORDER BY time_ns DESC",
        [ids, first, semconv.EVENT_CYCLE_STARTED],
    ).fetchall()
    return {trace_id.hex: Started(time_ns, json.loads(attrs)) for trace_id, time_ns, attrs in rows}


def _replace(
    connection: Connection, ids: Sequence[str], rows: Sequence[tuple[TraceTotals, Row]]
) -> None:
    for table in ("cycles", "decisions"):
        connection.execute(
            f"DELETE FROM {table} WHERE trace_id IN (SELECT unnest(?::UUID[]))",  # noqa: S608
            [ids],
        )
    insert_rows(connection, "cycles", schema.CYCLES, [_stored(*row) for row in rows])
    decisions = [
        {"decision_id": d, "trace_id": row["trace_id"], "seen_ns": totals.seen_ns}
        for totals, row in rows
        for d in row["decision_ids"]
    ]
    insert_rows(connection, "decisions", schema.DECISIONS, decisions)


def _stored(totals: TraceTotals, row: Row) -> Row:
    searched = (
        row["trace_id"], row["correlation_id"], row["agent_id"], row["outcome"], row["reason"],
        row["action"], row["verdict"], *row["asset_pairs"], *row["decision_ids"],
    )  # fmt: skip
    return {
        "trace_id": row["trace_id"],
        "start_ns": row["start_unix_nano"],
        "last_ns": row["last_seen_unix_nano"],
        "outcome": row["outcome"],
        "assets": row["asset_pairs"],
        "errors": row["errors"],
        "search": " ".join(str(part).lower() for part in searched if part),
        "data": row,
        "at_ns": _believed(int(row["start_unix_nano"]), totals.arrived_ns),
        "seen_ns": totals.seen_ns,
    }


def _believed(start: int, arrived: int | None) -> int:
    """When a cycle began, or else when it arrived, as the SQL of ``schema.plausible`` has it."""
    if arrived is None or -schema.BEHIND_NS <= start - arrived <= schema.AHEAD_NS:
        return start
    return arrived
