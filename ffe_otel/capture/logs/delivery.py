# SPDX-License-Identifier: Apache-2.0
"""What happens to a batch of records on the worker: redact, render, write, send."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ffe_otel.capture.logs import console, reading, site
from ffe_otel.capture.logs.line import Line, Rendered
from ffe_otel.capture.logs.render import json_line, text_line
from ffe_otel.export.stats import Reason, Signal
from ffe_otel.foundation.pace import resting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from ffe_otel.capture.logs.guard import Guard
    from ffe_otel.capture.logs.logfile import LogFile
    from ffe_otel.capture.logs.otlp import OtlpOutput
    from ffe_otel.capture.logs.reading import Reading
    from ffe_otel.capture.logs.record import Taken
    from ffe_otel.capture.logs.syslog import Syslog
    from ffe_otel.export.stats import ExportStats

    Screened = Callable[[Sequence[str]], AbstractContextManager[object]]

UNREDACTED: Final = "[redacted:redaction-failed]"
MAX_MESSAGE: Final = 65_536
CUT: Final = "...[cut]"
_WARN_AGAIN_SECONDS: Final = 300.0


class Outputs(NamedTuple):
    """Where records go; None where they do not.

    ``late`` takes the place of ``otlp`` when the pipeline behind that is being shut down.
    """

    file: LogFile | None = None
    console: console.Console | None = None
    syslog: Syslog | None = None
    otlp: OtlpOutput | None = None
    late: OtlpOutput | None = None


class Delivery:
    """Takes batches to the outputs; one call at a time.

    Each output fails for itself: it is counted, said once on standard error, and the
    others go on.

    Args:
        outputs: Where to.
        redact: Removes secrets from a line; nothing reaches a disk, a terminal or a socket
            without it.
        screened: Looks at the texts of a batch together, for as long as its context lasts.
        stats: Counts what is lost.
        guard: Marks our own work.
        pressed: Whether so much waits that there is no time for rests.
        text: Whether lines are for people instead of JSON.
        max_length: Characters a value keeps, counted after redaction.
    """

    def __init__(
        self,
        outputs: Outputs,
        redact: Callable[[dict[str, Any]], dict[str, Any]],
        screened: Screened,
        stats: ExportStats,
        guard: Guard,
        *,
        pressed: Callable[[], bool],
        text: bool,
        max_length: int,
    ) -> None:
        self._outputs = outputs
        self._redact = redact
        self._screened = screened
        self._sites = site.Sites(redact)
        self._stats = stats
        self._guard = guard
        self._pressed = pressed
        self._text = text
        self._max_length = max_length
        self._warned: dict[str, float] = {}
        self._failing: set[str] = set()
        self._late = False

    def deliver(self, batch: Sequence[Taken]) -> None:
        """Deliver a batch; never raises."""
        with self._guard.at_work():
            try:
                self._deliver(batch)
            except Exception as error:  # noqa: BLE001 - nothing may end the worker
                self._failed("failed", len(batch), f"log records were lost: {_name(error)}")

    def step(self) -> bool:
        """Do a little of the log file's housekeeping; True when there is more."""
        file = self._outputs.file
        if file is None:
            return False
        with self._guard.at_work():
            try:
                return file.step()
            except OSError as error:
                self._warn("rotation", f"cannot roll over {file.path}: {_reason(error)}")
                return False

    def queue_full(self, count: int) -> None:
        """Count records that found the queue full."""
        self._count(Reason.QUEUE_FULL, count)

    def unreadable(self) -> None:
        """Count a record that could not be taken; the one thing that is called on any thread."""
        self._count("unreadable", 1)

    def end_otlp(self) -> None:
        """From now on records are late: the pipeline behind OTLP is being shut down."""
        self._late = True

    def close(self) -> None:
        """Close files and sockets; a later record opens them again."""
        if self._outputs.file is not None:
            self._outputs.file.close()
        if self._outputs.syslog is not None:
            self._outputs.syslog.close()

    def after_fork(self) -> None:
        """Let go of everything that is the parent's."""
        if self._outputs.file is not None:
            self._outputs.file.forget()
        if self._outputs.syslog is not None:
            self._outputs.syslog.close()

    def _deliver(self, batch: Sequence[Taken]) -> None:
        snapshots = resting(batch, self._pressed)
        readings = [taken for each in snapshots if (taken := self._read(each)) is not None]
        file, terminal, syslog, otlp, late = self._outputs
        texts = [v for each in readings for v in each.content.values() if type(v) is str]
        with self._screened(texts):
            lines = [self._rendered(each) for each in resting(readings, self._pressed)]
        if file:
            self._write(file, lines)
        if otlp:
            self._emit(late if self._late else otlp, lines)
        if syslog:
            self._send(syslog, lines)
        if terminal:
            self._show(terminal, lines)

    def _read(self, snapshot: Taken) -> Reading | None:
        try:
            return reading.read(snapshot)
        except Exception as error:  # noqa: BLE001 - one record may not take others with it
            self._failed("unreadable", 1, f"a log record could not be read: {_name(error)}")
            return None

    def _rendered(self, taken: Reading) -> Rendered:
        try:
            line = Line(taken, self._sites.of(taken.snapshot), self._redact(taken.content))
            text = self._text_of(line)
            if len(text) <= self._max_length:
                return Rendered(line, text)
            cut = self._cut(line.fields())
            return Rendered(line, text_line(cut) if self._text else json_line(cut), cut)
        except Exception as error:  # noqa: BLE001 - fails closed, whatever the reason
            self._warn("redaction", f"a log record could not be redacted: {_name(error)}")
            line = Line(taken, site.unknown(taken.snapshot), {reading.MESSAGE: UNREDACTED})
            return Rendered(line, self._text_of(line))

    def _text_of(self, line: Line) -> str:
        return text_line(line.fields()) if self._text else line.json()

    def _cut(self, line: dict[str, Any]) -> dict[str, Any]:
        """Shorten long values, which is safe only now that they are redacted."""
        longest = self._max_length
        message = line.get(reading.MESSAGE)
        cut = {key: _shortened(value, longest) for key, value in line.items()}
        if isinstance(message, str):
            cut[reading.MESSAGE] = _shortened(message, max(longest, MAX_MESSAGE))
        return cut

    def _write(self, file: LogFile, lines: Sequence[Rendered]) -> None:
        written, error = file.write(
            [f"{each.text}\n".encode("utf-8", "backslashreplace") for each in lines]
        )
        if error is None:
            self._works("log_file")
            return
        self._failed(
            "log_file",
            len(lines) - written,
            f"cannot write the log file {file.path}: {_reason(error)}. Records are missing "
            "from it until that is mended; free space, change its permissions, or set "
            "logging.outputs.file.path to another place",
        )

    def _send(self, syslog: Syslog, lines: Sequence[Rendered]) -> None:
        for each in lines:
            try:
                syslog.send(each.line.site.levelno, each.shown(), each.text)
            except OSError as error:
                text = f"cannot send to syslog at {syslog.address}: {_reason(error)}"
                self._failed("syslog", 1, text)
            else:
                self._works("syslog")

    def _show(self, terminal: console.Console, lines: Sequence[Rendered]) -> None:
        coloured = self._text and terminal.coloured()
        texts = [
            text_line(each.shown(), colour=True) if coloured else each.text
            for each in lines
            if not each.line.reading.snapshot.shown
        ]
        if texts and not terminal.write(texts):
            self._count("console", len(texts))

    def _emit(self, otlp: OtlpOutput | None, lines: Sequence[Rendered]) -> None:
        if otlp is None:
            self._count(Reason.SHUTDOWN, len(lines))
            return
        for error in otlp.emit(lines, self._pressed):
            self._failed("otlp", 1, f"a log record was refused by OTLP: {_name(error)}")

    def _failed(self, reason: str, count: int, text: str) -> None:
        self._count(reason, count)
        if reason not in self._failing:
            self._failing.add(reason)
            self._warn(reason, text)

    def _works(self, reason: str) -> None:
        self._failing.discard(reason)

    def _warn(self, topic: str, text: str) -> None:
        now = time.monotonic()
        if now - self._warned.get(topic, -_WARN_AGAIN_SECONDS) >= _WARN_AGAIN_SECONDS:
            self._warned[topic] = now
            console.tell(text)

    def _count(self, reason: str, count: int) -> None:
        if count:
            self._stats.dropped(Signal.LOGS, reason, count)


def _shortened(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest else value[:longest] + CUT
    if isinstance(value, list):
        return [_shortened(item, longest) for item in value]
    if isinstance(value, dict):
        return {key: _shortened(item, longest) for key, item in value.items()}
    return value


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _name(error: Exception) -> str:
    # Its text may hold what could not be redacted.
    return type(error).__name__
