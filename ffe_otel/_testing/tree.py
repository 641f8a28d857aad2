# SPDX-License-Identifier: Apache-2.0
"""Finished spans as a text that a person can read and a test can compare."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from opentelemetry.trace import StatusCode

from ffe_otel import semconv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

DEFAULT_ATTRIBUTES: Final = (semconv.CYCLE_OUTCOME, semconv.RISK_VERDICT)
_INDENT: Final = "  "


def render(
    spans: Iterable[ReadableSpan],
    attributes: Sequence[str] = DEFAULT_ATTRIBUTES,
    *,
    events: bool = True,
) -> str:
    """Write spans as an indented tree.

    One line a span: its name, the selected attributes by the last part of their name,
    ``ERROR`` and the reason where it failed. Events follow as ``! name``. A span whose
    parent is missing (never sent, or not ended yet) stands at the left margin after a
    question mark. Times and ids do not appear.

    Args:
        spans: Finished spans, in any order.
        attributes: Names of attributes to show; ``*`` matches any part, as in file names.
        events: Whether to list events.

    Returns:
        The lines, roots and children in the order in which they started, no newline at
        the end.
    """
    ordered = sorted(spans, key=_order)
    known = {(span.context.trace_id, span.context.span_id) for span in ordered if span.context}
    children: dict[tuple[int, int] | None, list[ReadableSpan]] = {}
    for span in ordered:
        children.setdefault(_place(span, known), []).append(span)
    lines: list[str] = []
    # An explicit stack: a trace may be nested deeper than Python recurses.
    stack = [(span, 0) for span in reversed(children.get(None, []))]
    while stack:
        span, depth = stack.pop()
        lines += _lines(span, depth, attributes, known, events=events)
        below = children.get((span.context.trace_id, span.context.span_id), [])
        stack += [(child, depth + 1) for child in reversed(below)]
    return "\n".join(lines)


def _order(span: ReadableSpan) -> int:
    # Span ids count in order of start; the clock may stand still.
    return int(span.context.span_id)


def _place(span: ReadableSpan, known: set[tuple[int, int]]) -> tuple[int, int] | None:
    if span.parent is None:
        return None
    parent = (span.parent.trace_id, span.parent.span_id)
    return parent if parent in known else None


def _lines(
    span: ReadableSpan,
    depth: int,
    attributes: Sequence[str],
    known: set[tuple[int, int]],
    *,
    events: bool,
) -> Iterator[str]:
    lost = span.parent is not None and not span.parent.is_remote and _place(span, known) is None
    mark = "? " if lost else ""
    line = f"{_INDENT * depth}{mark}{span.name}{_attributes(span.attributes or {}, attributes)}"
    if span.status.status_code is StatusCode.ERROR:
        reason = (span.status.description or "").partition("\n")[0]
        line += f" ERROR: {reason}" if reason else " ERROR"
    yield line
    if events:
        for event in span.events:
            yield f"{_INDENT * (depth + 1)}! {event.name}"


def _attributes(values: Mapping[str, object], wanted: Sequence[str]) -> str:
    shown = [
        name
        for pattern in wanted
        for name in sorted(values)
        if name == pattern or fnmatchcase(name, pattern)
    ]
    names = list(dict.fromkeys(shown))
    if not names:
        return ""
    short = [name.rpartition(".")[2] for name in names]
    labels = [
        last if short.count(last) == 1 else name for name, last in zip(names, short, strict=True)
    ]
    pairs = (f"{label}={_text(values[name])}" for label, name in zip(labels, names, strict=True))
    return "{" + ", ".join(pairs) + "}"


def _text(value: object) -> str:
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_text(item) for item in value) + "]"
    return str(value)
