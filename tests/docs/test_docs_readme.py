# SPDX-License-Identifier: Apache-2.0
"""Every command and program of the README does what it says, in a new venv."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# pip downloads what it installs.
pytestmark = pytest.mark.timeout(400)

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\S*token=\S+")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    return [
        line[2:] for block in blocks("console") for line in block.splitlines() if line[:2] == "$ "
    ]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment, installed into as the README says, and the reference engine."""
    environment = tmp_path_factory.mktemp("readme") / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    programs = environment / "bin"
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    done = run(commands()[1], ROOT, os.environ | path)
    assert done.returncode == 0, done.stderr
    uv = Path(sys.executable).with_name("uv")
    demo = ["pip", "install", "-q", "--python", programs / "python", ROOT / "demo"]
    subprocess.run([str(uv) if uv.exists() else "uv", *demo], check=True)
    return programs


@pytest.fixture
def environment(installed: Path, tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "PATH": f"{installed}:{os.environ['PATH']}",
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "FFE_OTEL__SERVE__PORT": "0",
        "FFE_OTEL__SERVE__OTLP_HTTP_PORT": "0",
        "FFE_OTEL__SERVE__OTLP_GRPC_PORT": "0",
        "FFE_OTEL__METRICS__PROMETHEUS__PORT": "0",
        "PYTHONUNBUFFERED": "1",
    }


def run(command: str, cwd: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        shell=True,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_every_command_of_the_readme_is_run_below() -> None:
    assert commands() == [
        "make demo",
        "pip install '.[serve]'",
        "ffe-otel run --serve -- python -m finance_feedback_engine",
        "opentelemetry-instrument python -m finance_feedback_engine",
        "make check test",
    ]


def test_run_with_the_backend_beside_it(tmp_path: Path, environment: dict[str, str]) -> None:
    command = commands()[2] + " --cycles 2 --interval 0"
    done = run(command, tmp_path, environment)
    assert done.returncode == 0, done.stderr
    assert ADDRESS.search(done.stdout + done.stderr)


def test_instrument_with_nothing_listening_leaves_the_engine_alone(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
    done = run(commands()[3] + " --cycles 1 --interval 0 --summary", tmp_path, environment)
    assert done.returncode == 0, done.stderr
    assert '"cycles_begun": 1' in done.stdout


def test_the_first_program_prints_its_correlation_id(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (program,) = blocks("python")
    assert len([line for line in program.splitlines() if line.strip()]) <= 20
    (tmp_path / "agent.py").write_text(program)
    done = run("python agent.py", tmp_path, environment)
    assert done.returncode == 0, done.stderr
    assert re.search(r"correlation id: [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n", done.stdout)


@pytest.fixture
def demo(environment: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    # The venv of this test run stands in for a new one; what is installed already stays.
    environment["FFE_OTEL__STATE_DIR"] = str(tmp_path / "demo")
    process = subprocess.Popen(
        ["make", "demo", f"VENV={Path(sys.executable).parent.parent}"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _members(session: int) -> list[str]:
    listed = subprocess.run(
        ["ps", "-o", "sid=,args=", "-A"], capture_output=True, text=True, check=True
    )
    return [
        line for line in listed.stdout.splitlines() if line.split(maxsplit=1)[0] == str(session)
    ]


def test_make_demo_shows_its_address_and_leaves_nothing_behind(
    demo: subprocess.Popen[str], environment: dict[str, str]
) -> None:
    assert demo.stdout is not None
    address = next(
        found.group() for line in demo.stdout if (found := ADDRESS.search(line)) is not None
    )
    api = address.replace("/?", "/api/v1/cycles?")
    deadline = time.monotonic() + 60
    while b'"running"' not in (body := urllib.request.urlopen(api, timeout=10).read()):
        assert time.monotonic() < deadline, body[:500]
    os.killpg(demo.pid, signal.SIGINT)
    rest, _ = demo.communicate(timeout=30)
    assert "INFO" not in rest, "the log buries the address"
    assert (Path(environment["FFE_OTEL__STATE_DIR"]) / "logs/ffe.log").stat().st_size > 1000
    assert _members(demo.pid) == []
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=2)


def test_links_and_pictures_of_the_readme_exist() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert targets
    assert [t for t in targets if not (ROOT / t).exists()] == []
