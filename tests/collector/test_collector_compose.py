# SPDX-License-Identifier: Apache-2.0
"""docker-compose.yml gives each program what its command line and its configuration name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
OVERLAYS = ("config", "tls", "tail_sampling", "kafka", "filelog")
VARIABLE = re.compile(r"\$\{([A-Z_]+):-((?:[^{}]|\{[^{}]*\})*)\}")
READ_BY = {"serve": "ffe-otel", "influx-init": "ffe-otel"}
NAMES_OF_FILES = ("FILE", "_CERT", "_KEY", "_CA", "_CONFIG", "HTPASSWD", "_LOGS")
# Who queues what it cannot hand on, or shows what it is told later, waits for nobody but those
# who make its files.
MAKES_FILES = {"prepare", "collector-queues"}
INITIALISES = {"influx-init": {"influxdb"}}


def composed(**environment: str) -> dict:
    """The file with its variables filled in."""
    text = (ROOT / "docker-compose.yml").read_text().replace("$$", "\0")
    for _ in range(2):
        text = VARIABLE.sub(lambda m: environment.get(m[1]) or m[2], text)
    return yaml.safe_load(text.replace("\0", "$"))["services"]


def mounts(service: dict) -> dict[str, str]:
    """Where each thing is in the container, and what it is outside."""
    found = {}
    for volume in service.get("volumes", ()):
        if isinstance(volume, str):
            source, target = volume.split(":")[:2]
            found[target] = source
        else:
            found[volume["target"]] = volume["source"]
    found |= {f"/run/secrets/{name}": f"secret {name}" for name in service.get("secrets", ())}
    found |= dict.fromkeys(service.get("tmpfs", ()), "memory")
    return found


def is_mounted(path: str, service: dict) -> bool:
    return any(path == m or path.startswith(f"{m}/") for m in mounts(service))


def words(service: dict) -> list[str]:
    command = service.get("command", [])
    return command.split() if isinstance(command, str) else list(command)


def settings(names: list[str]) -> str:
    """The Collector's files of a command line, as text."""
    return "".join((ROOT / "collector" / name).read_text() for name in names)


@pytest.mark.parametrize("name", sorted(composed()))
def test_files_on_a_command_line_are_mounted(name):
    service = composed()[name]
    for word in words(service):
        for path in re.findall(r"=(/(?:etc|run|var|textfile|queue)[^ ]*)", word):
            assert is_mounted(path, service), f"{word}: nothing is mounted there"
            source = next((s for m, s in mounts(service).items() if path.startswith(f"{m}/")), "")
            if source.startswith("./"):
                inside = path.removeprefix(
                    next(m for m, s in mounts(service).items() if s == source)
                )
                assert (ROOT / source / inside.lstrip("/")).exists(), word


@pytest.mark.parametrize("name", sorted(READ_BY))
def test_our_own_programs_read_the_configuration(name):
    service = composed()[name]
    path = service["environment"]["FFE_OTEL_CONFIG"]
    assert (ROOT / mounts(service)[path]).samefile(ROOT / "config" / "ffe_otel.yaml")
    other = composed(FFE_OTEL_CONFIG="/srv/own.yaml")[name]
    assert mounts(other)[path] == "/srv/own.yaml"


@pytest.mark.parametrize("name", sorted(composed()))
def test_files_that_an_environment_names_are_mounted(name):
    service = composed()[name]
    for key, value in (service.get("environment") or {}).items():
        if key.rstrip("_").endswith(
            ("FILE", "CERT", "KEY", "CA", "CONFIG", "HTPASSWD", "LOGS")
        ) and str(value).startswith("/"):
            assert is_mounted(str(value), service), f"{key}={value}"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_file_of_an_overlay_has_a_mount(overlay):
    service = composed(FFE_COLLECTOR_OVERLAY=overlay)["collector"]
    environment = service["environment"]
    text = settings(["config.yaml", f"{overlay}.yaml"])
    for variable, default in re.findall(r"\$\{env:([A-Z_]+):-([^}]*)\}", text):
        value = str(environment.get(variable, default))
        if value.startswith("/"):
            assert is_mounted(value, service), f"{variable}={value}"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_feature_gates_that_an_overlay_speaks_of_are_given(overlay):
    line = " ".join(words(composed(FFE_COLLECTOR_OVERLAY=overlay)["collector"]))
    for gate in re.findall(r"--feature-gates=([a-z.]+)", settings([f"{overlay}.yaml"])):
        assert f"--feature-gates={gate}" in line


def test_folders_for_overlays_can_be_given():
    service = composed(FFE_COLLECTOR_TLS_FOLDER="./tls", FFE_AGENT_LOGS_FOLDER="/var/log/agent")
    found = mounts(service["collector"])
    assert found["/run/collector_tls"] == "./tls"
    assert found["/var/log/ffe_otel"] == "/var/log/agent"


@pytest.mark.parametrize("name", sorted(composed()))
def test_nobody_waits_for_whom_it_sends_to_or_asks(name):
    wanted = set(composed()[name].get("depends_on", ()))
    assert wanted - MAKES_FILES == INITIALISES.get(name, set())


@pytest.mark.parametrize("name", sorted(composed()))
def test_mounts_work_where_docker_is_a_virtual_machine(name):
    for volume in composed()[name].get("volumes", ()):
        if isinstance(volume, dict):
            assert "propagation" not in volume.get("bind", {})
        else:
            assert not re.search(r":(?:[^:]*,)?r?(?:slave|shared)", volume)


def test_every_named_volume_is_declared():
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    named = {
        source for service in composed().values() for source in mounts(service).values()
        if re.fullmatch(r"[a-z][a-z-]*", source)
    } - {"memory"}  # fmt: skip
    assert named == set(document["volumes"])


PROMISES = re.compile(r"analyses by itself|there is an alert|alerts? (?:by|through)", re.IGNORECASE)


def test_no_document_promises_an_alert_that_no_rule_is_of():
    rules = (ROOT / "config/prometheus/rules/telemetry.yml").read_text()
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for line in path.read_text().splitlines():
            if PROMISES.search(line):
                named = re.findall(r"ffe_otel_[a-z_]+", line)
                assert named, f"{path.name}: {line}"
                assert any(name in rules for name in named), f"{path.name}: {line}"


def test_the_collector_can_read_what_is_mounted():
    for path in (ROOT / "collector").glob("*.yaml"):
        assert path.stat().st_mode & 0o004, path
