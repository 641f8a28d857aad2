# SPDX-License-Identifier: Apache-2.0
"""What one check of ``doctor`` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ffe_otel.cli.output import State


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        name: what was looked at, short.
        state: ``unknown`` is for what is worth knowing and neither good nor bad.
        detail: what was found.
        remedy: what to do, empty when there is nothing to do.
    """

    name: str
    state: State
    detail: str
    remedy: str = ""
