# SPDX-License-Identifier: Apache-2.0
"""The committed Prometheus and Alertmanager files, in the real programs."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from loopback import Asked, Endpoint, Reply, free_ports
from stack_server import CONFIG, ROOT, Server, get, program, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

FILE = CONFIG / "prometheus" / "prometheus.yml"
# As the Collector's exporter shows one engine: its own job and instance, and a trace id.
PAGE = b"""\
# TYPE ffe_ooda_cycle_duration_seconds histogram
ffe_ooda_cycle_duration_seconds_bucket{job="finance_feedback_engine",instance="agent-1",\
le="1.0"} 3 # {trace_id="0af7651916cd43dd8448eb211c80319c",span_id="b7ad6b7169203331"} 0.4
ffe_ooda_cycle_duration_seconds_bucket{job="finance_feedback_engine",instance="agent-1",\
le="+Inf"} 3
ffe_ooda_cycle_duration_seconds_sum{job="finance_feedback_engine",instance="agent-1"} 1.2
ffe_ooda_cycle_duration_seconds_count{job="finance_feedback_engine",instance="agent-1"} 3
# EOF
"""
TOKEN = "0123456789abcdef"
OPEN_METRICS = {"Content-Type": "application/openmetrics-text; version=1.0.0"}


def collector_page(_: Asked) -> Reply:
    return Reply(200, PAGE, OPEN_METRICS)


def serve_page(asked: Asked) -> Reply:
    if asked.headers.get("authorization") != f"Bearer {TOKEN}":
        return Reply(401)
    return Reply(200, b"# TYPE trial gauge\ntrial 1\n# EOF\n", OPEN_METRICS)


@pytest.fixture(scope="module")
def collector() -> Iterator[int]:
    """What stands where the Collector's 8889 would be; its port."""
    with Endpoint(collector_page) as endpoint:
        yield endpoint.port


@pytest.fixture(scope="module")
def serve() -> Iterator[int]:
    """What stands where the page of serve would be; its port."""
    with Endpoint(serve_page) as endpoint:
        yield endpoint.port


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("alertmanager")
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    command = [
        program("prometheus-alertmanager", "alertmanager"),
        f"--config.file={CONFIG / 'alertmanager' / 'alertmanager.yml'}",
        f"--storage.path={folder}", f"--web.listen-address={url[7:]}",
        "--cluster.listen-address=",
    ]  # fmt: skip
    with Server(command, folder / "alertmanager.log", ready=lambda: get(f"{url}/-/ready")):
        yield url


