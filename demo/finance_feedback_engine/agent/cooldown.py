# SPDX-License-Identifier: Apache-2.0
"""Which assets are left alone for some cycles, and why."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)

_FAILURES = 3


class Cooldowns:
    """Assets to skip, counted in cycles so that equal runs skip the same ones."""

    def __init__(self) -> None:
        self._until: dict[str, tuple[int, str]] = {}
        self._failures: dict[str, int] = {}

    def due(self, asset: str, cycle: int) -> bool:
        """Tell whether an asset takes part in a cycle."""
        until, reason = self._until.get(asset, (0, ""))
        if cycle > until:
            return True
        logger.info("Skipping analysis for %s: %s", asset, reason)
        return False

    def skip(self, asset: str, until: int, reason: str) -> None:
        """Leave an asset alone up to and including a cycle."""
        self._until[asset] = (until, reason)

    def succeeded(self, asset: str) -> None:
        """Forget the failures of an asset."""
        self._failures.pop(asset, None)

    def failed(self, asset: str, until: int) -> None:
        """Count a failure; after some in a row the asset is left alone up to a cycle."""
        self._failures[asset] = self._failures.get(asset, 0) + 1
        if self._failures[asset] >= _FAILURES:
            logger.error("Persistent failure analyzing %s. It is skipped for a while.", asset)
            self.skip(asset, until, "repeated failures.")
