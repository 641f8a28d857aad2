# SPDX-License-Identifier: Apache-2.0
"""How long texts may be, enforced after redaction and never before.

The SDK cuts attribute values when they are set, so a limit would cut a secret in two, and
half a secret is one that no rule recognises. The limits come from standard variables, from
``OTEL_CONFIG_FILE`` or from the engine's code, for providers made before or after us. All of
them end up in objects of two classes; those lose their lengths here, and the shortest that
was asked for is applied where records are redacted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk._logs import LogRecordLimits
from opentelemetry.sdk.trace import SpanLimits

from ffe_otel.sdk import existing

if TYPE_CHECKING:
    from collections.abc import Callable

    from ffe_otel.export.patching import Patches

# The attributes that hold lengths, the one that decides last.
_NAMES: Final[dict[type, tuple[str, str]]] = {
    SpanLimits: ("max_attribute_length", "max_span_attribute_length"),
    LogRecordLimits: ("max_attribute_length", "max_log_record_attribute_length"),
}


class Lengths:
    """Characters that are kept; ``None`` keeps all.

    Attributes:
        text: of each text that is no attribute value of a span or log record. OpenTelemetry
            has no limit for those, this one is ours.
        spans: of attribute values of spans, their events and links.
        logs: of attribute values of log records.
    """

    def __init__(self, text: int | None = None) -> None:
        """Keep ``text`` characters of everything until somebody asks for less."""
        self.text = self.spans = self.logs = text

    def take(self, patches: Patches) -> None:
        """Take the lengths off all limits, those that exist and those made from now on.

        When the patches are undone, limits that existed have theirs back. Those made in the
        meantime stay without: the processors of that time stay behind redaction too.
        """
        self.spans = _asked_by_environment(SpanLimits, self.spans)
        self.logs = _asked_by_environment(LogRecordLimits, self.logs)
        for kind in _NAMES:
            patches.wrap(kind, "__init__", self._made)
            for limits in existing.instances(kind):
                self._strip(limits, patches.replace)

    def _made(
        self, wrapped: Callable[..., None], limits: Any, args: tuple[Any, ...], kwargs: Any
    ) -> None:
        wrapped(*args, **kwargs)
        self._strip(limits, setattr)

    def _strip(self, limits: Any, assign: Callable[[Any, str, None], None]) -> None:
        if isinstance(limits, SpanLimits):
            self.spans = _shortest(self.spans, _asked(limits))
        else:
            self.logs = _shortest(self.logs, _asked(limits))
        for name in _names(limits):
            if getattr(limits, name, None) is not None:
                assign(limits, name, None)


def _asked_by_environment(kind: type, default: int | None) -> int | None:
    """What the operator set wins over our setting, also where it is more."""
    try:
        asked = _asked(kind())
    except ValueError:
        # Every provider will say so.
        return default
    return default if asked is None else asked


def _asked(limits: Any) -> int | None:
    # An SDK that names them otherwise must not keep the engine from making a provider.
    first, last = (getattr(limits, name, None) for name in _names(limits))
    # For log records the first is only the default of the last; for spans it holds as well,
    # for their events and links.
    return _shortest(first, last) if isinstance(limits, SpanLimits) else last


def _names(limits: Any) -> tuple[str, str]:
    return next(names for kind, names in _NAMES.items() if isinstance(limits, kind))


def _shortest(*lengths: int | None) -> int | None:
    return min((length for length in lengths if length is not None), default=None)
