# SPDX-License-Identifier: Apache-2.0
"""A trace as the flat, pre-ordered list of rows that a waterfall draws.

The client has no tree logic of its own: depth, self time, the critical path and the
rows for parents that never arrived are all worked out here. Parents that point in a
circle and spans without a root are shown as roots of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from ffe_otel import semconv
from ffe_otel.observe.coerce import MAX_SAFE
from ffe_otel.observe.cycles import STATUS_ERROR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUS: Final = ("unset", "ok", "error")
_PHASE: Final = semconv.SPAN_PHASE_PREFIX
_PARENTS: Final = {
    semconv.SPAN_DATA_FETCH: f"{_PHASE}perception",
    semconv.SPAN_DECISION: f"{_PHASE}reasoning",
    semconv.SPAN_DEBATE_ROLE: semconv.SPAN_DECISION,
    semconv.SPAN_ENSEMBLE: semconv.SPAN_DECISION,
    semconv.SPAN_RISK_CHECK: f"{_PHASE}risk_check",
    semconv.SPAN_RISK_RULE: semconv.SPAN_RISK_CHECK,
    semconv.SPAN_TRADE_EXECUTE: f"{_PHASE}execution",
    semconv.SPAN_TRADE_OUTCOME: f"{_PHASE}learning",
}
"""What spans of a name stand under."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span of the trace, or a placeholder for one that has not arrived."""

    span_id: int
    parent_id: int | None
    name: str
    kind: int
    service: str
    scope: str
    start_ns: int
    duration_ns: int
    status: int
    message: str
    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    links: list[dict[str, Any]]
    running: bool = False
    missing: bool = False

    @property
    def end_ns(self) -> int:
        """Its end, ns since the epoch."""
        return self.start_ns + self.duration_ns


@dataclass(slots=True)
class _Tree:
    roots: list[Span]
    children: dict[int, list[Span]]
    critical: set[int] = field(default_factory=set)


def rows(
    spans: Sequence[Span], *, started: Span | None = None, running: bool = False, last_ns: int = 0
) -> list[dict[str, Any]]:
    """The rows of a trace, depth first, siblings by start.

    Args:
        spans: what arrived, in any order, each span id once.
        started: the cycle's root as its start event announced it.
        running: the trace has not ended: what is missing may still come.
        last_ns: when the trace was last heard of, the provisional end of what runs.
    """
    complete = _with_placeholders(spans, started, running=running, last_ns=last_ns)
    if not complete:
        return []
    tree = _tree(complete)
    _mark_critical(tree)
    begin = min(s.start_ns for s in complete)
    return [_row(span, depth, begin, tree) for span, depth in _walk(tree)]


def bounds(spans: Iterable[Span]) -> tuple[int, int]:
    """Start and end of the spans, ns since the epoch; zeros for none."""
    known = list(spans)
    if not known:
        return 0, 0
    return min(s.start_ns for s in known), max(s.end_ns for s in known)


def _with_placeholders(
    spans: Sequence[Span], started: Span | None, *, running: bool, last_ns: int
) -> list[Span]:
    known = {s.span_id: s for s in spans}
    orphans: dict[int, list[Span]] = {}
    for span in known.values():
        if span.parent_id is not None and span.parent_id not in known:
            orphans.setdefault(span.parent_id, []).append(span)
    if started is not None and started.span_id not in known:
        orphans.setdefault(started.span_id, [])
    for span_id, children in orphans.items():
        known[span_id] = _placeholder(span_id, children, started, running=running, last_ns=last_ns)
    return list(known.values())


def _placeholder(
    span_id: int, children: Sequence[Span], started: Span | None, *, running: bool, last_ns: int
) -> Span:
    ends = [c.end_ns for c in children] + ([last_ns] if running else [])
    if started is not None and started.span_id == span_id:
        duration = max(0, max(ends, default=started.start_ns) - started.start_ns)
        return replace(started, duration_ns=duration, running=running, missing=not running)
    start = min(c.start_ns for c in children)
    # Below a running cycle's root stands what has children but has not ended itself.
    parent = started.span_id if started is not None else None
    return Span(
        span_id, parent, _guess(children) if running else "(missing span)", 1,
        children[0].service, children[0].scope, start, max(ends) - start, 0, "", {}, [], [],
        running=running, missing=not running,
    )  # fmt: skip


def _guess(children: Sequence[Span]) -> str:
    """A running parent's name, where the names of its children say it."""
    names = {_PARENTS.get(c.name) for c in children} - {None}
    return next(iter(names)) or "" if len(names) == 1 else "(running span)"


