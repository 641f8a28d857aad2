# SPDX-License-Identifier: Apache-2.0
"""How the built-in models decide: momentum in units of volatility, plus a little of their own mind.

A model reads nothing but its prompt. The same prompt, model and seed give the same answer, whatever
else is asked at the same time.
"""

from __future__ import annotations

import hashlib
import json
import re
import statistics
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

ANALYST_MARK = "TASK: MARKET BRIEF"
_LEAN = {"bull": 0.45, "bear": -0.45}


@dataclass(frozen=True, slots=True)
class View:
    """What a model makes of a prompt; ``score`` is momentum, positive when prices rise."""

    asset: str
    day: str
    position: str
    pnl_pct: float
    score: float
    volatility: float
    role: str


def read_prompt(prompt: str) -> View:
    """Find in a prompt what the rule needs; what is missing counts as nothing to act on."""

    def field(name: str, default: str) -> str:
        found = re.search(rf"^{name}: *(.+)$", prompt, re.MULTILINE)
        return found[1].strip() if found else default

    closes = [float(text) for text in re.findall(r"\d+\.\d+", field("Closes", ""))]
    score, volatility = momentum(closes)
    return View(
        asset=field("Asset", "?"),
        day=field("Trading day", "?"),
        position=field("Position State", "flat"),
        pnl_pct=float(field("Position P&L percent", "0")),
        score=score,
        volatility=volatility,
        role=field("Debate role", "single").lower(),
    )


def momentum(closes: list[float]) -> tuple[float, float]:
    """Return momentum in units of daily volatility, and that volatility as a fraction."""
    if len(closes) < 12:
        return 0.0, 0.0
    returns = [later / earlier - 1 for earlier, later in pairwise(closes)]
    volatility = max(statistics.pstdev(returns), 1e-4)
    short = (closes[-1] / closes[-4] - 1) / (volatility * 3**0.5)
    longer = (closes[-1] / closes[-11] - 1) / (volatility * 10**0.5)
    return 0.6 * short + 0.4 * longer, volatility


def opinion(seed: int, *parts: str) -> float:
    """Return a number in [-1, 1) that depends on nothing but the arguments."""
    digest = hashlib.sha256("|".join((str(seed), *parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**63 - 1


def brief(view: View, seed: int) -> dict[str, Any]:
    """Return what the pre-reasoner says of the market."""
    regime = "ranging"
    if abs(view.score) >= 0.5:
        regime = "trending_up" if view.score > 0 else "trending_down"
    actionable = abs(view.score) >= 0.25 or view.position != "flat"
    return {
        "regime": regime,
        "regime_confidence": round(60 + min(30, abs(view.score) * 20)),
        "actionable": actionable,
        "skip_reason": None if actionable else "momentum is too weak to act on",
        "key_question": f"Will {view.asset} keep its direction?",
        "reasoning": f"Momentum {view.score:+.2f} at volatility {view.volatility:.3f}.",
        "nonce": round(opinion(seed, view.asset, view.day, "brief"), 3),
    }


def decide(view: View, model: str, seed: int) -> dict[str, Any]:
    """Return what a model would trade."""
    score = view.score + 0.35 * opinion(seed, model, view.asset, view.day)
    score += _LEAN.get(view.role, 0.0)
    action = _flat(score) if view.position == "flat" else _held(view, score)
    confidence = 50 + min(45, abs(score) * 22) + 4 * opinion(seed, model, view.day)
    if action == "HOLD":
        confidence = 62 - min(12, abs(score) * 6)
    elif action.startswith(("CLOSE", "REDUCE")):
        confidence = max(confidence, 78)
    return {
        "action": action,
        "policy_action": action,
        "candidate_actions": [action, "HOLD"] if action != "HOLD" else ["HOLD"],
        "confidence": round(max(5, min(97, confidence))),
        "reasoning": (
            f"{view.asset}: momentum {view.score:+.2f}, mine {score:+.2f}, "
            f"position {view.position} at {view.pnl_pct:+.1f}%."
        ),
        "amount": 0.1,
    }


def _flat(score: float) -> str:
    if abs(score) < 0.45:
        return "HOLD"
    size = "MEDIUM" if abs(score) > 1.3 else "SMALL"
    return f"OPEN_{size}_{'LONG' if score > 0 else 'SHORT'}"


def _held(view: View, score: float) -> str:
    side = view.position.upper()
    favour = score if side == "LONG" else -score
    if view.pnl_pct <= -6 or view.pnl_pct >= 4 or favour < -1.2:
        return f"CLOSE_{side}"
    if favour < -0.5 and view.pnl_pct > 1.5:
        return f"REDUCE_{side}"
    if favour > 1.3 and view.pnl_pct > 0:
        return f"ADD_SMALL_{side}"
    return "HOLD"


def reply(prompt: str, model: str, seed: int) -> str:
    """Return the text that a model answers a prompt with, as JSON."""
    view = read_prompt(prompt)
    return json.dumps(brief(view, seed) if ANALYST_MARK in prompt else decide(view, model, seed))
