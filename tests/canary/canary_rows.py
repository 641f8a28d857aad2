# SPDX-License-Identifier: Apache-2.0
"""The rows of the tests: 11,088 secrets that rules know and 2,844 that no rule was written for.

``FFE_CANARY_SEED`` makes others of the same kinds.
"""

from __future__ import annotations

import os

from canary_catalogue import CATALOGUE
from canary_held_out import HELD_OUT
from canary_plan import plan

_SEED = os.environ.get("FFE_CANARY_SEED", "")
KNOWN = tuple(plan(CATALOGUE, 7, f"known{_SEED}"))
UNKNOWN = tuple(plan(HELD_OUT, 1, f"held{_SEED}"))
