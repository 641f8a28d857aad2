# SPDX-License-Identifier: Apache-2.0
"""Log capture put together: tap, worker, outputs, and their life until the process ends."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ffe_otel.capture.logs.console import Console, tell
from ffe_otel.capture.logs.delivery import MAX_MESSAGE, Delivery, Outputs
from ffe_otel.capture.logs.guard import Guard
from ffe_otel.capture.logs.logfile import LogFile
from ffe_otel.capture.logs.otlp import OtlpOutput
from ffe_otel.capture.logs.syslog import Syslog
from ffe_otel.capture.logs.tap import Tap
from ffe_otel.export.stats import Signal
from ffe_otel.export.worker import Worker
from ffe_otel.foundation.room import Room
from ffe_otel.redaction.records import redact_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry._logs import LoggerProvider
    from opentelemetry.context import Context

    from ffe_otel.capture.logs.delivery import Screened
    from ffe_otel.capture.logs.record import Taken
    from ffe_otel.config.model import Config
    from ffe_otel.export.stats import ExportStats
    from ffe_otel.redaction import Redactor


class LogCapture:
    """A running log capture. Calling it uninstalls it.

    * ``flush`` waits until everything logged so far is written.
    * ``close`` is for the end of the process: it drains and ends the worker but goes on
      taking records, because others log after us when the interpreter shuts down. Those
      late records are written at once on the thread that logs them: to the file, the
      console and, where there is a spool, there.
    * calling the object drains, gives back ``logging.Logger.callHandlers`` and closes the
      file.
    """

    def __init__(
        self,
        config: Config,
        outputs: Outputs,
        redact: Callable[[dict[str, Any]], dict[str, Any]],
        stats: ExportStats,
        log_context: Callable[[Context], Mapping[str, object]],
        beside: Callable[[], None] = lambda: None,
        screened: Screened = nullcontext,
        room: Room | None = None,
    ) -> None:
        guard = Guard()
        settings = config.logging
        self._shutdown_seconds = config.limits.shutdown_seconds
        self._closed = False
        self._delivery = Delivery(
            outputs,
            redact,
            screened,
            stats,
            guard,
            pressed=lambda: self._worker.pressed,
            text=settings.format == "text",
            max_length=config.limits.attribute_length,
        )
        worker: Worker[Taken] = Worker(
            self._delivery.deliver,
            room=Room(config.limits.queue_bytes) if room is None else room,
            capacity=config.limits.queue_size,
            hurry_at=max(1, settings.buffer_size // 4),
            dropped=self._delivery.queue_full,
            threaded=settings.async_logging,
            step=self._step,
        )
        self._worker = worker
        self._beside = beside
        self._printing = outputs.console is not None
        self._undo = ExitStack()
        self._undo.callback(stats.watch_queue(Signal.LOGS, lambda: worker.waiting))
        self._tap = Tap(
            worker.put,
            self._delivery.unreadable,
            log_context,
            guard,
            level=logging.getLevelNamesMapping()[settings.level],
            watch_console=outputs.console is not None,
        )

    def start(self) -> None:
        """Begin to capture."""
        self._worker.start()
        self._tap.install()
        atexit.register(self.close)
        self._undo.callback(atexit.unregister, self.close)
        self._undo.callback(_restart_after_fork(self))

    def prints(self, record: logging.LogRecord) -> bool:
        """Whether the record that this thread's handlers are at goes to our console."""
        return self._printing and self._tap.took(record)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything logged so far is written and handed to OpenTelemetry.

        Args:
            timeout: Longest wait in seconds; ``limits.shutdown_seconds`` when None.

        Returns:
            Whether that was done in time.
        """
        return self._worker.flush(self._shutdown_seconds if timeout is None else timeout)

    def ask(self) -> Callable[[float], bool]:
        """Ask for everything logged so far to be delivered; see ``Worker.ask``."""
        return self._worker.ask()

    def close(self, timeout: float | None = None) -> bool:
        """Drain and end the worker; records that come later are written at once.

        Call it before the logger provider is shut down. Calling it again does nothing.

        Args:
            timeout: Longest wait in seconds; ``limits.shutdown_seconds`` when None.

        Returns:
            Whether everything was written in time.
        """
        if self._closed:
            return True
        self._closed = True
        done = self._worker.close(self._shutdown_seconds if timeout is None else timeout)
        self._delivery.end_otlp()
        if done:  # otherwise the worker is still at it
            self._delivery.close()
        return done

    def __call__(self) -> None:
        """Stop capturing, write what was captured and give everything back."""
        self._tap.remove()
        self.close()
        self._undo.close()

    def _step(self) -> bool:
        self._beside()
        return self._delivery.step()

    def after_fork(self) -> None:
        """Start clean in a forked child."""
        self._delivery.after_fork()
        self._worker.after_fork()
        if "multiprocessing.util" in sys.modules:
            _close_at_end_of_process(self)


def install_log_capture(
    config: Config,
    redactor: Redactor,
    logger_provider: LoggerProvider | None,
    stats: ExportStats,
    log_context: Callable[[Context], Mapping[str, object]],
    late_provider: LoggerProvider | None = None,
    beside: Callable[[], None] = lambda: None,
    room: Room | None = None,
) -> LogCapture:
    """Take every log record of the process to the configured outputs.

    Levels, handlers and formats of the engine stay as they are. With
    ``logging.async_logging: false`` everything is done on the thread that logs.

    Args:
        config: The configuration; ``logging`` and ``limits`` are used.
        redactor: Removes secrets from whatever is written.
        logger_provider: Receives OpenTelemetry log records; None for none.
        stats: Counts what is lost.
        log_context: Tells agent state, decision id and asset pair of the calling code.
        late_provider: Receives the records that come after ``close``, at once.
        beside: Other work for the thread that writes; called ten times a second or more
            often, and must not raise.
        room: What waits may take in memory; by default ``limits.queue_bytes`` of its own.

    Returns:
        The running capture; call it to uninstall.
    """
    longest = max(config.limits.attribute_length, MAX_MESSAGE)
    capture = LogCapture(
        config,
        outputs_of(config, logger_provider, late_provider),
        lambda line: redact_line(line, redactor, longest),
        stats,
        log_context,
        beside,
        redactor.screened,
        room,
    )
    capture.start()
    return capture


def outputs_of(
    config: Config,
    logger_provider: LoggerProvider | None,
    late_provider: LoggerProvider | None = None,
) -> Outputs:
    """Build the outputs a configuration asks for; nothing is opened yet."""
    wanted, rotation = config.logging.outputs, config.logging.rotation
    return Outputs(
        file=LogFile(
            Path(config.state_dir, wanted.file.path).expanduser(),
            max_bytes=rotation.max_bytes,
            backup_count=rotation.backup_count,
            compress=rotation.compression == "gzip",
        )
        if wanted.file.enabled
        else None,
        console=Console() if wanted.console else None,
        syslog=_syslog(wanted.syslog.address) if wanted.syslog.enabled else None,
        otlp=OtlpOutput(logger_provider) if wanted.otlp and logger_provider else None,
        late=OtlpOutput(late_provider) if wanted.otlp and late_provider else None,
    )


def _syslog(address: str) -> Syslog | None:
    try:
        return Syslog(address)
    except ValueError as error:
        tell(f"{error}; nothing is sent to syslog")
        return None


def _restart_after_fork(capture: LogCapture) -> Callable[[], None]:
    """Restart a capture in forked children; returns how to stop that.

    A fork handler cannot be taken back, so it looks into a list that can be emptied. The
    list also keeps the capture alive: a child of multiprocessing clears ``atexit``, which
    may hold the only other reference.
    """
    running = [capture]

    def after_in_child() -> None:
        for alive in running:
            alive.after_fork()

    os.register_at_fork(after_in_child=after_in_child)
    return running.clear


def _close_at_end_of_process(capture: LogCapture) -> None:
    """A child of multiprocessing ends without atexit, and clears finalizers as it starts."""
    from multiprocessing import util

    def after_start(alive: LogCapture) -> None:
        util.Finalize(alive, alive.close, exitpriority=0)

    util.register_after_fork(capture, after_start)
