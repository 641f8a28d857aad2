# SPDX-License-Identifier: Apache-2.0
"""What an LLM call cost, by the dated price table of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ffe_otel.config.model import Price


class PriceTable:
    """Looks prices up by provider and model.

    The most specific row wins: an exact model over a prefix (``gpt-5*``), a longer
    prefix over a shorter one, a named provider over ``*``, and of equal rows the one
    that came into force last by the day of the call.
    """

    def __init__(self, rows: Sequence[Price]) -> None:
        self._rows = tuple(rows)
        self._found: dict[tuple[str, str, str], Price | None] = {}

    def cost_usd(
        self, provider: str, model: str, tokens: tuple[int | None, int | None], day: str
    ) -> float | None:
        """Cost in USD, or ``None`` when the table has no row or the tokens are unknown.

        Args:
            provider: provider as in the table.
            model: model as requested.
            tokens: input and output tokens.
            day: UTC date of the call, ``YYYY-MM-DD``.
        """
        key = (provider, model, day)
        if key not in self._found:
            if len(self._found) > 1000:
                self._found.clear()
            self._found[key] = self._find(provider, model, day)
        row = self._found[key]
        if row is None:
            return None
        free = not (row.input_usd_per_million or row.output_usd_per_million)
        if free:
            return 0.0
        used_in, used_out = tokens
        if used_in is None or used_out is None:
            return None
        return (
            used_in * row.input_usd_per_million + used_out * row.output_usd_per_million
        ) / 1_000_000

    def _find(self, provider: str, model: str, day: str) -> Price | None:
        best: tuple[tuple[int, int, str], Price] | None = None
        for row in self._rows:
            if row.provider not in ("*", provider) or row.since > day:
                continue
            exact = row.model == model
            prefix = row.model.endswith("*") and model.startswith(row.model[:-1])
            if not (exact or prefix):
                continue
            rank = (
                1_000_000 if exact else len(row.model),
                int(row.provider != "*"),
                row.since,
            )
            if best is None or rank > best[0]:
                best = (rank, row)
        return best[1] if best else None
