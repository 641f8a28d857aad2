# SPDX-License-Identifier: Apache-2.0
"""Doctor names what redaction does not see of the engine's own output."""

from __future__ import annotations

import dataclasses

import pytest

from ffe_otel.cli.doctor import printed
from ffe_otel.config import Config


def config(wanted):
    found = Config()
    redaction = dataclasses.replace(found.redaction, engine_handlers=wanted)
    return dataclasses.replace(found, redaction=redaction)


@pytest.mark.parametrize(("wanted", "state"), [("console", "ok"), ("all", "ok"), ("off", "warn")])
def test_what_is_covered_and_what_never_is(wanted, state):
    first, second, *_ = printed.printed(config(wanted))
    assert first.state == state
    assert "print()" in second.detail
    assert "emit()" in second.detail


def test_handlers_and_prints_in_the_engine_s_source(tmp_path, monkeypatch):
    package = tmp_path / "made_up_engine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "alerts.py").write_text(
        "import logging\n\nclass Telegram(logging.Handler):\n    def emit(self, record):\n"
        "        print(record.msg)\n\nclass Plain(logging.StreamHandler):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = [each.detail for each in printed._in_source("made_up_engine")]
    assert found == [
        "Telegram in made_up_engine/alerts.py has an emit() of its own",
        "made_up_engine has 1 calls of print(), which redaction does not see",
    ]
