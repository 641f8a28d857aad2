# SPDX-License-Identifier: Apache-2.0
"""A correlation id is a trace id in other clothes.

The 128 bits of a trace id written as a UUID are the correlation id; nothing is looked
up and nothing is stored. A text that is no id gets one by hashing.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

# Exactly two spellings: ``uuid.UUID`` would also take braces, ``urn:uuid:`` and hyphens
# anywhere, and two spellings of one id must not end up as two different traces.
_ID: Final = re.compile(
    r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
)
RANDOMNESS_MASK: Final = (1 << 56) - 1
_RANDOM_VERSIONS: Final = frozenset({4, 7})
_STRUCTURED_VERSIONS: Final = frozenset({1, 2, 3, 5, 6, 8})


def correlation_id(trace_id: int) -> str:
    """Write a trace id as a correlation id.

    Args:
        trace_id: 128-bit integer as in ``SpanContext.trace_id``.

    Returns:
        The same bits as a lower-case UUID, 8-4-4-4-12 hexadecimal digits.
    """
    digits = f"{trace_id:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def trace_id(correlation_id: str) -> int | None:
    """Read a correlation id back into the trace id it stands for.

    Args:
        correlation_id: 32 hexadecimal digits or the 8-4-4-4-12 form, in either case.

    Returns:
        The 128-bit trace id, or None when the text is anything else or nil (all zeros
        is no valid trace id).
    """
    if _ID.fullmatch(correlation_id) is None:
        return None
    return int(correlation_id.replace("-", ""), 16) or None


def hash_trace_id(text: str) -> int:
    """Map any text to a trace id: the first 128 bits of its SHA-256, never 0.

    Args:
        text: Free text; the same text always gives the same id.

    Returns:
        A valid 128-bit trace id.
    """
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:16], "big") or 1


def is_random_id(trace_id: int) -> bool:
    """Tell whether an id somebody else chose is known to be random where samplers look.

    Samplers read the lowest 56 bits. UUID versions 4 and 7 fill those bits at random
    (RFC 9562, sections 5.4 and 5.7); every other version puts a node id, a hash or
    vendor data there, and 128 bits without a UUID's version and variant prove nothing.
    The check goes by bits, not by spelling, because the same id arrives with hyphens
    and without. A hashed text does not count either: its bits are well spread, but the
    same text gives the same bits again, which the random flag rules out.

    Args:
        trace_id: 128-bit id as requested by a caller.

    Returns:
        True for UUID version 4 or 7 of the RFC's variant.
    """
    return _uuid_version(trace_id) in _RANDOM_VERSIONS


def is_structured_id(trace_id: int) -> bool:
    """Tell whether an id of unknown origin has the form of a non-random UUID.

    The specification lets samplers presume randomness. A foreign id generator that
    hands out UUID1 breaks that presumption (0 % or 100 % sampled), so its form is
    enough to doubt it; doubting a truly random id wrongly costs one `rv` entry.
    """
    return _uuid_version(trace_id) in _STRUCTURED_VERSIONS


def derived_randomness(trace_id: int) -> int:
    """Derive 56 evenly spread bits from an id that is not random itself.

    Every process that sees the id derives the same value: the first 56 bits of the
    SHA-256 of its 16 bytes, most significant first.
    """
    return int.from_bytes(hashlib.sha256(trace_id.to_bytes(16, "big")).digest()[:7], "big")


def _uuid_version(trace_id: int) -> int:
    if (trace_id >> 62) & 0b11 != 0b10:
        return 0
    return (trace_id >> 76) & 0xF
