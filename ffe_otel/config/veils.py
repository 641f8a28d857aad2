# SPDX-License-Identifier: Apache-2.0
"""Whether something wrong leaves it open what was to be hidden.

What tells to hide and is not understood takes everything out of sight; what tells to show and is
not understood shows nothing more.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from ffe_otel.config.schema import Section, tree

if TYPE_CHECKING:
    from collections.abc import Mapping

SECTION: Final = "redaction"
SKELETONS: Final = "redaction.skeletons_only"
_SHOWING: Final = frozenset(
    {
        "redaction.disabled_rules",
        "redaction.allow_query_parameters",
        "redaction.engine_handlers",
    }
)
# Where the default shows more than what may have been meant.
CAREFUL: Final[Mapping[str, str]] = {"redaction.engine_handlers": "all"}
_NEAR: Final = 0.75
_FILE: Final = frozenset({"config", "config_file"})


def veils(name: str) -> bool:
    """Whether a wrong value of this key does; members of lists count as their key."""
    plain = name.partition("[")[0]
    return (plain == SECTION or plain.startswith(f"{SECTION}.")) and plain not in _SHOWING


def resembles(name: str) -> bool:
    """Whether one part of a dotted name that means nothing may have been meant for redaction."""
    section = tree().members[SECTION]
    known = (SECTION, *(section.members if isinstance(section, Section) else ()))
    parts = (part.lower().replace("-", "_") for part in name.split("."))
    return any(
        part in _FILE or difflib.get_close_matches(part, known, n=1, cutoff=_NEAR) for part in parts
    )
