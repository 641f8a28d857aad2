# SPDX-License-Identifier: Apache-2.0
"""What is left of a run of the reference engine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

NOBODY = "http://127.0.0.1:9"
"""An address where no language model server answers."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run in this process: its exit code, its summary and what it left behind."""

    code: int
    summary: dict[str, Any]
    events: list[dict[str, Any]]
    positions: list[dict[str, Any]]
    trades: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """Return the summary line."""
        return json.loads(self.out.splitlines()[-1])