@pytest.fixture(scope="module")
def prometheus(
    collector: int, serve: int, alertmanager: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Prometheus with the committed file; only the addresses are this test's."""
    folder = tmp_path_factory.mktemp("prometheus")
    (port,) = free_ports(1)
    text = FILE.read_text()
    text = text.replace("collector:8889", f"127.0.0.1:{collector}")
    text = text.replace("serve:4319", f"127.0.0.1:{serve}")
    text = text.replace("/run/secrets", str(folder))
    (folder / "serve_token").write_text(TOKEN)
    text = text.replace("localhost:9090", f"127.0.0.1:{port}")
    text = text.replace("alertmanager:9093", alertmanager.removeprefix("http://"))
    for away in ("collector:8888", "influxdb:8086", "tempo:3200", "grafana:3000"):
        text = text.replace(away, "127.0.0.1:1")
    text = text.replace("node-exporter:9100", "127.0.0.1:1")
    (folder / "prometheus.yml").write_text(text)
    url = f"http://127.0.0.1:{port}"
    command = [program("prometheus"), *_flags(folder), f"--web.listen-address={url[7:]}"]
    with Server(command, folder / "prometheus.log", ready=lambda: get(f"{url}/-/ready")):
        yield url


def _flags(folder: Path) -> list[str]:
    """The flags of docker-compose.yml, with this test's folder."""
    compose = yaml.safe_load((CONFIG.parent / "docker-compose.yml").read_text())
    flags = compose["services"]["prometheus"]["command"]
    here = {"/etc/prometheus/": f"{folder}/", "--storage.tsdb.path=/prometheus": ""}
    changed = []
    for flag in flags:
        for there, replaced in here.items():
            flag = flag.replace(there, replaced)  # noqa: PLW2901
        changed.append(flag)
    return [*filter(None, changed), f"--storage.tsdb.path={folder / 'data'}"]


def api(url: str, path: str, **parameters: str) -> Any:
    query = urllib.parse.urlencode(parameters)
    return json.loads(get(f"{url}/api/v1/{path}?{query}"))["data"]


def test_promtool_accepts_the_file():
    done = subprocess.run(
        # The secret's file is in the container.
        [program("promtool"), "check", "config", "--syntax-only", FILE],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_15_seconds():
    written = yaml.safe_load(FILE.read_text())

    assert written["global"]["scrape_interval"] == "15s"
    assert written["global"]["evaluation_interval"] == "15s"
    assert not [job for job in written["scrape_configs"] if "scrape_interval" in job]


def test_the_engines_metrics_come_one_way_only():
    """From the Collector or from the engine's own page; from both, every sum is doubled."""
    text = FILE.read_text()
    targets = [
        target
        for job in yaml.safe_load(text)["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    ]

    assert targets.count("collector:8889") == 1
    assert not [target for target in targets if target.endswith(":8000")]
    assert "localhost:8000" in text, "the other way stays written down"


def test_series_keep_the_names_of_their_agent(prometheus):
    def series() -> list[dict[str, Any]]:
        found = api(prometheus, "query", query="ffe_ooda_cycle_duration_seconds_count")
        return found["result"]

    found = until(series, 60, "a scrape of the Collector")

    assert [row["metric"] for row in found] == [
        {
            "__name__": "ffe_ooda_cycle_duration_seconds_count",
            "job": "finance_feedback_engine", "instance": "agent-1",
        }
    ]  # fmt: skip


def test_serve_is_asked_with_its_token(prometheus):
    found = until(lambda: api(prometheus, "query", query='trial{job="serve"}')["result"], 60)

    assert found[0]["value"][1] == "1"


def test_exemplars_are_kept(prometheus):
    def exemplars() -> list[Any]:
        return api(
            prometheus, "query_exemplars", query="ffe_ooda_cycle_duration_seconds_bucket",
            start="0", end="9999999999",
        )  # fmt: skip

    found = until(exemplars, 60, "an exemplar")

    assert found[0]["exemplars"][0]["labels"]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


def test_prometheus_finds_its_alertmanager(prometheus, alertmanager):
    found = until(lambda: api(prometheus, "alertmanagers")["activeAlertmanagers"], 60)

    assert found == [{"url": f"{alertmanager}/api/v2/alerts"}]


def healthy(service: str, addresses: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The health check of a service in docker-compose.yml, at the addresses of a test's server."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    kind, *command = compose["services"][service]["healthcheck"]["test"]
    assert kind == "CMD"
    for there, here in {"/tools/busybox": program("busybox"), **addresses}.items():
        command = [part.replace(there, here) for part in command]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def test_the_containers_health_checks_see_life_and_death(prometheus, alertmanager):
    addresses = {"http://127.0.0.1:9090": prometheus, "http://127.0.0.1:9093": alertmanager}
    nobody = {there: f"http://127.0.0.1:{free_ports(1)[0]}" for there in addresses}
    for service in ("prometheus", "alertmanager"):
        done = healthy(service, addresses)
        assert done.returncode == 0, done.stderr
        assert healthy(service, nobody).returncode != 0


def test_amtool_accepts_the_file():
    path = CONFIG / "alertmanager" / "alertmanager.yml"
    done = subprocess.run(
        [program("amtool"), "check-config", path], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 receivers" in done.stdout


def test_an_alert_arrives(alertmanager):
    alert = [{"labels": {"alertname": "Trial", "job": "finance_feedback_engine"}}]
    get(
        f"{alertmanager}/api/v2/alerts", {"Content-Type": "application/json"},
        json.dumps(alert).encode(),
    )  # fmt: skip

    def shown() -> list[Any]:
        return json.loads(get(f"{alertmanager}/api/v2/alerts?active=true"))

    found = until(shown, 60, "the alert")
    assert found[0]["receivers"] == [{"name": "page"}]


def test_alertmanager_has_no_secret_and_no_variable():
    written = "\n".join(
        line
        for line in (CONFIG / "alertmanager" / "alertmanager.yml").read_text().splitlines()
        if not line.lstrip().startswith("#")
    )

    assert "$" not in written
