# SPDX-License-Identifier: Apache-2.0
"""Putting redaction behind what the engine prints, and taking it away again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffe_otel.capture.printed.coverage import Coverage
from ffe_otel.capture.printed.errors import patch_error_reports, patch_uncaught, patch_warnings
from ffe_otel.capture.printed.handlers import patch_handlers, patch_senders
from ffe_otel.capture.printed.last_resort import replace_last_resort
from ffe_otel.capture.printed.rich import patch_rich
from ffe_otel.capture.streams import Consoles
from ffe_otel.export.patching import Patches

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from ffe_otel.capture.printed.screen import Screen


def install_screen(
    wanted: str, screen: Screen, printed: Callable[[logging.LogRecord], bool]
) -> Callable[[], None]:
    """Let what the engine prints pass redaction.

    Args:
        wanted: ``redaction.engine_handlers``. A program without handlers never prints
            messages raw, whatever this is: that would be Python's doing, not the engine's.
        screen: redacts.
        printed: whether our own console prints a record.

    Returns:
        What takes all of it back.
    """
    patches = Patches()
    replace_last_resort(patches, screen, printed)
    if wanted != "off":
        coverage = Coverage(Consoles(), everything=wanted == "all")
        patches.callback(coverage.end)
        patch_handlers(patches, coverage, screen)
        patch_error_reports(patches, screen)
        patch_uncaught(patches, screen)
        patch_warnings(patches, screen)
        patch_rich(patches, coverage, screen)
        if wanted == "all":
            patch_senders(patches, coverage, screen)
    return patches.undo
