# SPDX-License-Identifier: Apache-2.0
"""Real servers for the tests of the stack; `make test-stack` runs them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

ROOT = Path(__file__).parents[2]
for folder in ("stack", "e2e", "export", "redaction", "canary", "chaos"):
    sys.path.insert(0, str(ROOT / "tests" / folder))

import otlp_sink  # noqa: E402
from stack_backend import Serve  # noqa: E402
from stack_collector import Collector  # noqa: E402
from stack_sending import Sender  # noqa: E402
from stack_sink import GrpcSink  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otlp_sink import Sink

_FAILED = pytest.StashKey[bool]()


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave the modules alone that need what only `make test-stack` installs."""
    chosen = config.getoption("markexpr")
    return None if "stack" in chosen and "not stack" not in chosen else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.stack)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


@pytest.fixture(scope="session")
def collector_binary() -> str:
    """The Collector of collector/builder.yaml; built when it is not there yet."""
    built = subprocess.run(
        [str(ROOT / "collector" / "build.sh")], stdout=subprocess.PIPE, text=True, check=True
    )
    return built.stdout.strip()


@pytest.fixture(autouse=True)
def _logs_of_a_failed_test(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Keep what servers logged while a test failed; show the ends, and where all of it is."""
    began = time.time()
    yield
    if not request.node.stash.get(_FAILED, False):
        return
    for log in sorted(tmp_path_factory.getbasetemp().rglob("*.log")):
        if log.stat().st_mtime >= began:
            kept = ROOT / ".state" / "stack" / f"{request.node.name}-{log.name}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(log, kept)
            print(f"---- {kept}\n{log.read_text(errors='replace')[-4000:]}")


@pytest.fixture
def make_collector(collector_binary: str, tmp_path: Path) -> Iterator[Callable[..., Collector]]:
    """Build Collectors; ``make_collector("tls", env={...})`` is the base with an overlay."""
    made: list[Collector] = []

    def _make(*overlays: str, **options: object) -> Collector:
        folder = tmp_path / f"collector-{len(made)}"
        folder.mkdir()
        made.append(Collector(collector_binary, folder, overlays, **options))  # type: ignore[arg-type]
        return made[-1]

    yield _make
    for collector in made:
        collector.stop()


@pytest.fixture
def sink() -> Iterator[Sink]:
    """What stands in place of `ffe-otel serve`."""
    with otlp_sink.running() as found:
        yield found


@pytest.fixture
def tempo() -> Iterator[GrpcSink]:
    """What stands in Tempo's place; not there until ``up``."""
    found = GrpcSink()
    yield found
    found.down()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """`ffe-otel serve`, with nobody where InfluxDB should be."""
    with Serve(tmp_path, "http://127.0.0.1:9") as found:
        yield found


@pytest.fixture
def collector(make_collector: Callable[..., Collector], sink: Sink) -> Collector:
    """The base configuration, running, with ``sink`` in place of `ffe-otel serve`."""
    return make_collector(env={"FFE_SERVE_OTLP": sink.url}).run()


@pytest.fixture
def make_sender() -> Iterator[Callable[..., Sender]]:
    """Build senders that are closed at the end."""
    made: list[Sender] = []

    def _make(url: str, **options: object) -> Sender:
        made.append(Sender(url, **options))  # type: ignore[arg-type]
        return made[-1]

    yield _make
    for sender in made:
        sender.close()
