# SPDX-License-Identifier: Apache-2.0
"""``OTEL_SDK_DISABLED``: the engine runs as if nothing of ours were there. Real processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from programs import run

if TYPE_CHECKING:
    from otlp_sink import Sink

BIN = Path(sys.executable).parent
INSTRUMENT = (str(BIN / "opentelemetry-instrument"),)
FFE_OTEL = (str(BIN / "ffe-otel"), "run", "--")
INSTALL = "import ffe_otel; ffe_otel.install()"

# What shows that somebody is at work: modules, wrapped functions, handlers, threads, variables.
PROGRAM = """
{install}
import json, logging, psutil, signal, sys, threading
import requests
import finance_feedback_engine.session
import ffe_otel
from opentelemetry import trace

with ffe_otel.cycle(["BTCUSD"]), ffe_otel.phase("reasoning"):
    with trace.get_tracer("engine").start_as_current_span("own") as span:
        logging.getLogger("finance_feedback_engine").warning("at work")
        recording = span.is_recording()

def proxies(owners):
    values = [(name, value) for owner in owners for name, value in vars(owner).items()]
    return [n for n, value in values if any("ObjectProxy" in t.__name__ for t in type(value).mro())]

sdk = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "google.protobuf")
engine = [m for name, m in list(sys.modules.items()) if name.startswith("finance_feedback_engine")]
classes = [c for m in engine for c in vars(m).values() if type(c) is type]
print(json.dumps({{
    "modules": [name for name in sys.modules if name.startswith(sdk)],
    "hooks": proxies(c for c in classes if c.__module__.startswith("finance_feedback_engine")),
    "libraries": proxies([requests.Session, threading.Thread]),
    "log tap": logging.Logger.callHandlers.__code__.co_filename != logging.__file__,
    "root handlers": [repr(handler) for handler in logging.getLogger().handlers],
    "sigterm": signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL,
    "threads": psutil.Process().num_threads() - 1,
    "recording": recording,
}}))
"""


def traces_of(tmp_path: Path, starter: tuple[str, ...], **env: str) -> dict[str, Any]:
    """What a program that was started so shows of us."""
    body = PROGRAM.format(install="" if starter else INSTALL)
    done = run(body, tmp_path, starter=starter, FFE_OTEL__LOGGING__OUTPUTS__CONSOLE="false", **env)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


STARTERS = pytest.mark.parametrize(
    "starter", [(), INSTRUMENT, FFE_OTEL], ids=["install", "instrument", "run"]
)


@STARTERS
@pytest.mark.parametrize("others", ["", "requests"], ids=["", "another one switched off"])
def test_nothing_is_hooked_and_nothing_of_the_sdk_is_imported(
    tmp_path: Path, starter: tuple[str, ...], others: str
) -> None:
    env = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": others} if others else {}
    found = traces_of(tmp_path, starter, OTEL_SDK_DISABLED="true", **env)
    assert {name: value for name, value in found.items() if value} == {}
    assert [path.name for path in tmp_path.iterdir()] == ["program.py"]


@STARTERS
def test_the_same_program_shows_it_when_it_is_on(
    tmp_path: Path, sink: Sink, starter: tuple[str, ...]
) -> None:
    found = traces_of(tmp_path, starter, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    absent = {name for name, value in found.items() if not value}
    assert absent == {"root handlers"}


def test_importing_the_package_imports_no_sdk(tmp_path: Path) -> None:
    done = run(
        """
        import ffe_otel, sys
        ffe_otel.cycle, ffe_otel.llm_call, ffe_otel.install
        print([m for m in sys.modules if m.startswith(("opentelemetry.sdk", "google.protobuf"))])
        """,
        tmp_path,
    )
    assert done.stdout.strip() == "[]"
