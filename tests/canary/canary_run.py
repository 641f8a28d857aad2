# SPDX-License-Identifier: Apache-2.0
"""The real pipeline: a program under ``ffe-otel run``, and every byte that came out of it."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from canary_sinks import grpc_sink, http_sink
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from canary_plan import Row
    from canary_sinks import Sink

_MARK = re.compile(rb"[a-z]+\d*-\d{5}z")
_SETTINGS = {
    "OTEL_TRACES_EXPORTER": "otlp,console",
    "OTEL_LOGS_EXPORTER": "otlp,console",
    "OTEL_METRICS_EXPORTER": "otlp,console",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    # Some of the kinds are of classes that are off by default.
    "FFE_OTEL__REDACTION__CLASSES": "network,financial",
    "FFE_OTEL__LLM__CAPTURE_CONTENT": "true",
    "FFE_OTEL__METRICS__PROMETHEUS__PORT": "0",
    "FFE_OTEL__LOGGING__ROTATION__MAX_BYTES": "1000000",
}


@dataclass(frozen=True)
class Output:
    """What came out of the process.

    Attributes:
        parts: bytes by where they were found, decompressed.
        requests: the OTLP/HTTP requests, to send them on.
        own_ids: ids that the telemetry made up, in all ways they are written.
    """

    parts: dict[str, bytes] = field(default_factory=dict, repr=False)
    requests: list[tuple[str, bytes]] = field(default_factory=list, repr=False)
    own_ids: frozenset[bytes] = field(default=frozenset(), repr=False)

    def missing(self, rows: Iterable[Row], *places: str) -> dict[str, int]:
        """How many of the rows, by surface, are in none of the places."""
        found = {mark for place in places for mark in _MARK.findall(self.parts[place])}
        return dict(Counter(row.surface for row in rows if row.mark.encode() not in found))


def run(rows: Iterable[Row], folder: Path, settings: Mapping[str, str] | None = None) -> Output:
    """Let the program say the rows and collect everything."""
    folder.mkdir(exist_ok=True)
    plan, pages, work = folder / "plan.json", folder / "pages", folder / "work"
    plan.write_text(json.dumps([row.order() for row in rows]))
    pages.mkdir()
    work.mkdir()
    state = folder / "state"
    with http_sink() as http, grpc_sink() as grpc:
        command = [
            *(str(Path(sys.executable).parent / "ffe-otel"), "run", "--"),
            *(sys.executable, str(Path(__file__).with_name("canary_program.py"))),
            *(str(plan), str(pages), grpc.address, http.address),
        ]
        environ = {
            **_clean_environment(),
            **_SETTINGS,
            "XDG_STATE_HOME": str(state),
            "OTEL_EXPORTER_OTLP_ENDPOINT": http.address,
            **(settings or {}),
        }
        done = subprocess.run(
            command, env=environ, cwd=work, capture_output=True, timeout=100, check=False
        )
    assert done.returncode == 0, done.stderr[-4000:].decode("utf-8", "replace")
    parts = {
        "OTLP over HTTP": b"\n".join(body for _, body in http.requests),
        "OTLP over gRPC": b"\n".join(body for _, body in grpc.requests),
        "standard output": done.stdout,
        "standard error": done.stderr,
        **files(pages),
        **files(work),
        **files(state),
    }
    return Output(parts, http.requests, own_ids(http))


def printed(rows: Iterable[Row], folder: Path, handlers: str) -> Output:
    """What an engine prints that logs the rows, with the classes that are on by default."""
    plan = folder / "plan.json"
    plan.write_text(json.dumps([row.order() for row in rows]))
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "ffe-otel"), "run", "--"),
            *(sys.executable, str(Path(__file__).with_name("canary_logging.py"))),
            *(str(plan), handlers),
        ],
        env={
            **_clean_environment(),
            "XDG_STATE_HOME": str(folder / "state"),
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "FFE_OTEL__METRICS__PROMETHEUS__ENABLED": "false",
        },
        cwd=folder,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:].decode("utf-8", "replace")
    return Output({"standard output": done.stdout, "standard error": done.stderr})


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, decompressed where it is gzip."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            name = f"file {path.relative_to(folder)}"
            found[name] = gzip.decompress(data) if path.suffix == ".gz" else data
    return found


def own_ids(sink: Sink) -> frozenset[bytes]:
    """Ids that were made up: of traces and spans, as they are written, and of the process."""
    found = set()
    for path, body in sink.requests:
        if path == "/v1/traces":
            message = ExportTraceServiceRequest.FromString(body)
            for resource in message.resource_spans:
                found |= {
                    attribute.value.string_value.encode()
                    for attribute in resource.resource.attributes
                    if attribute.key == "service.instance.id"
                }
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        found |= {*_written(span.trace_id), *_written(span.span_id)}
    return frozenset(found)


def _written(identifier: bytes) -> tuple[bytes, bytes, bytes]:
    text = identifier.hex()
    groups = (text[:8], text[8:12], text[12:16], text[16:20], text[20:])
    return (
        text.encode(),
        str(int.from_bytes(identifier)).encode(),
        "-".join(group for group in groups if group).encode(),
    )


def _clean_environment() -> dict[str, str]:
    foreign = ("OTEL_", "FFE_OTEL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    return {k: v for k, v in os.environ.items() if not k.upper().startswith(foreign)}
