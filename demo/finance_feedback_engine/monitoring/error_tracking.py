# SPDX-License-Identifier: Apache-2.0
"""Where unexpected errors are reported."""

from __future__ import annotations

import json
import logging
import time
import traceback
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


class ErrorTracker:
    """Logs errors with their context and writes crash dumps.

    Args:
        config: ``enabled`` (default true) and ``crash_dump_dir`` (default: no dumps).
    """

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        settings = config or {}
        self.enabled = bool(settings.get("enabled", True))
        self._dump_dir = settings.get("crash_dump_dir")

    def capture_exception(
        self, error: Exception, context: dict[str, Any] | None = None, level: str = "error"
    ) -> None:
        """Log an exception with its traceback and context."""
        if not self.enabled:
            return
        words = ", ".join(f"{key}={value}" for key, value in (context or {}).items())
        logger.log(
            logging.getLevelNamesMapping().get(level.upper(), logging.ERROR),
            "%s: %s | Context: %s",
            type(error).__name__,
            error,
            words,
            exc_info=error,
        )

    def capture_message(
        self, message: str, context: dict[str, Any] | None = None, level: str = "info"
    ) -> None:
        """Log a message with its context."""
        if self.enabled:
            number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
            logger.log(number, "%s | Context: %s", message, context or {})

    def capture_crash_dump(
        self,
        error: Exception,
        context: dict[str, Any] | None = None,
        include_locals: bool = False,
        max_files: int = 100,
        max_age_days: int = 7,
    ) -> str | None:
        """Write what is known of a crash to a file and return its path.

        Local variables are never written, whatever ``include_locals`` says: they hold credentials.
        Dumps beyond ``max_files``, or older than ``max_age_days``, are removed.
        """
        del include_locals
        if not self.enabled or not self._dump_dir:
            return None
        folder = Path(self._dump_dir)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"crash-{time.time_ns()}.json"
        dump = {
            "error": f"{type(error).__name__}: {error}",
            "traceback": traceback.format_exception(error),
            "context": {key: str(value) for key, value in (context or {}).items()},
        }
        path.write_text(json.dumps(dump, indent=1), encoding="utf-8")
        oldest = time.time() - max_age_days * 86_400
        for place, old in enumerate(sorted(folder.glob("crash-*.json"), reverse=True)):
            if place >= max_files or old.stat().st_mtime < oldest:
                old.unlink(missing_ok=True)
        return str(path)
