# SPDX-License-Identifier: Apache-2.0
"""Programs that run in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def run(
    program: str, tmp_path: Path, *, starter: Sequence[str] = (), **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a program in ``tmp_path``, by itself or by a command; it has to end well."""
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(program))
    done = subprocess.run(
        [*starter, sys.executable, str(script)],
        env=os.environ | {"FFE_OTEL__METRICS__PROMETHEUS__PORT": "0"} | env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done
