# SPDX-License-Identifier: Apache-2.0
"""The page: a no-build set of ES modules that reads the HTTP API and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Final

STATIC_DIR: Final = Path(__file__).resolve().parent / "static"
"""Folder served under ``/static``; ``index.html`` in it is the page itself."""

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'"
)
"""Value of the header the page has to be served with; the page works under it unchanged."""

__all__ = ["CONTENT_SECURITY_POLICY", "STATIC_DIR"]
