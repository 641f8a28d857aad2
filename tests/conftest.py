# SPDX-License-Identifier: Apache-2.0
"""What all tests share: an environment in which nothing of the machine shows through."""

import os

import pytest

_FOREIGN = ("OTEL_", "FFE_OTEL")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _isolated_environment(monkeypatch, tmp_path):
    """Hide telemetry and proxy variables; keep state out of the home directory."""
    for name in list(os.environ):
        if name.upper().startswith(_FOREIGN) or name.lower() in _PROXIES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
