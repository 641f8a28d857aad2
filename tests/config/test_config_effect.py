# SPDX-License-Identifier: Apache-2.0
"""A key that nothing reads says so, and every other one is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_readers import keys_read

import ffe_otel
from ffe_otel.config import load_config
from ffe_otel.config.report import without_effect
from ffe_otel.config.schema import keys

PACKAGE = Path(ffe_otel.__file__).parent
SHIPPED = Path(__file__).parents[2] / "config" / "ffe_otel.yaml"


@pytest.fixture(scope="module")
def read():
    """Keys that something outside the room of configuration reads."""
    return keys_read(f for f in PACKAGE.rglob("*.py") if PACKAGE / "config" not in f.parents)


def test_every_key_is_read_or_says_that_it_has_no_effect_yet(read):
    unused = {name for name, key in keys().items() if key.unused}

    assert sorted(set(keys()) - read - unused) == []
    assert sorted(unused & read) == []


def test_the_shipped_file_marks_what_has_no_effect_yet():
    lines = SHIPPED.read_text().splitlines()
    rows = without_effect(load_config(SHIPPED, environ={"HOME": "/home/trader"}))

    assert len(rows) > 30
    for row in rows:
        assert lines[row.origin.line - 1].endswith("no effect yet"), row.key
