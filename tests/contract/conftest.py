# SPDX-License-Identifier: Apache-2.0
"""These tests run the real engine and exist only where FFE_ENGINE_SRC names a checkout.

It needs Python 3.13 and the engine's own requirements beside this project's, in an
environment without the reference engine, which has the same package name::

    FFE_ENGINE_SRC=~/finance_feedback_engine python -m pytest tests/contract
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if not os.environ.get("FFE_ENGINE_SRC"):
    collect_ignore_glob = ["test_*.py"]

sys.path.insert(0, str(Path(__file__).parent))
