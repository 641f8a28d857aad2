# SPDX-License-Identifier: Apache-2.0
"""Which distribution and configurator OpenTelemetry would load, and what switches them off.

Only one of each is loaded in a process, and without being told which, OpenTelemetry takes the
first it finds. With another one in the same environment ours may silently never run, and then
nothing is redacted. So this is checked by the loader's own rule, for the environment that
``opentelemetry-instrument`` would see; ``ffe-otel run`` sets the variables itself.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from ffe_otel.cli.doctor.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_OURS = "ffe_otel"
_CHOICES = (
    ("distro", "opentelemetry_distro", "OTEL_PYTHON_DISTRO"),
    ("configurator", "opentelemetry_configurator", "OTEL_PYTHON_CONFIGURATOR"),
)
_REMEDY = "export OTEL_PYTHON_DISTRO=ffe_otel OTEL_PYTHON_CONFIGURATOR=ffe_otel"


def selection(environ: Mapping[str, str]) -> Iterator[Check]:
    """Every check of what OpenTelemetry would load under these variables."""
    for name, group, variable in _CHOICES:
        found = [f"{point.name} ({point.value})" for point in entry_points(group=group)]
        names = [point.name for point in entry_points(group=group)]
        yield _winner(name, names, found, variable, environ.get(variable))
    yield _instrumentor(environ)
    yield from _switches(environ)


def _winner(
    name: str, names: Sequence[str], found: Sequence[str], variable: str, chosen: str | None
) -> Check:
    """Which entry point wins: the named one, else the first."""
    if not names:
        detail = "no entry point is installed, ours neither"
        return Check(name, "fail", detail, "pip install --force-reinstall ffe-otel")
    if chosen is not None and chosen not in names:
        detail = f"{variable}={chosen} names none of: {', '.join(found)}"
        return Check(name, "fail", detail, _REMEDY)
    winner = names[0] if chosen is None else chosen
    why = "it comes first" if chosen is None else f"{variable}={chosen}"
    if winner != _OURS:
        detail = f"{winner} wins ({why}), so ffe_otel never runs and nothing is redacted"
        return Check(name, "fail", f"{detail}; installed: {', '.join(found)}", _REMEDY)
    others = [other for other in names if other != _OURS]
    if others and chosen is None:
        detail = f"ffe_otel wins by chance ({why}); also installed: {', '.join(others)}"
        return Check(name, "fail", detail, _REMEDY)
    return Check(name, "ok", f"ffe_otel wins ({why if others or chosen else 'the only one'})")


def _instrumentor(environ: Mapping[str, str]) -> Check:
    disabled = [
        part.strip() for part in environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
    ]
    if _OURS in disabled or "*" in disabled:
        detail = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS switches the hooks off"
        return Check("instrumentor", "fail", detail, "take ffe_otel (and *) out of the variable")
    if _OURS not in {point.name for point in entry_points(group="opentelemetry_instrumentor")}:
        detail = "its entry point is not installed"
        return Check("instrumentor", "fail", detail, "pip install --force-reinstall ffe-otel")
    return Check("instrumentor", "ok", "ffe_otel is installed and not switched off")


def _switches(environ: Mapping[str, str]) -> Iterator[Check]:
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        detail = "OTEL_SDK_DISABLED=true: nothing is captured"
        yield Check("OTEL_SDK_DISABLED", "warn", detail, "unset it to have telemetry")
    for signal in ("TRACES", "METRICS", "LOGS"):
        variable = f"OTEL_{signal}_EXPORTER"
        if environ.get(variable, "").strip().lower() == "none":
            detail = f"{variable}=none: {signal.lower()} are not sent"
            yield Check(variable, "warn", detail, "unset it to send them")
    file = environ.get("OTEL_CONFIG_FILE", "")
    if file and not Path(file).is_file():
        detail = f"OTEL_CONFIG_FILE={file} does not exist"
        yield Check("OTEL_CONFIG_FILE", "fail", detail, "correct or unset it")
    elif file:
        detail = f"{file} declares the exporters; redaction stays in front of them"
        yield Check("OTEL_CONFIG_FILE", "unknown", detail)
