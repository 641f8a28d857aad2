# SPDX-License-Identifier: Apache-2.0
"""One trace as lines of text: a tree with durations and bars, its logs in time order."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from ffe_otel import semconv
from ffe_otel.cli.output import clean, clip, dim, duration, glyphs, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NARROWEST = 60
_DURATION_COLUMNS = 9
_WARN, _ERROR = 13, 17
_TELLING = (
    semconv.DEBATE_ROLE,
    semconv.DATA_SERVICE,
    semconv.RISK_RULE,
    semconv.RISK_VERDICT,
    semconv.TRADE_PLATFORM,
    semconv.TRADE_ACTION,
    semconv.ASSET_PAIR,
)


@dataclass(slots=True)
class _Node:
    """A span or a log record in the tree; the root has neither."""

    span: Mapping[str, Any] | None = None
    log: Mapping[str, Any] | None = None
    children: list[_Node] = field(default_factory=list)

    @property
    def offset(self) -> int:
        record = self.span or self.log or {}
        return int(record.get("offset_ns") or 0)

    @property
    def id(self) -> str | None:
        return (self.span or {}).get("span_id")

    @property
    def end(self) -> int:
        return self.offset + int((self.span or {}).get("duration_ns") or 0)

    @property
    def is_phase(self) -> bool:
        return str((self.span or {}).get("name")).startswith(semconv.SPAN_PHASE_PREFIX)


@dataclass(frozen=True, slots=True)
class _Row:
    """One line before it is laid out.

    Attributes:
        gutter: the branches of the tree in front of it.
        stem: what stands in front of further lines about the same node.
    """

    gutter: str
    stem: str
    node: _Node


def header(trace: Mapping[str, Any]) -> list[str]:
    """The lines above the waterfall: which trace, when, and how its cycle ended."""
    begun = dt.datetime.fromtimestamp(int(trace["start_unix_nano"]) / 1e9, tz=dt.UTC)
    lines = [
        f"{click.style('trace', bold=True)} {clean(trace['trace_id'])}",
        dim(f"correlation id {clean(trace['correlation_id'])}"),
        dim(f"{begun.isoformat(timespec='milliseconds')}  {_length(trace.get('duration_ns'))}"),
    ]
    cycle = trace.get("cycle")
    if cycle:
        lines.append(_summary(cycle))
    return lines


def outcome(cycle: Mapping[str, Any]) -> str:
    """How a cycle ended, and why where that says more."""
    parts = dict.fromkeys(clean(cycle[key]) for key in ("outcome", "reason") if cycle.get(key))
    return " ".join(parts)


def waterfall(trace: Mapping[str, Any], columns: int, *, logs: bool = True) -> list[str]:
    """The spans of a trace, and between them its log records.

    Args:
        trace: an answer of ``/api/v1/traces/{id}``.
        columns: width of the terminal.
        logs: whether to show log records.
    """
    root = _tree(trace["spans"], trace.get("logs") or () if logs else ())
    rows = list(_walk(root))
    columns = max(columns, _NARROWEST)
    names = [width(row.gutter + _title(row.node.span)) for row in rows if row.node.span]
    left = min(max(names, default=0), columns // 2)
    bar = columns - left - _DURATION_COLUMNS - 4
    whole = max(int(trace.get("duration_ns") or 0), 1)
    lines = []
    for row in rows:
        if row.node.span is not None:
            lines.append(_span_line(row, left, bar, whole))
            message = clean(row.node.span.get("status_message") or "")
            if message and row.node.span.get("status") == "error":
                room = columns - width(row.stem)
                lines.append(dim(row.stem) + click.style(clip(message, room), fg="red"))
        elif row.node.log is not None:
            lines.append(_log_line(row, columns))
    return lines


def _tree(spans: Iterable[Mapping[str, Any]], logs: Iterable[Mapping[str, Any]]) -> _Node:
    """The tree of what comes depth first with its depth; logs lie under their span."""
    root = _Node()
    path = [root]
    by_id = {}
    for span in spans:
        node = by_id[span["span_id"]] = _Node(span=span)
        del path[int(span["depth"]) + 1 :]
        path[-1].children.append(node)
        path.append(node)
    places = dict(by_id)
    for parent in by_id.values():
        places |= {child.id: parent for child in parent.children if _wraps(child, parent)}
    for log in logs:
        places.get(log.get("span_id"), root).children.append(_Node(log=log))
    for node in (root, *by_id.values()):
        node.children.sort(key=lambda child: child.offset)
    return root


def _wraps(node: _Node, parent: _Node) -> bool:
    """Whether a span only lies around its siblings, as the engine's own span of a cycle does.

    What was logged in it belongs between the siblings: under the span it would all stand
    before the first of them, the last words of a cycle too.
    """
    span, above = node.span or {}, parent.span or {}
    if node.children or span.get("kind") != "internal" or span.get("scope") == above.get("scope"):
        return False
    return any(
        node.offset <= other.offset and other.end <= node.end
        for other in parent.children
        if other is not node and (other.children or other.is_phase)
    )


def _walk(root: _Node) -> Iterator[_Row]:
    """Depth first. A branch continues downwards while spans follow, not for mere logs."""
    signs = glyphs()
    stack = [_Row("", "", child) for child in reversed(root.children)]
    while stack:
        row = stack.pop()
        children = row.node.children
        spans = any(child.span for child in children)
        yield _Row(row.gutter, row.stem + (signs.pipe if spans else "   "), row.node)
        following = False
        for child in reversed(children):
            stem = row.stem + (signs.pipe if following else "   ")
            branch = row.stem + (signs.branch if following else signs.last)
            stack.append(_Row(branch if child.span else stem, stem, child))
            following = following or child.span is not None


def _span_line(row: _Row, left: int, bar: int, whole: int) -> str:
    span = row.node.span or {}
    title = clip(_title(span), max(left - width(row.gutter), 8))
    padding = " " * max(left - width(row.gutter + title), 0)
    name = clean(span["name"])
    colour = _colour(span)
    styled = click.style(title[: len(name)], fg=colour, bold=span.get("parent_span_id") is None)
    label = dim(row.gutter) + styled + dim(title[len(name) :])
    length = _length(span.get("duration_ns"), running=bool(span.get("running")))
    return (
        f"{label}{padding}  {length:>{_DURATION_COLUMNS}}  {_bar(span, bar, whole, colour)}"
    ).rstrip()


def _title(span: Mapping[str, Any]) -> str:
    """A span's name and what tells it from others of that name; a cycle has its header."""
    attributes = span.get("attributes") or {} if span["name"] != semconv.SPAN_CYCLE else {}
    told = [clean(attributes[key]) for key in _TELLING if attributes.get(key)]
    return " ".join([clean(span["name"]), *told])


