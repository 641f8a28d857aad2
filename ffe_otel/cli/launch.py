# SPDX-License-Identifier: Apache-2.0
"""The environment in which a Python program instruments itself when it starts."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_AUTO = "opentelemetry.instrumentation.auto_instrumentation"


def prepared(environ: Mapping[str, str], directory: Path) -> dict[str, str]:
    """An environment for instrumentation by our distribution, unless it chooses another.

    Args:
        environ: what to start from.
        directory: the working directory of the program.
    """
    chosen = {"OTEL_PYTHON_DISTRO": "ffe_otel", "OTEL_PYTHON_CONFIGURATOR": "ffe_otel"}
    return {**chosen, **with_hook(environ, directory)}


def with_hook(environ: Mapping[str, str], directory: Path) -> dict[str, str]:
    """An environment as ``opentelemetry-instrument`` makes it.

    OpenTelemetry's folder with its ``sitecustomize`` comes first on ``PYTHONPATH``, then the
    working directory.

    Args:
        environ: what to start from.
        directory: the working directory of the program.
    """
    spec = importlib.util.find_spec(_AUTO)
    hook = next(iter(spec.submodule_search_locations or ())) if spec else ""
    paths = environ["PYTHONPATH"].split(os.pathsep) if environ.get("PYTHONPATH") else []
    if str(directory) not in paths:
        paths.insert(0, str(directory))
    paths = [hook, *(path for path in paths if path != hook)]
    return {**environ, "PYTHONPATH": os.pathsep.join(paths)}
