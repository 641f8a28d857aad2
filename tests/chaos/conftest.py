# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))

from chaos_endpoint import Endpoint
from chaos_engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., Engine]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.chaos)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()
    yield found
    found.close()


@pytest.fixture
def start(tmp_path: Path, endpoint: Endpoint) -> Iterator[Start]:
    """Starts an engine that sends to the endpoint; ``state`` is where it keeps its spool."""
    started: list[Engine] = []

    def begin(state: Path = tmp_path, body: str = "", **environment: str) -> Engine:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint.url} | environment
        started.append(Engine(state, len(started), body, settings))
        return started[-1]

    yield begin
    for engine in started:
        engine.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a file system with the given options; needs root."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"cannot mount here: {done.stderr.strip()}")
        mounted.append(place)
        return place

    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small disk")
    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)
