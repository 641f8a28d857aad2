# SPDX-License-Identifier: Apache-2.0
"""What is needed before anything of OpenTelemetry is imported.

Parts of it read variables while they are being imported, and raise where they make no sense.
"""

from __future__ import annotations

import contextlib
import os
import sys


def sdk_disabled() -> bool:
    """Whether ``OTEL_SDK_DISABLED`` is true."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def say(message: str) -> None:
    """Tell the operator something before logging is set up."""
    # Standard error may be closed, or not there at all.
    with contextlib.suppress(Exception):
        sys.stderr.write(f"ffe_otel: {message}\n")
