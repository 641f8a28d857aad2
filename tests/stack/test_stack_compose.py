# SPDX-License-Identifier: Apache-2.0
"""docker-compose.yml as Docker's own program reads it, and what must be true of every service."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from stack_server import ROOT

# The build of the validator is the first test's: two minutes on two idle cores.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(1800)]

FILE = ROOT / "docker-compose.yml"
ONE_SHOT = {"prepare", "influx-init"}
HOST_FOLDERS = {"/"}
PINNED = re.compile(r"^[a-z0-9_./-]+:v?\d+\.\d+\.\d+(?:-[a-z0-9.]+)*$")


@cache
def validator() -> str:
    script = Path(__file__).with_name("compose_validator.sh")
    done = subprocess.run([script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@cache
def composed(*profiles: str, overlay: str = "") -> dict[str, Any]:
    """The file as Compose resolves it: variables, anchors and defaults filled in."""
    options = [part for profile in profiles for part in ("--profile", profile)]
    done = subprocess.run(
        [validator(), "-f", FILE, *options, "config", "--format", "json"],
        capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nowhere", "FFE_COLLECTOR_OVERLAY": overlay},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr.strip(), done.stderr
    return json.loads(done.stdout)


def services() -> dict[str, dict[str, Any]]:
    return composed("kafka")["services"]


def named() -> list[str]:
    return sorted(yaml.safe_load(FILE.read_text())["services"])


def test_compose_accepts_the_file_and_its_profile():
    plain, kafka = composed(), composed("kafka")

    assert set(plain["services"]) == {
        "alertmanager", "collector", "collector-queues", "grafana", "influx-init", "influxdb",
        "node-exporter", "prepare", "prometheus", "redis", "serve", "tempo",
    }  # fmt: skip
    assert set(kafka["services"]) - set(plain["services"]) == {"kafka"}


def test_compose_refuses_a_misspelt_file(tmp_path):
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(FILE.read_text().replace("mem_limit: 2g", "memory_limit: 2g"))

    done = subprocess.run(
        [validator(), "-f", broken, "config", "--quiet"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode != 0
    assert "memory_limit" in done.stderr


@pytest.mark.parametrize("name", named())
def test_image_is_pinned_to_a_release(name):
    image = services()[name]["image"]

    assert PINNED.fullmatch(image), f"{image}: a tag with three numbers"


def test_our_own_image_is_built_and_never_pulled():
    ours = {n: s for n, s in services().items() if s["image"].startswith("ffe_otel/")}

    assert {name: service["pull_policy"] for name, service in ours.items()} == {
        "serve": "build", "influx-init": "never", "collector-queues": "never",
    }  # fmt: skip
    assert ours["serve"]["build"]["dockerfile"] == "config/serve/Dockerfile"


def test_no_two_services_disagree_on_an_image():
    images = {service["image"] for service in services().values()}

    assert len({image.partition(":")[0] for image in images}) == len(images)


@pytest.mark.parametrize("name", named())
def test_mounted_files_exist_and_cannot_be_written(name):
    for mount in services()[name].get("volumes", ()):
        if mount["type"] != "bind" or mount["source"] in HOST_FOLDERS:
            continue
        assert Path(mount["source"]).exists(), f"{mount['source']} is mounted and not there"
        assert mount["read_only"], f"{mount['source']} could be written by {name}"


@pytest.mark.parametrize("name", named())
def test_ports_are_on_loopback(name):
    for port in services()[name].get("ports", ()):
        assert port.get("host_ip") == "127.0.0.1", port


@pytest.mark.parametrize("name", named())
def test_memory_and_restarts_are_bounded(name):
    service = services()[name]

    assert int(service["mem_limit"]) > 0
    restart = service["restart"]
    assert restart in ({"no", "on-failure:5"} if name in ONE_SHOT else {"unless-stopped"})
    assert service["logging"]["options"].keys() >= {"max-size", "max-file"}


@pytest.mark.parametrize("name", named())
def test_privileges_are_dropped(name):
    service = services()[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("cap_add", []) == (["CHOWN"] if name == "prepare" else [])
    assert not service.get("privileged")
    assert service.get("read_only") is (True if name != "kafka" else None)


@pytest.mark.parametrize("name", sorted(set(named()) - ONE_SHOT))
def test_health_can_be_asked_inside_the_image(name):
    """An image with nothing but its program gets the tool it needs, or asks by its program."""
    service = services()[name]
    kind, *command = service["healthcheck"]["test"]

    assert kind in {"CMD", "CMD-SHELL"}
    if command[0] == "/tools/busybox":
        tools = [m for m in service["volumes"] if m["target"] == "/tools"]
        assert tools
        assert tools[0]["read_only"]
        assert service["depends_on"]["prepare"]["condition"] == "service_completed_successfully"
    elif service["image"].startswith("grafana/tempo:"):
        assert command[0] == "/tempo", "there is nothing else in it"
    else:
        assert not service["image"].startswith("otel/"), "there is nothing in it to ask with"


def test_nobody_starts_before_what_it_needs():
    for name, service in services().items():
        for needed, how in service.get("depends_on", {}).items():
            once = needed in ONE_SHOT
            wanted = "service_completed_successfully" if once else "service_healthy"
            assert how["condition"] == wanted, f"{name} needs {needed}"
    # It queues for those it sends to, and so does serve.
    assert set(services()["collector"]["depends_on"]) == {"collector-queues", "prepare"}
    assert not services()["serve"].get("depends_on")


def test_services_meet_on_a_network_without_a_way_out():
    networks = composed("kafka")["networks"]
    assert networks["pipeline"]["internal"] is True

    for name, service in services().items():
        if name in {"prepare", "collector-queues"}:
            assert service["network_mode"] == "none"
            continue
        assert "pipeline" in service["networks"]
        outside = set(service["networks"]) - {"pipeline"}
        assert outside == ({"edge"} if service.get("ports") else set()), name


def test_the_collector_s_queues_are_watched_as_its_user_and_counted():
    found = services()
    watch, node = found["collector-queues"], found["node-exporter"]
    assert watch["user"] == found["collector"]["user"]
    places = {mount["target"]: mount["source"] for mount in watch["volumes"]}
    queues = {m["target"]: m["source"] for m in found["collector"]["volumes"]}
    assert places["/queue"] == queues["/var/lib/ffe_otel/collector"]
    assert watch["command"][3] == "/queue"
    shown = {mount["target"]: mount["source"] for mount in node["volumes"]}
    assert shown["/textfile"] == places["/textfile"]
    assert "--collector.textfile.directory=/textfile" in node["command"]


def test_state_outlives_the_containers():
    volumes = composed("kafka")["volumes"]
    used = {
        mount["source"]
        for service in services().values()
        for mount in service.get("volumes", ())
        if mount["type"] == "volume"
    }

    assert used == set(volumes)


def test_no_secret_stands_in_the_file():
    text = FILE.read_text()
    for kept in (ROOT / "secrets").glob("*.txt"):
        assert kept.read_text() not in text
    for name, service in services().items():
        for key, value in (service.get("environment") or {}).items():
            if re.search("PASSWORD|TOKEN|SECRET", key):
                assert key.endswith("_FILE"), f"{name}: {key}"
                assert value.startswith("/run/secrets/"), f"{name}: {key}"


def test_a_service_sees_the_secrets_it_uses_and_no_others():
    mounted = {
        name: {secret["source"] for secret in service["secrets"]}
        for name, service in services().items()
        if service.get("secrets")
    }

    assert mounted == {
        "collector": {"serve_token"},
        "serve": {"serve_token", "influxdb_writer_password"},
        "influx-init": {
            "influxdb_admin_password", "influxdb_reader_password", "influxdb_writer_password",
        },
        "grafana": {"grafana_admin_password", "influxdb_reader_password"},
        "prometheus": {"serve_token"},
        "redis": {"redis_password"},
    }  # fmt: skip
    for name, secrets in mounted.items():
        said = json.dumps([services()[name].get("environment"), services()[name].get("command")])
        for secret in secrets - {"serve_token", "influxdb_reader_password"}:
            assert f"/run/secrets/{secret}" in said, f"{name} does not use {secret}"


def test_an_overlay_lies_over_the_collectors_configuration():
    def files(document):
        command = document["services"]["collector"]["command"]
        return [argument for argument in command if argument.startswith("--config=")]

    plain = files(composed())
    kafka = files(composed("kafka", overlay="kafka"))

    assert plain == ["--config=/etc/otelcol/config.yaml"] * 2
    assert kafka == ["--config=/etc/otelcol/config.yaml", "--config=/etc/otelcol/kafka.yaml"]


def test_the_collector_knows_every_variable_it_is_given():
    read = {
        name
        for path in (ROOT / "collector").glob("*.yaml")
        for name in re.findall(r"\$\{env:(\w+)", path.read_text())
    }
    given = {name for name in services()["collector"]["environment"] if name.startswith("FFE_")}

    assert given
    assert given <= read


def test_make_secrets_makes_each_once(tmp_path):
    script = ROOT / "scripts" / "make_secrets.sh"

    first = subprocess.run([script, tmp_path / "s"], capture_output=True, text=True, check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "s").iterdir()}
    again = subprocess.run([script, tmp_path / "s"], capture_output=True, text=True, check=True)

    wanted = {Path(secret["file"]).name for secret in composed()["secrets"].values()}
    assert set(made) == wanted
    assert len(set(made.values())) == len(wanted)
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in made.values())
    assert first.stdout.count(" made") == len(wanted)
    assert again.stdout.count(" made") == 0
    assert {p.name: p.read_text() for p in (tmp_path / "s").iterdir()} == made
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
    assert not any(value in first.stdout for value in made.values())


def test_secrets_stay_out_of_git_and_of_the_image():
    assert "secrets/" in (ROOT / ".gitignore").read_text().split()
    sent = (ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in sent
    assert not [line for line in sent if line.startswith("!") and "secret" in line]


def test_the_image_copies_only_what_the_build_is_sent():
    dockerfile = (ROOT / "config/serve/Dockerfile").read_text()
    sent = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }

    copied = set()
    for words in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE):
        parts = [word for word in words.split() if not word.startswith("--")]
        copied.update(parts[:-1])
    assert copied == sent
    assert all((ROOT / name).exists() for name in copied)
    assert re.findall(r"^USER (.+)$", dockerfile, re.MULTILINE) == ["ffe"]
    bases = set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE))
    assert all(PINNED.fullmatch(base) for base in bases)


def test_the_manual_names_every_port_and_secret():
    manual = (ROOT / "docs" / "deployment.md").read_text()
    for name, service in services().items():
        for port in service.get("ports", ()):
            assert re.search(rf"\b{port['published']}\b", manual), f"{name}: {port['published']}"
    for secret in composed()["secrets"].values():
        assert Path(secret["file"]).name in manual
