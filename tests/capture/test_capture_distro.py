# SPDX-License-Identifier: Apache-2.0
"""What the entry points of ``opentelemetry-instrument`` do when installing fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffe_otel.capture import install
from ffe_otel.capture.distro import FfeConfigurator

if TYPE_CHECKING:
    import pytest


def test_a_failure_to_install_is_said_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "sk-" + "live9A7bQ2xLmT4vR8wZ"

    def fail(_config: object) -> None:
        raise OSError(f"no way to https://127.0.0.1/v1?api_key={secret}")

    monkeypatch.setattr(install, "install_at_start", fail)
    FfeConfigurator().configure()
    said = capsys.readouterr().err
    assert "nothing is captured: OSError: no way to https://127.0.0.1/v1" in said
    assert secret not in said
