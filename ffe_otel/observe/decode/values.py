# SPDX-License-Identifier: Apache-2.0
"""Attribute values, ids and hashes as the journal writes them."""

from __future__ import annotations

import base64
import json
import math
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

MAX_TIME: Final = 2**63 - 1
"""Latest time kept, ns since the epoch: what a signed 64-bit column holds."""

dumps = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False
).encode


def number(value: float) -> float | str:
    """A float as JSON can hold it: not-finite ones by OTLP/JSON's names for them."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def finite(value: float) -> float | None:
    """A float, or None where a column cannot compute with it."""
    return value if math.isfinite(value) else None


def any_value(value: AnyValue) -> Any:
    """An AnyValue as a JSON value; bytes become base64 text."""
    match value.WhichOneof("value"):
        case "string_value":
            plain: Any = value.string_value
        case "int_value":
            plain = value.int_value
        case "double_value":
            plain = number(value.double_value)
        case "bool_value":
            plain = value.bool_value
        case "array_value":
            plain = [any_value(v) for v in value.array_value.values]
        case "kvlist_value":
            plain = attributes(value.kvlist_value.values)
        case "bytes_value":
            plain = base64.b64encode(value.bytes_value).decode("ascii")
        case _:
            plain = None
    return plain


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """A list of key-value pairs as a dictionary; of a repeated key the last one counts."""
    return {pair.key: any_value(pair.value) for pair in pairs}


def digest64(*parts: str) -> int:
    """A 64-bit identity of texts, the same in every run."""
    return int.from_bytes(blake2b("\x1f".join(parts).encode(), digest_size=8).digest())


def digest128(*parts: str) -> str:
    """A 128-bit identity of texts as 32 hex digits, the same in every run."""
    return blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()
