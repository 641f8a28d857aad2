# SPDX-License-Identifier: Apache-2.0
"""What records of one request share: resource and scope, each encoded once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ffe_otel.export.encode.wire import attributes, field, repeated, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

_MOST: Final = 256


class Encoded(NamedTuple):
    """A resource or scope: its field 1 of the message around it, and the schema's, field 3."""

    own: bytes
    schema: bytes


class _Memo:
    """Encodings of objects that live long, by identity; an object is kept while it is here."""

    def __init__(self, encode: Callable[[Any], Encoded]) -> None:
        self._encode = encode
        self._known: dict[int, tuple[object, Encoded]] = {}

    def __call__(self, original: object) -> Encoded:
        known = self._known.get(id(original))
        if known is not None and known[0] is original:
            return known[1]
        encoded = self._encode(original)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[id(original)] = (original, encoded)
        return encoded


def _encoded_resource(found: Resource) -> Encoded:
    parts: list[bytes] = []
    attributes(b"\x0a", found.attributes, parts)
    return Encoded(field(b"\x0a", b"".join(parts)), text(b"\x1a", found.schema_url))


def _encoded_scope(found: InstrumentationScope | None) -> Encoded:
    if found is None:
        return Encoded(b"\x0a\x00", b"")
    parts = [text(b"\x0a", found.name), text(b"\x12", found.version)]
    attributes(b"\x1a", found.attributes, parts)
    return Encoded(field(b"\x0a", b"".join(parts)), text(b"\x1a", found.schema_url))


resource: Final[Callable[[Any], Encoded]] = _Memo(_encoded_resource)
"""Encode a resource."""
scope: Final[Callable[[Any], Encoded]] = _Memo(_encoded_scope)
"""Encode an instrumentation scope, or None."""

Groups = dict[Encoded, dict[Encoded, list[bytes]]]


class Grouping:
    """Records of a request on their way to their resource and scope."""

    def __init__(self) -> None:
        self.groups: Groups = {}
        self._resource: object = self
        self._scope: object = self
        self._records: list[bytes] = []

    def of(self, found: object, within: object) -> list[bytes]:
        """Where records of resource ``found`` and scope ``within`` belong."""
        # Neighbours mostly share both.
        if found is not self._resource or within is not self._scope:
            self._resource, self._scope = found, within
            scopes = self.groups.setdefault(resource(found), {})
            self._records = scopes.setdefault(scope(within), [])
        return self._records


def request(groups: Groups) -> bytes:
    """An export request: records by resource and scope."""
    return repeated(
        b"\x0a",
        [
            of.own + repeated(b"\x12", [_scoped(*each) for each in scopes.items()]) + of.schema
            for of, scopes in groups.items()
        ],
    )


def _scoped(within: Encoded, records: list[bytes]) -> bytes:
    return within.own + repeated(b"\x12", records) + within.schema
