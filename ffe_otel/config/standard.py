# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry's own variables, so far as their values can be used.

The SDK, its exporters and our code read them at many places and times, and each has its own way
with a value that makes no sense: an exception, a signal that is never sent, a default. So the
values are looked at once, and what cannot be used is taken away where everybody looks: then all
of them see what the message speaks of. What stands instead is what OpenTelemetry documents
(specification, "Environment Variable Specification"); where it says nothing, the default.
"""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from ffe_otel.config.problems import Origin, Problem
from ffe_otel.config.schema import keys
from ffe_otel.config.urls import completed, without_userinfo
from ffe_otel.config.values import BadValueError, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    # Given a text and all variables, the text to use.
    _Look = Callable[[str, Mapping[str, str]], str]

_LARGEST: Final = 2**31 - 1
_LONGEST_SHOWN: Final = 60
_SIGNALS: Final = ("TRACES", "METRICS", "LOGS")
_OTLP: Final = ("OTEL_EXPORTER_OTLP", *(f"OTEL_EXPORTER_OTLP_{signal}" for signal in _SIGNALS))
# RFC 9110: a field name is a token; a value consists of visible characters.
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]*")
_SAMPLERS: Final = ("always_on", "always_off", "traceidratio", "parentbased_always_on",
                    "parentbased_always_off", "parentbased_traceidratio")  # fmt: skip
_RATIO_SAMPLERS: Final = frozenset({"", "ffe_otel", "traceidratio", "parentbased_traceidratio"})
_SAMPLER, _SAMPLER_ARG = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
_GRPC: Final = "otlp_proto_grpc"
_HINT: Final = "; pip install 'ffe-otel[grpc]' brings OTLP over gRPC"


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of the variables.

    Attributes:
        changes: what is to stand in a variable, None where it is to be unset.
        problems: values that cannot be used.
        guesses: values whose meaning had to be guessed.
    """

    changes: dict[str, str | None] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    guesses: list[Problem] = field(default_factory=list)

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The variables as everybody is to see them."""
        merged = {**environ, **{k: v for k, v in self.changes.items() if v is not None}}
        return {
            name: text for name, text in merged.items() if self.changes.get(name, "") is not None
        }


class _Bad(Exception):  # noqa: N818 - one finding among many, not an error of the program
    """A value that cannot be used; ``rest`` is what can be of it, empty for nothing."""

    def __init__(self, message: str, rest: str = "") -> None:
        super().__init__(message)
        self.rest = rest


class _Guessed(Exception):  # noqa: N818 - the same
    """A value that stands for ``meant``."""

    def __init__(self, message: str, meant: str) -> None:
        super().__init__(message)
        self.meant = meant


def check(environ: Mapping[str, str]) -> Checked:
    """Look at every variable of OpenTelemetry's that is set.

    An empty value counts as not set. No message shows what may be a secret.
    """
    found = Checked()
    for variable, (key, look) in _CHECKS.items():
        text = environ.get(variable)
        if text is None:
            continue
        stripped = text.strip()
        stands: str | None = stripped or None
        origin = Origin("environment", variable)
        try:
            if stripped:
                stands = look(stripped, environ)
        except _Guessed as guess:
            stands = guess.meant
            found.guesses.append(Problem(origin, key, str(guess)))
        except _Bad as problem:
            stands = problem.rest or None
            found.problems.append(Problem(origin, key, str(problem)))
        if stands != text:
            found.changes[variable] = stands
    if found.changes.get(_SAMPLER, "") is None and environ[_SAMPLER].strip():
        # It was meant for a sampler that is not there.
        found.changes[_SAMPLER_ARG] = None
    return found


def _shown(text: str) -> str:
    short = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
    return ascii(short)


def _whole(least: int) -> _Look:
    def look(text: str, environ: Mapping[str, str]) -> str:
        del environ
        if least == 0 and text.lower() == "unset":
            return text
        try:
            value = int(text)
        except ValueError:
            value = -1
        if not least <= value <= _LARGEST:
            raise _Bad(f"expected an integer from {least} to {_LARGEST}, got {_shown(text)}")
        return str(value)

    return look


def _batch(prefix: str) -> _Look:
    """A batch no larger than the queue, or the SDK makes no processor."""

    def look(text: str, environ: Mapping[str, str]) -> str:
        size = int(_whole(1)(text, environ))
        queue = environ.get(f"{prefix}_MAX_QUEUE_SIZE", "").strip()
        try:
            most = int(_whole(1)(queue, environ)) if queue else _LARGEST
        except _Bad:
            most = _LARGEST
        if size > most:
            raise _Bad(f"is {size}, more than {prefix}_MAX_QUEUE_SIZE; it is {most} now", str(most))
        return str(size)

    return look


def _one_of(*choices: str, note: str = "") -> _Look:
    folded = {choice.lower(): choice for choice in choices}

    def look(text: str, environ: Mapping[str, str]) -> str:
        del environ
        if text.lower() in folded:
            return folded[text.lower()]
        raise _Bad(f"expected one of {', '.join(choices)}, got {_shown(text)}{note}")

    return look


def _installed(group: str, *known: str) -> _Look:
    """One name of an entry point, or one that is known without."""

    def look(text: str, environ: Mapping[str, str]) -> str:
        del environ
        return _named(text, group, known)

    return look


def _named(text: str, group: str, known: tuple[str, ...]) -> str:
    names = {entry.name for entry in entry_points(group=group)} | set(known)
    if text in names:
        return text
    if text.lower() in names:
        return text.lower()
    hint = _HINT if "grpc" in text.lower() else ""
    there = ", ".join(sorted(names))
    raise _Bad(f"nothing that is installed is called {_shown(text)}; there are {there}{hint}")


def _list_of(group: str, *known: str) -> _Look:
    """Names of entry points; those that are not there are left out by themselves."""

    def look(text: str, environ: Mapping[str, str]) -> str:
        del environ
        good, bad = [], []
        for name in filter(None, (part.strip() for part in text.split(","))):
            try:
                good.append(_named(name, group, known))
            except _Bad as problem:
                bad.append(str(problem))
        good = [name for name in dict.fromkeys(good) if name != "none"] or good[:1]
        rest = ",".join(good)
        if bad:
            raise _Bad("; ".join(bad), rest)
        return rest

    return look


def _protocol(text: str, environ: Mapping[str, str]) -> str:
    chosen = _one_of("http/protobuf", "grpc")(text, environ)
    if chosen == "grpc" and not any(
        entry_points(group=f"opentelemetry_{signal.lower()}_exporter", name=_GRPC)
        for signal in _SIGNALS
    ):
        raise _Bad(f"the exporter for grpc is not installed, so it is http/protobuf{_HINT}")
    return chosen


def _endpoint(prefix: str) -> _Look:
    def look(text: str, environ: Mapping[str, str]) -> str:
        grpc = _is_grpc(prefix, environ)
        # What gRPC calls a name: a socket's path, a list of addresses.
        if grpc and re.match(r"(?:unix|dns|ipv[46]|xds)[:-]", text):
            return text
        url, guessed = completed(text, tls=grpc and not _is_insecure(prefix, environ))
        if not url:
            raise _Bad("expected a URL such as http://127.0.0.1:4318")
        if guessed:
            raise _Guessed(f"names no scheme, so it is {without_userinfo(url)}", url)
        return url

    return look


def _is_grpc(prefix: str, environ: Mapping[str, str]) -> bool:
    names = (f"{prefix}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    return next((t for n in names if (t := environ.get(n, "").strip())), "").lower() == "grpc"


def _is_insecure(prefix: str, environ: Mapping[str, str]) -> bool:
    names = (f"{prefix}_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE")
    return next((t for n in names if (t := environ.get(n, "").strip())), "").lower() == "true"


def _headers(text: str, environ: Mapping[str, str]) -> str:
    del environ
    kept, bad = [], []
    for number, part in enumerate(filter(None, map(str.strip, text.split(","))), 1):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if equals and is_header(name, unquote(value)):
            kept.append(f"{name}={value}")
        else:
            bad.append(str(number))
    if bad:
        which = f"pair {', '.join(bad)} of {len(kept) + len(bad)}"
        message = f"expected name=value pairs for HTTP headers, {which} is none"
        raise _Bad(f"{message} (its text is not shown) and is left out", ",".join(kept))
    return ",".join(kept)


def is_header(name: str, value: str) -> bool:
    """Whether HTTP and gRPC take both as a header."""
    return bool(_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value))


def _resource(text: str, environ: Mapping[str, str]) -> str:
    del environ
    kept, bad = [], []
    for number, part in enumerate(filter(None, map(str.strip, text.split(","))), 1):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if equals and name:
            kept.append(f"{name}={value}")
        else:
            bad.append(str(number))
    if bad:
        which = f"pair {', '.join(bad)} of {len(kept) + len(bad)}"
        raise _Bad(f"expected name=value pairs, {which} is none and is left out", ",".join(kept))
    return ",".join(kept)


def _authorities(text: str, environ: Mapping[str, str]) -> str:
    del environ
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=text)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or "no certificates"
        message = f"{_shown(text)} cannot be used ({reason}), so those of this machine are trusted"
        raise _Bad(message) from None
    return text


def _file(text: str, environ: Mapping[str, str]) -> str:
    del environ
    if os.path.isfile(text) and os.access(text, os.R_OK):  # noqa: PTH113 - a text of anybody's
        return text
    raise _Bad(f"{_shown(text)} is no file that can be read")


def _of_key(name: str) -> _Look:
    """What one of our keys takes as well."""

    def look(text: str, environ: Mapping[str, str]) -> str:
        del environ
        try:
            parse(keys()[name], text)
        except BadValueError as error:
            raise _Bad(str(error)) from None
        return text

    return look


def _ratio(text: str, environ: Mapping[str, str]) -> str:
    """The argument of a ratio sampler; others have arguments of their own kind."""
    if environ.get(_SAMPLER, "").strip().lower() not in _RATIO_SAMPLERS:
        return text
    return _of_key("telemetry.sampling_ratio")(text, environ)


def _of_sdk() -> Iterator[tuple[str, str, _Look]]:
    yield "OTEL_SDK_DISABLED", "", _one_of("true", "false")
    yield "OTEL_RESOURCE_ATTRIBUTES", "", _resource
    yield _SAMPLER, "", _installed("opentelemetry_traces_sampler", *_SAMPLERS)
    yield _SAMPLER_ARG, "telemetry.sampling_ratio", _ratio
    yield "OTEL_PROPAGATORS", "", _list_of("opentelemetry_propagator", "none")
    yield (
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "", _list_of("opentelemetry_resource_detector", "*")
    )  # fmt: skip
    yield "OTEL_METRICS_EXEMPLAR_FILTER", "", _one_of("always_on", "always_off", "trace_based")
    for prefix in ("OTEL_BSP", "OTEL_BLRP"):
        yield f"{prefix}_MAX_QUEUE_SIZE", "", _whole(1)
        yield f"{prefix}_MAX_EXPORT_BATCH_SIZE", "", _batch(prefix)
        yield f"{prefix}_SCHEDULE_DELAY", "", _whole(1)
        yield f"{prefix}_EXPORT_TIMEOUT", "", _whole(1)
    for name in ("INTERVAL", "TIMEOUT"):
        yield f"OTEL_METRIC_EXPORT_{name}", "", _whole(1)
    for owner in ("", "SPAN_", "LOGRECORD_"):
        yield f"OTEL_{owner}ATTRIBUTE_COUNT_LIMIT", "", _whole(0)
        yield f"OTEL_{owner}ATTRIBUTE_VALUE_LENGTH_LIMIT", "", _whole(0)
    for name in ("SPAN_EVENT", "SPAN_LINK", "EVENT_ATTRIBUTE", "LINK_ATTRIBUTE"):
        yield f"OTEL_{name}_COUNT_LIMIT", "", _whole(0)
    for signal in _SIGNALS:
        group = f"opentelemetry_{signal.lower()}_exporter"
        known = ("otlp", "none", *(("prometheus",) if signal == "METRICS" else ()))
        yield f"OTEL_{signal}_EXPORTER", "", _list_of(group, *known)
    for kind in ("tracer", "meter", "logger"):
        group = f"opentelemetry_{kind}_provider"
        yield f"OTEL_PYTHON_{kind.upper()}_PROVIDER", "", _installed(group)
    yield (
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        "metrics.prometheus.port",
        _of_key("metrics.prometheus.port"),
    )


def _of_otlp() -> Iterator[tuple[str, str, _Look]]:
    preference = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
    yield preference, "", _one_of("CUMULATIVE", "DELTA", "LOWMEMORY")
    yield (
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "",
        _one_of("explicit_bucket_histogram", "base2_exponential_bucket_histogram"),
    )
    timeout = "telemetry.otlp_timeout_seconds"
    for prefix in _OTLP:
        common = prefix == _OTLP[0]
        yield f"{prefix}_ENDPOINT", "telemetry.otlp_endpoint" if common else "", _endpoint(prefix)
        yield f"{prefix}_HEADERS", "telemetry.otlp_headers" if common else "", _headers
        yield f"{prefix}_TIMEOUT", timeout if common else "", _of_key(timeout)
        yield f"{prefix}_PROTOCOL", "", _protocol
        yield f"{prefix}_COMPRESSION", "", _one_of("gzip", "deflate", "none")
        yield f"{prefix}_INSECURE", "", _one_of("true", "false")
        yield f"{prefix}_CERTIFICATE", "", _authorities
        yield f"{prefix}_CLIENT_CERTIFICATE", "", _file
        yield f"{prefix}_CLIENT_KEY", "", _file


_CHECKS: Final = {variable: (key, look) for variable, key, look in (*_of_sdk(), *_of_otlp())}
VARIABLES: Final = tuple(_CHECKS)
"""Every variable that is looked at."""
