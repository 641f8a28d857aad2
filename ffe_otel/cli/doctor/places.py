# SPDX-License-Identifier: Apache-2.0
"""What the configuration points to: endpoints, ports and folders."""

from __future__ import annotations

import os
import shutil
import stat
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ffe_otel.cli.client import UnreachableError, find_server
from ffe_otel.cli.doctor.check import Check
from ffe_otel.cli.output import duration, size
from ffe_otel.cli.ports import bind_error, holder
from ffe_otel.cli.spool import whose
from ffe_otel.export import otlp
from ffe_otel.export.spool.usage import usage
from ffe_otel.export.stats import Signal
from ffe_otel.foundation.urls import fetch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ffe_otel.config import Config
    from ffe_otel.export.spool.usage import Usage

_TIMEOUT_SECONDS = 3.0
_LITTLE_SPACE = 500e6
_NO_SPACE = 50e6


def places(config: Config) -> Iterator[Check]:
    """Every check of endpoints and folders."""
    yield _otlp(config)
    yield _serve(config)
    yield _metrics_page(config)
    yield _influx(config)
    yield from _state(Path(config.state_dir))
    yield _spool(config)
    yield _disk(config)


def _otlp(config: Config) -> Check:
    url = config.telemetry.otlp_endpoint.rstrip("/") + "/v1/traces"
    # An empty request is a valid one: it proves the path and the credentials, and stores nothing.
    request = urllib.request.Request(  # noqa: S310 - the loader lets only http and https pass
        url,
        data=b"",
        headers={**config.telemetry.otlp_headers, "Content-Type": "application/x-protobuf"},
        method="POST",
    )
    try:
        status = _status(request)
    except OSError as error:
        detail = f"{url} cannot be reached: {getattr(error, 'reason', None) or error}"
        return Check("OTLP", "warn", detail, "start a Collector, or 'ffe-otel serve'")
    if status in (401, 403):
        remedy = "set telemetry.otlp_headers or OTEL_EXPORTER_OTLP_HEADERS"
        return Check("OTLP", "fail", f"{url} refuses us (status {status})", remedy)
    if not 200 <= status < 300:
        detail = f"{url} answers status {status}: OTLP/HTTP does not live there"
        return Check("OTLP", "fail", detail, "correct telemetry.otlp_endpoint")
    return Check("OTLP", "ok", f"{config.telemetry.otlp_endpoint} takes traces")


def _serve(config: Config) -> Check:
    try:
        server = find_server(config)
        server.get("/api/v1/status")
    except (UnreachableError, LookupError) as error:
        return Check("serve", "unknown", str(error))
    return Check("serve", "ok", f"{server.page}, process {server.pid}")


def _metrics_page(config: Config) -> Check:
    page = config.metrics.prometheus
    if not page.enabled:
        return Check("metrics page", "unknown", "switched off by metrics.prometheus.enabled")
    address = f"{page.host}:{page.port}"
    error = bind_error(page.host, page.port) if page.port else None
    if error is None:
        return Check("metrics page", "ok", f"{address} is free")
    if _is_ours(f"http://{page.host}:{page.port}{page.path}"):
        return Check("metrics page", "ok", f"http://{address}{page.path} shows an engine's metrics")
    who = holder(page.port)
    detail = f"{address}: {error.strerror}" + (f", by {who}" if who else "")
    remedy = "the next free port is used; set metrics.prometheus.port for a fixed one"
    return Check("metrics page", "warn", detail, remedy)


def _influx(config: Config) -> Check:
    influx = config.metrics.influxdb
    if not influx.enabled:
        return Check("InfluxDB", "unknown", "switched off by metrics.influxdb.enabled")
    try:
        status = _status(urllib.request.Request(influx.url.rstrip("/") + "/ping"))  # noqa: S310 - as above
    except OSError:
        return Check(
            "InfluxDB", "unknown", f"{influx.url} cannot be reached; only event series need it"
        )
    if not 200 <= status < 300:
        detail = f"{influx.url}/ping answers status {status}"
        return Check("InfluxDB", "warn", detail, "correct metrics.influxdb.url")
    return Check("InfluxDB", "ok", influx.url)


