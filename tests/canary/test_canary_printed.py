# SPDX-License-Identifier: Apache-2.0
"""Ten thousand secrets that an engine logs: none is on its standard output or error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from canary_report import findings, first_findings, table
from canary_rows import KNOWN
from canary_run import printed

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(400)
# Of classes that are off by default.
_OFF = frozenset({"client_ip", "balance", "position_size", "profit_and_loss"})
ROWS = tuple(row for row in KNOWN if row.kind not in _OFF)
PLACES = {"late": ("standard output", "standard error"), "none": ("standard error",)}


def test_there_are_enough_of_them() -> None:
    assert len({row.secret.text for row in ROWS}) >= 10_000


@pytest.mark.parametrize("handlers", PLACES)
def test_nothing_that_a_rule_knows_is_printed(tmp_path: Path, handlers: str) -> None:
    said = printed(ROWS, tmp_path, handlers)
    for place in PLACES[handlers]:
        assert said.missing(ROWS, place) == {}, place
    leaked = first_findings(findings(said, ROWS))
    assert not leaked, table(ROWS, leaked)
