# SPDX-License-Identifier: Apache-2.0
"""What the Collector's own metrics say about its exporters: who is away, who refuses."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from prometheus_client.parser import text_string_to_metric_families

from ffe_otel.cli.doctor.check import Check
from ffe_otel.cli.doctor.places import page
from ffe_otel.cli.output import size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WINDOW_SECONDS: Final = 2.0
# Names of the Collector's own; these have a part for the signal, which is left out here.
_SENT, _REFUSED = "otelcol_exporter_sent", "otelcol_exporter_send_failed"
_NO_ROOM: Final = "otelcol_exporter_enqueue_failed"
_WAITING, _ROOM = "otelcol_exporter_queue_size", "otelcol_exporter_queue_capacity"
_BACKENDS: Final = {
    "otlp_http/serve": "`ffe-otel serve` at FFE_SERVE_OTLP",
    "otlp_grpc/tempo": "Tempo at FFE_TEMPO_OTLP",
    "kafka": "the brokers of FFE_KAFKA_BROKERS",
}

_Counts = defaultdict[str, Counter[str]]
"""Numbers of each exporter by metric."""


def collector(environ: Mapping[str, str], window: float = _WINDOW_SECONDS) -> Iterator[Check]:
    """A check of the Collector on this machine, and one for each exporter in trouble.

    Args:
        environ: has ``FFE_COLLECTOR_SELF_HOST`` and ``_PORT`` where they are not the defaults.
        window: seconds in which an exporter with data has to get rid of some.
    """
    host = environ.get("FFE_COLLECTOR_SELF_HOST", "127.0.0.1")
    url = f"http://{host}:{environ.get('FFE_COLLECTOR_SELF_PORT', '8888')}/metrics"
    try:
        before = _read(url)
        if any(counts[_WAITING] for counts in before.values()):
            time.sleep(window)
        now = _read(url)
    except (OSError, ValueError):
        yield Check("Collector", "unknown", f"{url} shows no Collector's metrics")
        return
    troubles = [
        check for name, counts in now.items() for check in _exporter(name, before[name], counts)
    ]
    if not troubles:
        yield Check("Collector", "ok", f"{url}: {len(now)} exporters deliver")
    yield from troubles


def _exporter(name: str, before: Counter[str], now: Counter[str]) -> Iterator[Check]:
    what, backend = f"Collector, {name}", _BACKENDS.get(name, "its backend")
    if before[_WAITING] and now[_WAITING] and now[_SENT] == before[_SENT]:
        full = now[_WAITING] / max(now[_ROOM], 1)
        detail = f"{size(now[_WAITING])} wait, its queue is {full:.1%} full, and nothing leaves it"
        if now[_NO_ROOM]:
            detail += "; some was refused for want of room, and senders keep that"
        remedy = f"bring {backend} back; nothing is lost, what waits is sent then"
        yield Check(what, "warn", detail, remedy)
    if now[_REFUSED]:
        detail = f"{now[_REFUSED]:.0f} records were refused for good and are gone"
        remedy = f"look for 'Dropping data' in the Collector's log: {backend} says why"
        yield Check(what, "warn", detail, remedy)


def _read(url: str) -> _Counts:
    found: _Counts = defaultdict(Counter)
    for family in text_string_to_metric_families(page(url).decode()):
        for sample in family.samples:
            if "exporter" not in sample.labels or sample.name.endswith("_created"):
                continue
            name = sample.name
            for prefix in (_SENT, _REFUSED, _NO_ROOM):
                if name.startswith(f"{prefix}_"):
                    name = prefix
            found[sample.labels["exporter"]][name] += int(sample.value)
    if not found:
        raise ValueError("no exporters")
    return found
