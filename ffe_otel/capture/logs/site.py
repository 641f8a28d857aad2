# SPDX-License-Identifier: Apache-2.0
"""What all records of one place in the code have in common, redacted and rendered once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry._logs import SeverityNumber

from ffe_otel import semconv
from ffe_otel.capture.logs import reading
from ffe_otel.capture.logs.reading import clean, shown_path
from ffe_otel.capture.logs.record import getter
from ffe_otel.capture.logs.render import members
from ffe_otel.export import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ffe_otel.capture.logs.record import Snapshot

_TEXTS: Final = {"WARNING": "WARN", "CRITICAL": "FATAL"}
_DECADES: Final = (1, 5, 9, 13, 17, 21)  # TRACE, DEBUG, INFO, WARN, ERROR, FATAL
_MOST_SITES: Final = 4096
_HEAD: Final = (reading.LEVEL, reading.LOGGER)
_TAIL: Final = (reading.MODULE, reading.FUNCTION, reading.LINE)


class _Place(NamedTuple):
    """What a record says about where it was logged, as it is."""

    levelno: int
    level: Any
    logger: Any
    path: Any
    module: Any
    function: Any
    line: int
    thread_id: Any
    thread_name: Any


_place: Final = getter(
    "levelno",
    "levelname",
    "name",
    "pathname",
    "module",
    "funcName",
    "lineno",
    "thread",
    "threadName",
)


class Site(NamedTuple):
    """One place that logs.

    Attributes:
        levelno: Python's level.
        logger: name of the logger, which is not redacted.
        head: level and logger; as in a line, in front of the message.
        tail: module, function and line number, behind the ids.
        head_json: the members of ``head`` in JSON, a comma behind them.
        tail_json: the members of ``tail`` in JSON.
        severity: for OpenTelemetry.
        severity_text: the same.
        attributes: code and thread in OpenTelemetry's names.
        encoded: severity and attributes in OTLP.
        longest: characters of the longest of ``attributes``.
    """

    levelno: int
    logger: str
    head: dict[str, Any]
    tail: dict[str, Any]
    head_json: str
    tail_json: str
    severity: SeverityNumber
    severity_text: str | None
    attributes: dict[str, Any]
    encoded: bytes
    longest: int


class Sites:
    """The places that have logged, within bounds.

    Args:
        redact: removes secrets from a line.
    """

    def __init__(self, redact: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._redact = redact
        self._known: dict[tuple[Any, ...], Site] = {}

    def of(self, taken: Snapshot) -> Site:
        """The place of a record; raises what redaction raises."""
        place = _Place(*_place(taken.values))
        # 1, 1.0 and True are equal, but not the same in JSON.
        if type(place.line) is not int or type(place.levelno) is not int:
            return self._make(place)
        try:
            found = self._known.get(place)
        except TypeError:
            # Somebody has put something odd into a record of logging's.
            return self._make(place)
        if found is None:
            found = self._make(place)
            if len(self._known) >= _MOST_SITES:
                self._known.clear()
            self._known[place] = found
        return found

    def _make(self, place: _Place) -> Site:
        line = self._redact(
            {
                reading.LEVEL: clean(place.level),
                reading.LOGGER: clean(place.logger),
                reading.MODULE: clean(place.module),
                reading.FUNCTION: clean(place.function),
                reading.LINE: place.line,
            }
        )
        code = self._redact(
            {
                semconv.CODE_FILE_PATH: shown_path(str(place.path)),
                semconv.THREAD_NAME: clean(place.thread_name),
            }
        )
        return _site(place, line, code)


def unknown(taken: Snapshot) -> Site:
    """The place of a record that could not be redacted: numbers, which are no secrets."""
    return _site(_Place(*_place(taken.values)), {}, {})


def _site(place: _Place, line: Mapping[str, Any], code: Mapping[str, Any]) -> Site:
    head = {name: line.get(name) for name in _HEAD}
    tail = {name: line.get(name) for name in _TAIL}
    number = severity(place.levelno)
    level = head[reading.LEVEL]
    text = _TEXTS.get(level, level) if isinstance(level, str) else None
    attributes = {
        semconv.CODE_FUNCTION_NAME: tail[reading.FUNCTION],
        # Numbers as they are; whatever else somebody has put there is redacted or left out.
        semconv.CODE_LINE_NUMBER: place.line if type(place.line) is int else line.get(reading.LINE),
        semconv.THREAD_ID: place.thread_id if type(place.thread_id) is int else None,
        **code,
    }
    return Site(
        place.levelno,
        clean(str(place.logger)),
        head,
        tail,
        f"{members(head)[1:]},",
        members(tail)[1:],
        number,
        text,
        attributes,
        encode.encode_log_site(number.value, text, attributes),
        max(len(str(value)) for value in attributes.values()),
    )


def severity(levelno: int) -> SeverityNumber:
    """Map a Python level: each range of ten levels is one of the six severities."""
    if not isinstance(levelno, int) or levelno <= 0:
        return SeverityNumber.UNSPECIFIED
    decade = min(levelno // 10, len(_DECADES) - 1)
    return SeverityNumber(_DECADES[decade] + min(levelno - 10 * decade, 3) * (decade > 0))
