# SPDX-License-Identifier: Apache-2.0
"""Which version of this distribution is running."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

_UNKNOWN: Final = "0+unknown"


def installed_version() -> str:
    """The version; a frozen program may have been built without its metadata."""
    try:
        return version("ffe-otel")
    except PackageNotFoundError:
        return _UNKNOWN
