# SPDX-License-Identifier: Apache-2.0
"""Redis as docker-compose.yml starts it, in the real program."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from loopback import free_ports
from stack_server import CONFIG, ROOT, Server, program

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

SECRET = "0123456789abcdef"


@pytest.fixture
def redis(tmp_path):
    (tmp_path / "redis_password").write_text(SECRET)
    (port,) = free_ports(1)
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["redis"]
    shell, option, script = service["command"]
    script = script.replace("$$", "$").replace("/run/secrets", str(tmp_path))
    script = script.replace("/etc/redis", str(CONFIG / "redis"))
    script = script.replace("exec redis-server", f"exec {program('redis-server')}")
    script = script.replace("--bind 0.0.0.0", f"--bind 127.0.0.1 --port {port}")

    def cli(*words: str, password: str = SECRET) -> str:
        done = subprocess.run(
            [program("redis-cli"), "-p", str(port), *words],
            capture_output=True, text=True, check=False,
            env={"PATH": "/usr/bin:/bin", **({"REDISCLI_AUTH": password} if password else {})},
        )  # fmt: skip
        return done.stdout.strip()

    with Server(
        [shell, option, f"cd {shlex.quote(str(tmp_path))} && {script}"],
        tmp_path / "redis.log",
        ready=lambda: cli("ping") == "PONG",
    ) as server:
        yield server, cli, port, service["healthcheck"]["test"]


def test_nothing_without_the_password(redis):
    _server, cli, _port, _health = redis

    assert cli("ping", password="").startswith("NOAUTH")
    assert cli("set", "key", "value") == "OK"
    assert cli("get", "key") == "value"


def test_the_password_is_in_no_command_line(redis):
    server, *_ = redis

    seen = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()

    assert b"redis-server" in seen, "sh must have become redis-server, or it gets no signals"
    assert SECRET.encode() not in seen


def test_it_is_a_cache(redis):
    _server, cli, _port, _health = redis

    assert cli("config", "get", "maxmemory").splitlines()[-1] == str(128 * 1024**2)
    assert cli("config", "get", "maxmemory-policy").splitlines()[-1] == "allkeys-lru"
    assert cli("config", "get", "appendonly").splitlines()[-1] == "no"
    assert cli("config", "get", "save").splitlines()[-1] in {"", "save"}


def test_the_containers_health_check(redis, tmp_path):
    _server, _cli, port, (kind, script) = redis
    assert kind == "CMD-SHELL"
    script = script.replace("$$", "$").replace("/run/secrets", str(tmp_path))
    here = script.replace("redis-cli", f"{program('redis-cli')} -p {port}")
    away = script.replace("redis-cli", f"{program('redis-cli')} -p {free_ports(1)[0]}")

    assert subprocess.run(["sh", "-c", here], check=False).returncode == 0
    assert subprocess.run(["sh", "-c", away], capture_output=True, check=False).returncode != 0
