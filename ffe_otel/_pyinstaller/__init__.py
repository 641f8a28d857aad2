# SPDX-License-Identifier: Apache-2.0
"""Tells PyInstaller, which finds this by its entry point, where the hook for ffe_otel is."""

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """Folders with hooks."""
    return [str(Path(__file__).parent)]
