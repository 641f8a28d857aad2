# SPDX-License-Identifier: Apache-2.0
"""Starting a Python program as ``opentelemetry-instrument`` would, to see what really happens.

Entry points say what should win; only a start shows what does. The program sends nothing and
opens no port.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ffe_otel.cli.doctor.check import Check
from ffe_otel.cli.launch import with_hook
from ffe_otel.cli.output import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS = 60.0
_SCRIPT = """
import json, sys
from opentelemetry import trace
runtime = sys.modules.get("ffe_otel.capture.runtime")
provider = type(trace.get_tracer_provider())
print(json.dumps({
    "captured": runtime is not None and runtime.get() is not None,
    "provider": f"{provider.__module__}.{provider.__qualname__}",
}))
"""
_QUIET = {
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "FFE_OTEL__METRICS__PROMETHEUS__ENABLED": "false",
    "FFE_OTEL__LOGGING__OUTPUTS__CONSOLE": "false",
    "FFE_OTEL__LOGGING__OUTPUTS__FILE__ENABLED": "false",
}


def trial(environ: Mapping[str, str]) -> Check:
    """Whether a program started in this environment would be captured."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Check("trial start", "unknown", "left out, because OTEL_SDK_DISABLED is true")
    if environ.get("OTEL_CONFIG_FILE"):
        return Check(
            "trial start", "unknown", "left out: it would send to OTEL_CONFIG_FILE's places"
        )
    try:
        result = subprocess.run(  # noqa: S603 - our own interpreter and script
            [sys.executable, "-c", _SCRIPT],
            env={**with_hook(environ, Path.cwd()), **_QUIET},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
        found = json.loads(result.stdout.splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        detail = f"a Python program with instrumentation does not start: {clean(error)}"
        return Check("trial start", "fail", detail, "opentelemetry-instrument python -c pass")
    if found["captured"]:
        return Check("trial start", "ok", f"a Python program is captured by {found['provider']}")
    said = clean(result.stderr) or f"the tracer provider is {found['provider']}"
    detail = f"a Python program is not captured: {said}"
    remedy = (
        "" if said.startswith("ffe_otel:") else "'ffe-otel run -- COMMAND' chooses ffe_otel itself"
    )
    return Check("trial start", "fail", detail, remedy)
