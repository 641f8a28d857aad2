# SPDX-License-Identifier: Apache-2.0
"""The actions a model may choose, and what each means for an order."""

from __future__ import annotations

from dataclasses import dataclass

HOLD = "HOLD"


@dataclass(frozen=True, slots=True)
class Intent:
    """What an action does: to which side, opening or reducing it, by how much.

    ``fraction`` is of the account when ``opens``, else of the position.
    """

    side: str
    opens: bool
    fraction: float

    @property
    def order(self) -> str:
        """Return BUY or SELL."""
        return "BUY" if (self.side == "LONG") == self.opens else "SELL"


INTENTS: dict[str, Intent] = {
    f"{verb}_{side}": Intent(side, opens, fraction)
    for side in ("LONG", "SHORT")
    for verb, opens, fraction in (
        ("OPEN_SMALL", True, 0.12),
        ("OPEN_MEDIUM", True, 0.22),
        ("ADD_SMALL", True, 0.10),
        ("REDUCE", False, 0.5),
        ("CLOSE", False, 1.0),
    )
}
ACTIONS = (HOLD, *INTENTS)


def allowed_actions(position: str) -> tuple[str, ...]:
    """Return the actions that make sense for a position ``flat``, ``long`` or ``short``."""
    if position == "flat":
        return (HOLD, *(name for name in INTENTS if name.startswith("OPEN")))
    side = position.upper()
    return (
        HOLD,
        *(name for name in INTENTS if name.endswith(side) and not name.startswith("OPEN")),
    )
