# SPDX-License-Identifier: Apache-2.0
"""Real servers for the tests of the stack; `make test-stack` runs them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

ROOT = Path(__file__).parents[2]
for folder in ("stack", "e2e", "export", "redaction"):
    sys.path.insert(0, str(ROOT / "tests" / folder))

from stack_collector import Collector  # noqa: E402
from stack_sending import Sender  # noqa: E402
from stack_sink import GrpcSink, SwitchableSink  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


@pytest.fixture
def keep_log(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """Show the end of a server's log, and where all of it is, when the test failed."""

    def _keep(log: Path) -> None:
        if request.node.stash.get(_FAILED, False) and log.exists():
            kept = ROOT / ".state" / "stack" / f"{request.node.name}-{log.name}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(log, kept)
            print(f"---- {kept}\n{log.read_text(errors='replace')[-4000:]}")

    return _keep


@pytest.fixture
def make_collector(
    collector_binary: str, tmp_path: Path, keep_log: Callable[[Path], None]
) -> Iterator[Callable[..., Collector]]:
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
        keep_log(collector.log_file)


@pytest.fixture
def sink() -> Iterator[SwitchableSink]:
    """What stands in place of `ffe-otel serve`."""
    found = SwitchableSink().up()
    yield found
    found.down()


@pytest.fixture
def tempo() -> Iterator[GrpcSink]:
    """What stands in Tempo's place; not there until ``up``."""
    found = GrpcSink()
    yield found
    found.down()


@pytest.fixture
def collector(make_collector: Callable[..., Collector], sink: SwitchableSink) -> Collector:
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
