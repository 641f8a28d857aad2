# SPDX-License-Identifier: Apache-2.0
"""What goes wrong behind the Collector: Tempo is away, or a queue file is damaged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from stack_sending import post, trace_request
from stack_server import until

from ffe_otel import semconv
from ffe_otel.observe.bolt import read

if TYPE_CHECKING:
    from pathlib import Path

    from stack_collector import Collector

pytestmark = pytest.mark.timeout(180)

PAGE = 4096
FFE_OTEL = [sys.executable, "-m", "ffe_otel.cli"]


def send(collector: Collector, prefix: str, count: int) -> set[str]:
    """Spans that were acknowledged, in requests of some pages each."""
    names = {f"{prefix}-{number}" for number in range(count)}
    for name in names:
        request = trace_request([name], {"note": "x" * 3 * PAGE})
        assert post(collector.otlp_http, request).status_code == 200
    return names


def names(spans: list[Any]) -> Counter[str]:
    return Counter(span.name for span in spans)


def once(expected: set[str]) -> Counter[str]:
    return Counter(dict.fromkeys(expected, 1))


def doctor(collector: Collector) -> list[dict[str, str]]:
    """What `ffe-otel doctor` says about the Collector."""
    own = collector.own_page.removesuffix("/metrics").rpartition(":")[2]
    done = subprocess.run(
        [*FFE_OTEL, "doctor", "--json"],
        env=os.environ | {"FFE_COLLECTOR_SELF_PORT": own},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    checks = json.loads(done.stdout)["checks"]
    return [check for check in checks if check["name"].startswith("Collector")]


def test_unreachable_tempo(make_collector, sink, tempo):
    env = {"FFE_SERVE_OTLP": sink.url, "FFE_TEMPO_OTLP": tempo.address}
    collector = make_collector(env=env).run()
    sent = send(collector, "away", 30)
    # A metric, and the neighbour.
    until(lambda: names(sink.spans()) == once(sent))
    assert collector.own_metric("otelcol_exporter_queue_size", exporter="otlp_grpc/tempo") > 0
    until(
        lambda: collector.own_metric("otelcol_exporter_queue_size", exporter="otlp_http/serve") == 0
    )

    (said,) = doctor(collector)
    assert said["name"] == "Collector, otlp_grpc/tempo"
    assert said["state"] == "warn"
    assert "nothing leaves it" in said["detail"]
    assert said["remedy"].startswith("bring Tempo at FFE_TEMPO_OTLP back; nothing is lost")
    # The Collector's own lines name the exporter and the address, and are few.
    lines = [m for m in collector.messages() if "Exporting failed" in m["msg"]]
    assert {m["otelcol.component.id"] for m in lines} == {"otlp_grpc/tempo"}
    assert all(tempo.address in m["error"] for m in lines)
    assert len(lines) <= 10

    tempo.up()
    until(lambda: names(tempo.spans) == once(sent))
    until(
        lambda: collector.own_metric("otelcol_exporter_queue_size", exporter="otlp_grpc/tempo") == 0
    )
    (said,) = doctor(collector)
    assert said["state"] == "ok"
    assert names(sink.spans()) == once(sent)


def truncated(data: bytes, _: Path) -> bytes:
    return data[: len(data) // 8]


def zeroed_meta(data: bytes, _: Path) -> bytes:
    return bytes(2 * PAGE) + data[2 * PAGE :]


def zeroed_root(data: bytes, _: Path) -> bytes:
    """The page that both meta pages lead to, whichever of them is the newer."""
    metas = [data[at + 16 : at + 80] for at in (0, PAGE)]
    newest = max(metas, key=lambda meta: int.from_bytes(meta[48:56], "little"))
    root = int.from_bytes(newest[16:24], "little") * PAGE
    return data[:root] + bytes(PAGE) + data[root + PAGE :]


def garbage_in_a_batch(data: bytes, folder: Path) -> bytes:
    """Into a page that holds nothing but a part of one batch."""
    (folder / "queue").write_bytes(data)
    batch = next(entry for entry in read(folder / "queue") if len(entry.value) > 2 * PAGE)
    at = (batch.position // PAGE + 1) * PAGE
    return data[:at] + bytes(range(256)) * (PAGE // 256) + data[at + PAGE :]


def emptied(*_: object) -> bytes:
    return b""


def foreign(*_: object) -> bytes:
    return b"not a database"


def check_queues(state: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*FFE_OTEL, "collector", "check-queues", str(state), *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def set_aside(textfile: Path) -> dict[str, float]:
    """The metric, as node-exporter reads it."""
    (family,) = text_string_to_metric_families(textfile.read_text())
    assert family.name == semconv.COLLECTOR_QUEUES_ASIDE.prometheus
    return {sample.labels["queue"]: sample.value for sample in family.samples}


def with_waiting(make_collector, sink, tempo) -> tuple[Collector, set[str], Path]:
    """A killed Collector, what waits in its queues, and the queue for Tempo."""
    sink.down()
    env = {"FFE_SERVE_OTLP": sink.url, "FFE_TEMPO_OTLP": tempo.address}
    collector = make_collector(env=env).run()
    waiting = send(collector, "waiting", 40)
    collector.kill()
    (queue,) = (collector.state / "tempo").glob("exporter_*_traces")
    return collector, waiting, queue


@pytest.mark.parametrize(
    "damage", [truncated, zeroed_meta, zeroed_root, garbage_in_a_batch, emptied, foreign]
)
def test_a_damaged_queue_file(make_collector, sink, tempo, tmp_path, damage):
    collector, waiting, queue = with_waiting(make_collector, sink, tempo)
    queue.write_bytes(damage(queue.read_bytes(), tmp_path))
    textfile = tmp_path / "queues.prom"

    found = check_queues(collector.state)
    assert found.returncode == 1
    done = check_queues(collector.state, "--repair", f"--textfile={textfile}")
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [said for said in done.stdout.splitlines() if said.startswith("! ")]
    assert str(queue) in line
    assert "damaged" in line
    assert "check the disk, then delete that file" in line
    assert set_aside(textfile) == {"filelog": 0, "kafka": 0, "serve": 0, "tempo": 1}

    sink.up()
    tempo.up()
    collector.run()
    after = send(collector, "after", 5)
    until(lambda: names(sink.spans()) == once(waiting | after))
    until(lambda: after <= set(names(tempo.spans)))
    if damage is garbage_in_a_batch:
        # The others of the same queue arrive.
        until(lambda: len(waiting - set(names(tempo.spans))) == 1)
    assert set(names(tempo.spans).values()) == {1}
    # A look at a running Collector's files disturbs nothing and finds nothing new.
    again = check_queues(collector.state, "--repair", f"--textfile={textfile}")
    assert (again.returncode, again.stderr) == (0, "")
    assert "! " not in again.stdout
    assert set_aside(textfile)["tempo"] == 1


def test_one_that_fails_again_and_again_is_helped_by_the_watch(
    make_collector, sink, tempo, tmp_path
):
    """As in docker-compose.yml: after a power cut containers start in no order."""
    collector, waiting, queue = with_waiting(make_collector, sink, tempo)
    queue.write_bytes(zeroed_meta(queue.read_bytes(), tmp_path))
    sink.up()
    with pytest.raises(AssertionError, match="invalid database"):
        collector.run()

    command = [*FFE_OTEL, "collector", "check-queues", str(collector.state)]
    textfile = tmp_path / "queues.prom"
    watch = subprocess.Popen(
        [*command, "--repair", "--every", "1", f"--textfile={textfile}"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        until(lambda: set_aside(textfile)["tempo"] == 1)
        collector.run()
        until(lambda: names(sink.spans()) == once(waiting))
    finally:
        watch.send_signal(signal.SIGTERM)
        said, _ = watch.communicate(timeout=20)
    assert watch.returncode == 0
    assert len(said.splitlines()) == 1
