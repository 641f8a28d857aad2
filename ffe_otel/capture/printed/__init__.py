# SPDX-License-Identifier: Apache-2.0
"""What the engine itself prints: passes redaction on its way out, and is the engine's otherwise."""

from ffe_otel.capture.printed.install import install_screen
from ffe_otel.capture.printed.screen import Screen

__all__ = ["Screen", "install_screen"]