def _tree(spans: Sequence[Span]) -> _Tree:
    known = {s.span_id: s for s in spans}
    ordered = sorted(spans, key=lambda s: (s.start_ns, -s.duration_ns, s.span_id))
    children: dict[int, list[Span]] = {}
    roots: list[Span] = []
    for span in ordered:
        if span.parent_id is None or span.parent_id not in known:
            roots.append(span)
        else:
            children.setdefault(span.parent_id, []).append(span)
    tree = _Tree(roots, children)
    _cut_circles(tree, ordered)
    return tree


def _cut_circles(tree: _Tree, ordered: Sequence[Span]) -> None:
    """Make the earliest span of each circle of parents a root."""
    reached = {span.span_id for span, _ in _walk(tree)}
    for span in ordered:
        if span.span_id in reached:
            continue
        siblings = tree.children[span.parent_id] if span.parent_id is not None else []
        siblings[:] = [s for s in siblings if s is not span]
        tree.roots.append(span)
        reached |= {s.span_id for s, _ in _walk(_Tree([span], tree.children))}


def _walk(tree: _Tree) -> Iterable[tuple[Span, int]]:
    stack = [(root, 0) for root in reversed(tree.roots)]
    while stack:
        span, depth = stack.pop()
        yield span, depth
        stack.extend((child, depth + 1) for child in reversed(tree.children.get(span.span_id, ())))


def _mark_critical(tree: _Tree) -> None:
    """Walk back from the end of each root through the child that finished last."""
    if not tree.roots:
        return
    root = max(tree.roots, key=lambda s: s.duration_ns)
    stack = [(root, root.end_ns)]
    while stack:
        span, limit = stack.pop()
        tree.critical.add(span.span_id)
        until = limit
        # Work that outlives its parent counts up to the parent's end only.
        for child in sorted(_workers(tree, span), key=lambda s: -s.end_ns):
            end = min(child.end_ns, limit)
            if end <= until and child.start_ns < end:
                stack.append((child, end))
                until = child.start_ns


def _workers(tree: _Tree, parent: Span) -> list[Span]:
    """The children without those that only wrap their siblings.

    The engine opens a span around all phases; they stand beside it, not under it, and it
    would be the whole path without having done anything.
    """
    children = tree.children.get(parent.span_id, [])
    parents = [child for child in children if tree.children.get(child.span_id)]
    return [
        child
        for child in children
        if tree.children.get(child.span_id)
        or not any(child.start_ns <= p.start_ns and p.end_ns <= child.end_ns for p in parents)
    ]


def _self_ns(span: Span, children: Sequence[Span]) -> int:
    """Time of the span in which none of its children ran, ns."""
    covered, edge = 0, span.start_ns
    for child in children:
        start, end = max(child.start_ns, edge), min(child.end_ns, span.end_ns)
        if end > start:
            covered += end - start
            edge = end
    return span.duration_ns - covered


def _row(span: Span, depth: int, begin: int, tree: _Tree) -> dict[str, Any]:
    children = tree.children.get(span.span_id, [])
    return {
        "span_id": f"{span.span_id:016x}",
        "parent_span_id": None if span.parent_id is None else f"{span.parent_id:016x}",
        "depth": depth,
        "name": span.name,
        "kind": _KINDS[span.kind] if span.kind < len(_KINDS) else _KINDS[0],
        "service": span.service,
        "scope": span.scope,
        "start_unix_nano": str(span.start_ns),
        "offset_ns": _safe(span.start_ns - begin),
        "duration_ns": _safe(span.duration_ns),
        "self_ns": _safe(_self_ns(span, children)),
        "status": _STATUS[span.status] if span.status <= STATUS_ERROR else _STATUS[0],
        "status_message": span.message,
        "attributes": safe_values(span.attributes),
        "events": [
            {
                "name": e["name"],
                "offset_ns": _safe(e["ns"] - begin),
                "attributes": safe_values(e["attributes"]),
            }
            for e in span.events
        ],
        "links": safe_values(span.links),
        "children": len(children),
        "critical": span.span_id in tree.critical,
        "running": span.running,
        "missing": span.missing,
    }


def _safe(nanoseconds: int) -> int:
    return max(-MAX_SAFE, min(nanoseconds, MAX_SAFE))


def safe_values(value: Any) -> Any:
    """``value`` with the integers a JavaScript number would round written as strings."""
    if isinstance(value, dict):
        return {k: safe_values(v) for k, v in value.items()}
    if isinstance(value, list):
        return [safe_values(v) for v in value]
    if isinstance(value, int) and not -MAX_SAFE <= value <= MAX_SAFE:
        return str(value)
    return value
