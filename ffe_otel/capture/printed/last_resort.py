# SPDX-License-Identifier: Apache-2.0
"""What becomes of records of a program without handlers.

Python's handler of last resort writes their bare message. With ours in its place the
redacted console is the only one; where that is off or does not take a record, the message is
redacted here.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ffe_otel.capture.printed.screen import Screen
    from ffe_otel.export.patching import Patches


def replace_last_resort(
    patches: Patches, screen: Screen, printed: Callable[[logging.LogRecord], bool]
) -> None:
    """Put ours in the place of Python's own; one that the program chose is the program's.

    Args:
        patches: takes it back.
        screen: redacts.
        printed: whether a record is printed by our console.
    """
    last = logging.lastResort
    if last is not None and type(last).__module__ == logging.__name__:
        patches.replace(logging, "lastResort", LastResort(last.level, screen, printed))


class LastResort(logging.Handler):
    """Prints redacted messages on whatever standard error is at the moment."""

    def __init__(
        self, level: int, screen: Screen, printed: Callable[[logging.LogRecord], bool]
    ) -> None:
        super().__init__(level)
        self._screen = screen
        self._printed = printed

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record, unless our console does."""
        try:
            stream = sys.stderr
            if stream is None or self._printed(record):
                return
            stream.write(f"{self._screen.line(self.format(record), record)}\n")
            stream.flush()
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - as logging does it
            self.handleError(record)