def _state(folder: Path) -> Iterator[Check]:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        detail = f"{folder}: {there} is not writable for this user"
        yield Check("state folder", "fail", detail, "set state_dir to a folder of yours")
        return
    if there != folder:
        yield Check("state folder", "ok", f"{folder} will be made")
        return
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        detail = f"{folder} has mode {mode:o}: other users may look into it"
        yield Check("state folder", "warn", detail, f"chmod 700 {folder}")
    elif folder.stat().st_uid != os.getuid():
        detail = f"{folder} belongs to another user"
        yield Check("state folder", "warn", detail, f"chown $USER {folder}")
    else:
        yield Check("state folder", "ok", f"{folder}, mode {mode:o}, writable")


def _spool(config: Config) -> Check:
    if not config.spool.enabled:
        detail = "switched off by spool.enabled: what cannot be sent is lost"
        return Check("spool", "warn", detail)
    root = Path(config.state_dir, config.spool.directory)
    try:
        found = usage(root)
    except OSError as error:
        return Check("spool", "warn", f"{root} cannot be read: {error.strerror}")
    waiting = sum(each.waiting_bytes for each in found)
    detail = f"{root}, {size(waiting)} wait (up to {size(config.spool.max_bytes)} a signal)"
    detail += "".join(f"; {text}" for each in found for text in _waits(each))
    refused, aside = (sum(getattr(u, name) for u in found) for name in ("refused", "aside"))
    if refused or aside:
        remedy = "the .reason files beside them say why; delete what is not needed"
        detail += f", {refused} refused requests and {aside} unreadable files are kept"
        return Check("spool", "warn", detail, remedy)
    mine = {otlp.endpoint(config, signal) for signal in Signal}
    others = sorted({u.endpoint for u in found if u.waiting_bytes} - mine)
    if others:
        remedy = (
            "an engine that sends there again delivers it, or 'ffe-otel spool send'; otherwise "
            "delete its folder"
        )
        return Check(
            "spool", "warn", f"{detail}; some is not for here: {', '.join(others)}", remedy
        )
    if any(each.left_bytes for each in found):
        remedy = "the next engine sends what dead processes left, or 'ffe-otel spool send'"
        return Check("spool", "warn", detail, remedy)
    return Check("spool", "ok", detail)


def _waits(each: Usage) -> Iterator[str]:
    """What waits, for whom, whose it is, and for how long."""
    for share in each.shares:
        age = f", {duration(share.oldest_seconds)}" if share.oldest_seconds else ""
        yield (
            f"{size(share.waiting_bytes)} of {each.signal} for {each.endpoint or 'nobody knows'}, "
            f"of {whose(share)}{age}"
        )


def _disk(config: Config) -> Check:
    store = Path(config.serve.store_path)
    there = next(path for path in (store, *store.parents) if path.exists())
    free = shutil.disk_usage(there).free
    used = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    wanted = config.serve.retention_bytes - used
    detail = f"{size(free)} free, the store has {size(used)} of {size(used + max(wanted, 0))}"
    if free < _NO_SPACE:
        return Check("disk", "fail", detail, "make room, or move serve.store_path")
    if free < max(wanted, _LITTLE_SPACE):
        return Check("disk", "warn", detail, "make room, or lower serve.retention_bytes")
    return Check("disk", "ok", detail)


def page(url: str) -> bytes:
    """The body of a page.

    Raises:
        OSError: nobody answers, or with no success.
    """
    request = urllib.request.Request(url)  # noqa: S310 - http or https, by whoever asks
    return _fetch(request)[1]


def _fetch(request: urllib.request.Request) -> tuple[int, bytes]:
    """Without a proxy for this machine."""
    here = urlsplit(request.full_url).hostname in ("localhost", "127.0.0.1", "::1")
    return fetch(request, _TIMEOUT_SECONDS, proxies=not here)


def _status(request: urllib.request.Request) -> int:
    try:
        return _fetch(request)[0]
    except urllib.error.HTTPError as error:
        return error.code


def _is_ours(url: str) -> bool:
    try:
        return b"ffe_" in page(url)
    except OSError:
        return False
