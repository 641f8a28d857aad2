# SPDX-License-Identifier: Apache-2.0
"""Settings from environment variables: ``FFE_OTEL__SECTION__KEY`` and OpenTelemetry's own.

A secret may be in a file that ``FFE_OTEL__SECTION__KEY_FILE`` names, as containers mount them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ffe_otel.config.document import Document, Found
from ffe_otel.config.problems import Origin, Problem
from ffe_otel.config.schema import keys, nearest, section_at
from ffe_otel.config.values import BadValueError, parse
from ffe_otel.config.veils import resembles, veils

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ffe_otel.config.schema import Key

PREFIX = "FFE_OTEL__"
FILE_SUFFIX = "_file"
_ALMOST = "FFE_OTEL_"
_FILE_VARIABLE = "FFE_OTEL_CONFIG"

# Python's OTLP exporters read the timeout in seconds, like our key.
_STANDARD: Mapping[str, str] = {
    "OTEL_SERVICE_NAME": "telemetry.service_name",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "telemetry.otlp_endpoint",
    "OTEL_EXPORTER_OTLP_HEADERS": "telemetry.otlp_headers",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "telemetry.otlp_timeout_seconds",
    "OTEL_EXPORTER_PROMETHEUS_HOST": "metrics.prometheus.host",
    "OTEL_EXPORTER_PROMETHEUS_PORT": "metrics.prometheus.port",
}
_RESOURCE: Mapping[str, str] = {
    "service.name": "telemetry.service_name",
    "deployment.environment": "telemetry.environment",
    "deployment.environment.name": "telemetry.environment",
    "ffe.agent.id": "telemetry.agent_id",
}
_RATIO_SAMPLERS = frozenset({"", "ffe_otel", "traceidratio", "parentbased_traceidratio"})
_FIXED_SAMPLERS: Mapping[str, str] = {
    "always_on": "1",
    "parentbased_always_on": "1",
    "always_off": "0",
    "parentbased_always_off": "0",
}
_RATIO = "telemetry.sampling_ratio"


def read_environment(environ: Mapping[str, str]) -> Document:
    """Every setting the environment makes; an empty variable counts as not set.

    ``OTEL_*`` variables win over ``FFE_OTEL__*`` ones, because other OpenTelemetry software
    in the same process obeys them too.
    """
    document = Document()
    for variable in sorted(environ):
        if not environ[variable]:
            continue
        if variable.upper().startswith(PREFIX):
            name = variable[len(PREFIX) :].lower().replace("__", ".")
            _set(document, name, environ[variable], variable)
        elif meant := _meant(variable):
            problem = f"there is no such variable; did you mean {meant}?"
            origin = Origin("environment", variable)
            plain = meant.removeprefix(PREFIX).replace("__", ".").lower()
            veiling = meant == _FILE_VARIABLE or veils(plain)
            document.problems.append(Problem(origin, "", problem, veils=veiling))
    for name, text, variable in _standard(environ):
        _set(document, name, text, variable)
    return document


def _set(document: Document, name: str, text: str, variable: str) -> None:
    origin = Origin("environment", variable)
    key = keys().get(name) or _key_of_file(name)
    if key is None:
        document.problems.append(Problem(origin, "", _unknown(name), veils=resembles(name)))
        return
    try:
        if key.name != name:
            text = Path(text).read_text(encoding="utf-8").strip()
        document.values[key.name] = Found(parse(key, text), origin)
    except BadValueError as error:
        document.problems.append(Problem(origin, key.name, str(error), veils=veils(key.name)))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        # What is no path may be the secret itself.
        shown = text if Path(text).is_absolute() else "the file that it names"
        problem = f"cannot read {shown}: {reason}"
        document.problems.append(Problem(origin, key.name, problem, veils=veils(key.name)))


def _key_of_file(name: str) -> Key | None:
    key = keys().get(name.removesuffix(FILE_SUFFIX))
    return key if key is not None and key.secret else None


def _meant(variable: str) -> str:
    """The variable that one with underscores too few was meant to be; empty when it is none."""
    folded = variable.upper()
    if folded == f"{_FILE_VARIABLE}_FILE":
        return _FILE_VARIABLE
    if not folded.startswith(_ALMOST) or folded == _FILE_VARIABLE:
        return ""
    squeezed = folded.removeprefix(_ALMOST).replace("_", "")
    near = (name for name in keys() if name.replace(".", "").replace("_", "").upper() == squeezed)
    return next((PREFIX + name.replace(".", "__").upper() for name in near), "")


def _unknown(name: str) -> str:
    if section_at(name):
        return f"{name} is a section; name one of its keys after another '__'"
    near = nearest(name)
    if not near:
        return f"there is no key {name}; 'ffe-otel config show' lists all keys"
    variable = PREFIX + near.replace(".", "__").upper()
    return f"there is no key {name}; did you mean {variable}?"


def _standard(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Settings in OpenTelemetry's variables as (key, text, variable), weaker ones first."""
    resource = environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    for part in resource.split(","):
        name, _, value = part.partition("=")
        key = _RESOURCE.get(name.strip())
        if key and value.strip():
            yield key, unquote(value.strip()), "OTEL_RESOURCE_ATTRIBUTES"
    for variable, key in _STANDARD.items():
        if environ.get(variable, "").strip():
            yield key, environ[variable].strip(), variable
    sampler = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    argument = environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    if sampler in _FIXED_SAMPLERS:
        yield _RATIO, _FIXED_SAMPLERS[sampler], "OTEL_TRACES_SAMPLER"
    elif sampler in _RATIO_SAMPLERS and argument:
        yield _RATIO, argument, "OTEL_TRACES_SAMPLER_ARG"