def _bar(span: Mapping[str, Any], columns: int, whole: int, colour: str | None) -> str:
    start = min(int(span.get("offset_ns") or 0), whole)
    length = int(span.get("duration_ns") or (whole - start))
    first = min(int(columns * start / whole), columns - 1)
    halves = max(round(2 * columns * length / whole), 1)
    halves = min(halves, 2 * (columns - first))
    signs = glyphs()
    drawn = signs.bar * (halves // 2) + (signs.half if halves % 2 else "")
    return " " * first + click.style(drawn, fg=colour or "blue")


def _colour(span: Mapping[str, Any]) -> str | None:
    if span.get("status") == "error":
        return "red"
    if span.get("missing"):
        return "bright_black"
    return "yellow" if span.get("running") else None


def _length(nanoseconds: int | None, *, running: bool = False) -> str:
    if running:
        return "running"
    return "" if nanoseconds is None else duration(nanoseconds / 1e9)


def _log_line(row: _Row, columns: int) -> str:
    log = row.node.log or {}
    severity = int(log.get("severity_number") or 0)
    colour = "red" if severity >= _ERROR else "yellow" if severity >= _WARN else None
    level = clean(log.get("severity") or "LOG")
    room = max(columns - width(row.gutter) - width(level) - 12, 20)
    text = clip(clean(log.get("event_name") or log.get("body") or ""), room)
    when = f"+{duration(max(row.node.offset, 0) / 1e9)}"
    body = click.style(f"{level} {text}", fg=colour, dim=colour is None)
    return f"{dim(f'{row.gutter}{glyphs().dot} {when:<8}')} {body}"


def _summary(cycle: Mapping[str, Any]) -> str:
    facts = [clean(",".join(cycle.get("asset_pairs") or ()))]
    action, confidence = cycle.get("action"), cycle.get("confidence")
    if action:
        facts.append(clean(action) + (f" ({confidence:g})" if confidence is not None else ""))
    facts.append(outcome(cycle) or clean(cycle.get("state") or ""))
    if cycle.get("pnl_dollars") is not None:
        facts.append(f"P&L {cycle['pnl_dollars']:+.2f} USD")
    if cycle.get("cost_usd"):
        facts.append(f"LLM {cycle['cost_usd']:.4f} USD")
    if cycle.get("errors"):
        plural = "" if cycle["errors"] == 1 else "s"
        facts.append(click.style(f"{cycle['errors']} error{plural}", fg="red"))
    return "  ".join(fact for fact in facts if fact)
