# SPDX-License-Identifier: Apache-2.0
"""The processors of the OpenTelemetry Collector that apply the catalogue, as YAML.

The Collector is the second line of defence: it also sees what other senders put on the
wire. Its redaction processor knows keys, and texts by regular expression, but no code. So
it hides more than the engine's side does (``api_key=None`` as well) and leaves out what
takes a scanner; docs/collector.md lists both.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from ffe_otel import semconv
from ffe_otel.redaction.collector_patterns import DONE, HARMLESS, key_patterns, value_patterns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ffe_otel.redaction.catalogue import Catalogue
    from ffe_otel.redaction.collector_patterns import Pattern

BEGIN: Final = "  # >>> rendered by `ffe-otel collector render`, do not edit"
END: Final = "  # <<< rendered"


PROCESSORS: Final = ("transform/before", "redaction/keys", "redaction/values", "transform/after")
"""What is rendered, in the order in which a pipeline has to name it."""


def render(catalogue: Catalogue) -> str:
    """The processors that stand between ``memory_limiter`` and the exporters, as YAML.

    Their order is that of :data:`PROCESSORS`. Indented by two, to stand under ``processors:``.
    """
    lines = [
        *_transform("before"),
        "",
        "redaction/keys:",
        "  # Names that announce no secret: one look-up instead of all expressions. Their values",
        "  # are read below, like all others.",
        *_flow("ignored_keys", sorted({*catalogue.allowed_keys, *_carriers(), *semconv.COMMON})),
        *_redaction("blocked_key_patterns", key_patterns(catalogue), DONE),
        "",
        "# Behind the keys, as a value that is harmless in itself may stand under a telling name.",
        "redaction/values:",
        *_redaction("blocked_values", value_patterns(catalogue), DONE, HARMLESS),
        "",
        *_transform("after"),
    ]
    return "".join(f"  {line}\n" if line else "\n" for line in lines)


def _redaction(what: str, patterns: Iterable[Pattern], *allowed: str) -> Iterator[str]:
    yield "  allow_all_keys: true"
    yield "  # A list or map that holds a secret becomes text without it; others stay as they are."
    yield "  redact_all_types: true"
    yield "  # Anything else adds attributes, and those would split the series of a metric."
    yield "  summary: silent"
    yield "  allowed_values:"
    yield from (f"    - {_quoted(pattern)}" for pattern in allowed)
    yield f"  {what}:"
    yield from _listed(patterns)


def _flow(name: str, items: Iterable[str]) -> Iterator[str]:
    """A list as YAML in few lines."""
    yield f"  {name}:"
    text = textwrap.fill(", ".join(items), 92, break_long_words=False, break_on_hyphens=False)
    yield from (f"    {line}" for line in f"[{text}]".splitlines())


def _listed(patterns: Iterable[Pattern]) -> Iterator[str]:
    last = ""
    for pattern in patterns:
        if pattern.id != last:
            yield f"    # {pattern.id}"
        last = pattern.id
        yield f"    - {_quoted(pattern.text)}"


def _quoted(pattern: str) -> str:
    """A YAML scalar in which the Collector finds no variable to expand."""
    return "'" + pattern.replace("$", "$$").replace("'", "''") + "'"


# What the redaction processor does not look at passes through it as an attribute.
_CARRIED: Final = {
    "trace": (
        ("span", "name"),
        ("span", "status.message"),
        ("span", "trace_state"),
        ("spanevent", "name"),
        ("scope", "name"),
        ("scope", "version"),
    ),
    "metric": (("scope", "name"), ("scope", "version")),
    "log": (
        ("log", "severity_text"),
        ("log", "event_name"),
        ("scope", "name"),
        ("scope", "version"),
    ),
}
_CARRIER: Final = "ffe.collector."


def _carriers() -> Iterator[str]:
    for fields in _CARRIED.values():
        yield from (f"{_CARRIER}{field}" for _, field in fields)


def _transform(step: str) -> Iterator[str]:
    yield f"transform/{step}:"
    yield "  # The default, ignore, would let the record pass as it is."
    yield "  error_mode: propagate"
    for signal, fields in _CARRIED.items():
        yield f"  {signal}_statements:"
        for owner, field in fields:
            path, carrier = f"{owner}.{field}", f'{owner}.attributes["{_CARRIER}{field}"]'
            if step == "before":
                yield f'    - set({carrier}, {path}) where {path} != ""'
            else:
                yield f"    - set({path}, {carrier}) where {carrier} != nil"
                yield f'    - delete_key({owner}.attributes, "{_CARRIER}{field}")'
        if (signal, step) == ("metric", "before"):
            yield "    # Cannot be redacted here. Trace id and span id are fields of their own."
            yield "    - keep_keys(exemplar.filtered_attributes, [])"


def replace_section(text: str, section: str) -> str:
    """Put a rendering in place of the one between the markers of a configuration file.

    Raises:
        ValueError: the file has no such place.
    """
    start, end = text.find(BEGIN), text.find(END)
    if start < 0 or end < start:
        raise ValueError(f"the lines {BEGIN.strip()!r} and {END.strip()!r} are not there")
    return text[:start] + f"{BEGIN}\n{section}" + text[end:]
