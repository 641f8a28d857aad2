# SPDX-License-Identifier: Apache-2.0
"""A log line without secrets, before it is JSON, text or an OpenTelemetry record."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from ffe_otel.capture.logs import reading
from ffe_otel.capture.logs.render import members, one_line, quoted

if TYPE_CHECKING:
    from ffe_otel.capture.logs.reading import Reading
    from ffe_otel.capture.logs.site import Site


class Line(NamedTuple):
    """A reading, its place, and what became of its content by redaction."""

    reading: Reading
    site: Site
    content: dict[str, Any]

    def fields(self) -> dict[str, Any]:
        """The line as a mapping: ``semconv.LOG_FIELDS``, extras, exception, stack."""
        ids, content = self.reading.ids, self.content
        return {
            reading.TIMESTAMP: self.reading.timestamp,
            **self.site.head,
            reading.MESSAGE: content.get(reading.MESSAGE),
            reading.CORRELATION: ids.correlation,
            reading.TRACE: ids.trace,
            reading.SPAN: ids.span,
            **self.site.tail,
            **{key: value for key, value in content.items() if key != reading.MESSAGE},
        }

    def json(self) -> str:
        """The same as one line of JSON."""
        read, site, content = self.reading, self.site, self.content
        message = content.get(reading.MESSAGE)
        if type(message) is not str:
            return one_line(f"{{{members(self.fields())[1:]}}}")
        rest = members(content, without=reading.MESSAGE) if len(content) > 1 else ""
        return one_line(
            f'{{"timestamp":"{read.timestamp}",{site.head_json}"message":{quoted(message)}'
            f"{_ids(read.ids)},{site.tail_json}{rest}}}"
        )


class Rendered(NamedTuple):
    """A line, and how it looks as configured; ``cut`` is the line when values were cut for it."""

    line: Line
    text: str
    cut: dict[str, Any] | None = None

    def shown(self) -> dict[str, Any]:
        """What ``text`` shows."""
        return self.line.fields() if self.cut is None else self.cut


@functools.lru_cache(maxsize=1024)
def _ids(ids: reading.Ids) -> str:
    named = zip((reading.CORRELATION, reading.TRACE, reading.SPAN), ids, strict=True)
    return members(dict(named))
