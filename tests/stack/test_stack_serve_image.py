# SPDX-License-Identifier: Apache-2.0
"""What runs in the image of serve: its start, its secrets, its health. No Docker is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
from pathlib import Path

import pytest
import yaml
from loopback import free_ports
from stack_server import CONFIG, ROOT, Server, get

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

ENTRYPOINT = CONFIG / "serve" / "entrypoint.sh"
HEALTHY = CONFIG / "serve" / "healthy.sh"
BIN = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def start(
    environ: dict[str, str], secrets: Path, *command: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ENTRYPOINT, *command], capture_output=True, text=True, check=False,
        env={"PATH": BIN, "SECRETS_DIR": str(secrets), **environ},
    )  # fmt: skip


def test_secrets_are_read_from_their_files(tmp_path):
    (tmp_path / "password").write_text("corre ct$horse'\n")
    environ = {
        "INFLUXDB_PASSWORD_FILE": f"{tmp_path}/password",
        "FFE_OTEL__REDACTION__RULES_FILE": "/etc/rules.yaml",
    }

    done = start(
        environ,
        tmp_path,
        sys.executable,
        "-c",
        "import os, json; print(json.dumps(dict(os.environ)))",
    )

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["INFLUXDB_PASSWORD"] == "corre ct$horse'"
    assert "INFLUXDB_PASSWORD_FILE" not in seen
    assert seen["FFE_OTEL__REDACTION__RULES_FILE"] == "/etc/rules.yaml"


@pytest.mark.parametrize(("content", "wrong"), [(None, "not there"), ("", "is empty")])
def test_a_missing_secret_says_what_to_do(tmp_path, content, wrong):
    if content is not None:
        (tmp_path / "password").write_text(content)

    done = start({"INFLUXDB_PASSWORD_FILE": f"{tmp_path}/password"}, tmp_path, "true")

    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 1
    assert f"{tmp_path}/password" in done.stderr
    assert wrong in done.stderr
    assert "make secrets" in done.stderr


def test_serve_starts_as_in_the_container(tmp_path):
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    service = compose["services"]["serve"]
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in service["secrets"]:
        (secrets / name).write_text(f"{name}-0123456789abcdef")
    ports = dict(zip(("", "OTLP_HTTP_", "OTLP_GRPC_"), free_ports(3), strict=True))
    (mounted,) = (v["target"] for v in service["volumes"] if isinstance(v, dict))
    places = {"/run/secrets": str(secrets), mounted: str(CONFIG / "ffe_otel.yaml")}
    environ = service["environment"].copy()
    for inside, outside in places.items():
        environ = {key: value.replace(inside, outside) for key, value in environ.items()}
    environ |= {
        "PATH": BIN,
        "SECRETS_DIR": str(secrets),
        "FFE_OTEL__STATE_DIR": str(tmp_path / "state"),
        **{f"FFE_OTEL__SERVE__{name}PORT": str(port) for name, port in ports.items()},
    }
    page = f"http://127.0.0.1:{ports['']}"
    token = {"Authorization": "Bearer serve_token-0123456789abcdef"}
    health = {"env": {"PATH": BIN, "FFE_OTEL__STATE_DIR": environ["FFE_OTEL__STATE_DIR"]}}

    with Server(
        [ENTRYPOINT, *service["command"]],
        tmp_path / "serve.log",
        env=environ,
        ready=lambda: get(f"{page}/api/v1/status", token),
    ) as server:
        # On every address, but not without the token: neither page nor OTLP.
        for port, path in ((ports[""], "/api/v1/status"), (ports["OTLP_HTTP_"], "/v1/traces")):
            with pytest.raises(urllib.error.HTTPError) as refused:
                get(f"http://127.0.0.1:{port}{path}")
            assert refused.value.code == 401
        assert subprocess.run([HEALTHY], check=False, **health).returncode == 0
        said = server.log()
        assert "influxdb_writer_password-" not in said
    assert subprocess.run([HEALTHY], check=False, **health).returncode == 1
