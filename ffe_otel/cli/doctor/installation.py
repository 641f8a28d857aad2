# SPDX-License-Identifier: Apache-2.0
"""Python, the packages we need, and our extras."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from ffe_otel.cli.doctor.check import Check
from ffe_otel.cli.extras import install_command, requirements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ffe_otel.cli.output import State

_OLDEST = (3, 11)
_GATHERING = ("all",)


def installation() -> Iterator[Check]:
    """Every check of what is installed."""
    yield _python()
    yield Check("ffe-otel", "ok", f"{version('ffe-otel')} in {sys.prefix}")
    yield from _packages()
    yield from sdk_parts()
    yield from _extras()


def _python() -> Check:
    found = f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}"
    if sys.version_info < _OLDEST:
        return Check("python", "fail", found, "use Python 3.11 or newer")
    return Check("python", "ok", found)


def _packages() -> Iterator[Check]:
    core = [need for need in requirements() if not need.extra]
    good = 0
    for need in core:
        if not need.installed:
            remedy = f"pip install '{need.name}{need.range}'"
            yield Check(need.name, "fail", "is not installed", remedy)
        elif not need.fits:
            detail = f"{need.installed} is installed, supported is {need.range}"
            yield Check(need.name, "fail", detail, f"pip install '{need.name}{need.range}'")
        else:
            good += 1
    state: State = "ok" if good == len(core) else "fail"
    sdk = next((need.installed for need in core if need.name == "opentelemetry-sdk"), "")
    yield Check("packages", state, f"{good} of {len(core)} fit, opentelemetry-sdk {sdk}")


def sdk_parts() -> Iterator[Check]:
    """What the private parts of OpenTelemetry's SDK do that an installation uses."""
    from ffe_otel.sdk import found, selfcheck

    findings = found.renew()
    for part in selfcheck.PARTS:
        if findings.works(part.name):
            continue
        detail = f"{part.name} are not as expected ({findings.problems[part.name]})"
        remedy = f"{part.instead}; a version of opentelemetry-sdk that was tested brings it back"
        yield Check("SDK parts", "fail" if part.redacts else "warn", detail, remedy)
    good = len(selfcheck.PARTS) - len(findings.problems)
    if good == len(selfcheck.PARTS):
        yield Check("SDK parts", "ok", f"all {good} do what they are used for")


def _extras() -> Iterator[Check]:
    needs: dict[str, list[bool]] = {}
    for need in requirements():
        if need.extra and need.extra not in _GATHERING:
            needs.setdefault(need.extra, []).append(bool(need.installed) and need.fits)
    for extra, there in needs.items():
        name = f"[{extra}]"
        if all(there):
            yield Check(name, "ok", "installed")
        elif any(there):
            detail = f"{sum(there)} of {len(there)} packages are there and fit"
            yield Check(name, "warn", detail, install_command(extra))
        else:
            yield Check(name, "unknown", f"not installed; {install_command(extra)}")
