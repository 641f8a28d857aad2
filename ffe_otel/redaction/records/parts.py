# SPDX-License-Identifier: Apache-2.0
"""What spans and log records have in common: attributes, resource, scope."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from ffe_otel import semconv
from ffe_otel.redaction.surfaces import Surface

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ffe_otel.redaction.redactor import Redactor

SKELETON: Final = "redaction failed"
IDS: Final = re.compile(
    r"[0-9a-f]{32}|[0-9a-f]{16}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)
ID_FIELDS: Final = frozenset(
    {
        "trace_id",
        "span_id",
        "parent_span_id",
        "correlation_id",
        semconv.CORRELATION_ID,
        semconv.CORRELATION_ID_INCOMING,
        semconv.RUN_CORRELATION_ID,
    }
)
_TIME: Final = "timestamp"
_TIMES: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_EXEMPT_FIELDS: Final = ID_FIELDS | {_TIME}


def attributes_of(
    attributes: Mapping[str, Any] | None, redactor: Redactor, surface: str, limit: int | None
) -> dict[str, Any]:
    """Redact attributes; ids and times in the fields that are for them stay as they are."""
    if not attributes:
        return {}
    # Almost none has any of them, and this says so fastest.
    plain = _EXEMPT_FIELDS.isdisjoint(attributes)
    exempt = () if plain else {k for k in _EXEMPT_FIELDS if _is_exempt(k, attributes.get(k))}
    return redactor.strict_mapping(attributes, surface, limit, exempt=exempt)


def _is_exempt(key: str, value: object) -> bool:
    """Whether a value is the id, or the time, that its field is for."""
    pattern = _TIMES if key == _TIME else IDS
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def bounded(
    attributes: Mapping[str, Any] | None, redactor: Redactor, surface: str, limit: int | None
) -> Mapping[str, Any]:
    """Redacted attributes that still say how many the original dropped."""
    redacted = attributes_of(attributes, redactor, surface, limit)
    if not isinstance(attributes, BoundedAttributes) or not attributes.dropped:
        return redacted
    made = BoundedAttributes(attributes=redacted, immutable=False)
    made.dropped = attributes.dropped
    return made


def redact_resource(resource: Resource, redactor: Redactor, limit: int | None = None) -> Resource:
    """Redact the attributes of a resource; the same resource gives the same object."""

    def make(original: Resource) -> Resource:
        attributes = attributes_of(original.attributes, redactor, Surface.RESOURCE, limit)
        return Resource(attributes, original.schema_url)

    return redactor.shared(resource, limit, make)


def redact_scope(
    scope: InstrumentationScope | None, redactor: Redactor, limit: int | None = None
) -> InstrumentationScope | None:
    """Redact an instrumentation scope; the same scope gives the same object."""

    def make(original: InstrumentationScope) -> InstrumentationScope:
        def text(value: str | None) -> str | None:
            return value and redactor.strict_text(value, Surface.SCOPE, limit)

        return InstrumentationScope(
            text(original.name) or "",
            text(original.version),
            text(original.schema_url),
            attributes_of(original.attributes, redactor, Surface.SCOPE, limit),
        )

    return None if scope is None else redactor.shared(scope, limit, make)
