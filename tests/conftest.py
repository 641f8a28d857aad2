# SPDX-License-Identifier: Apache-2.0
"""What all tests share: an environment in which nothing of the machine shows through."""

import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "shared"))

try:
    from hypothesis import settings
except ImportError:  # the contract tests run in the real engine's environment
    pass
else:
    # How long an example takes is the machine's business, not a property. Examples are other
    # ones each time, so few at a time are many in the end.
    many = 400 if os.environ.get("CHAOS") == "full" else 40
    settings.register_profile("ffe_otel", deadline=None, max_examples=many)
    settings.load_profile("ffe_otel")

# Who starts the tests in the background of a shell hands down that SIGINT is ignored.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_FOREIGN = ("OTEL_", "FFE_OTEL")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _isolated_environment(monkeypatch, tmp_path):
    """Hide telemetry and proxy variables; keep state out of the home directory."""
    for name in list(os.environ):
        if name.upper().startswith(_FOREIGN) or name.lower() in _PROXIES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Let captured text with lone surrogates, which some tests log, pass between processes."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report
