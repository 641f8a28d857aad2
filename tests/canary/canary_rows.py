# SPDX-License-Identifier: Apache-2.0
"""The rows of the tests: 11,088 secrets that rules know and 7,560 that no rule was written for.

The 4,716 of the second table have a run of their own. In the compressed store of a larger run,
pieces of other texts stand side by side often enough to read like a part of a seed phrase.

``FFE_CANARY_SEED`` makes others of the same kinds.
"""

from __future__ import annotations

import os

from canary_catalogue import CATALOGUE
from canary_held_out import HELD_OUT
from canary_plan import plan
from canary_second import SECOND

_SEED = os.environ.get("FFE_CANARY_SEED", "")
KNOWN = tuple(plan(CATALOGUE, 7, f"known{_SEED}"))
UNKNOWN = tuple(plan(HELD_OUT, 1, f"held{_SEED}"))
SECOND_UNKNOWN = tuple(plan(SECOND, 1, f"second{_SEED}"))
