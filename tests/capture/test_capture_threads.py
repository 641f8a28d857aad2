# SPDX-License-Identifier: Apache-2.0
"""The context goes along into threads, timers and pools, and leaves no trace on them."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace

import ffe_otel
import ffe_otel.testing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ffe_otel._testing.telemetry import Telemetry


@pytest.fixture
def ffe_telemetry_hooks() -> bool:
    return True


def in_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def in_subclass(work: Callable[[], None]) -> None:
    class Own(threading.Thread):
        def run(self) -> None:
            work()

    thread = Own()
    thread.start()
    thread.join()


def in_replaced_run(work: Callable[[], None]) -> None:
    thread = threading.Thread()
    thread.run = work  # type: ignore[method-assign]
    thread.start()
    thread.join()
    assert thread.run is work


def in_timer(work: Callable[[], None]) -> None:
    timer = threading.Timer(0, work)
    timer.start()
    timer.join()


def in_pool(work: Callable[[], None]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
        list(pool.map(lambda _: work(), [1]))


def in_executor(work: Callable[[], None]) -> None:
    async def ask() -> None:
        await asyncio.get_running_loop().run_in_executor(None, work)
        await asyncio.to_thread(work)

    asyncio.run(ask())


EVERYWHERE = [in_thread, in_subclass, in_replaced_run, in_timer, in_pool, in_executor]


@pytest.mark.parametrize("run", EVERYWHERE)
def test_what_is_current_is_current_there_too(
    ffe_telemetry: Telemetry, run: Callable[[Callable[[], None]], None]
) -> None:
    seen: list[int] = []
    with ffe_otel.cycle(["BTCUSD"]) as cycle:
        run(lambda: seen.append(trace.get_current_span().get_span_context().span_id))
    assert set(seen) == {cycle.span.get_span_context().span_id}


def test_a_thread_that_could_not_start_is_as_before(
    ffe_telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []
    thread = threading.Thread(target=ran.append, args=(1,))

    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        name = "_start_joinable_thread" if sys.version_info >= (3, 13) else "_start_new_thread"
        patched.setattr(threading, name, fail)
        with pytest.raises(RuntimeError, match="can't start"):
            thread.start()
    assert "run" not in vars(thread)
    thread.start()
    thread.join()
    assert ran == [1]
    assert "run" not in vars(thread)


def test_a_class_that_guards_its_attributes_is_started_all_the_same(
    ffe_telemetry: Telemetry,
) -> None:
    ran: list[int] = []

    class Guarded(threading.Thread):
        def __setattr__(self, name: str, value: object) -> None:
            if name == "run":
                raise AttributeError(name)
            super().__setattr__(name, value)

    thread = Guarded(target=ran.append, args=(1,))
    thread.start()
    thread.join()
    assert ran == [1]


def _patchable() -> list[int]:
    """Identities: a wrapper is equal to what it wraps."""
    found = [
        vars(threading.Thread)["start"],
        vars(threading.Thread)["run"],
        vars(threading.Timer)["run"],
        vars(ThreadPoolExecutor)["submit"],
    ]
    return [id(each) for each in found]


def test_everything_is_given_back(tmp_path: Path) -> None:
    before = _patchable()
    handle = ffe_otel.install(ffe_otel.testing.quiet_config(tmp_path), set_global=False)
    changed = _patchable() != before
    handle.uninstall()
    assert changed
    assert _patchable() == before


INSTRUMENTOR = """
class Instrumentor:
    is_instrumented_by_opentelemetry = False

    def instrument(self, **_providers):
        import threading
        threading.instrumented_by = "contrib"

    def uninstrument(self):
        import threading
        del threading.instrumented_by
"""


def test_opentelemetry_s_own_goes_first_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stand_in.py").write_text(INSTRUMENTOR)
    metadata = tmp_path / "stand_in-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: stand-in\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[opentelemetry_instrumentor]\nthreading = stand_in:Instrumentor\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    before = _patchable()
    handle = ffe_otel.install(ffe_otel.testing.quiet_config(tmp_path), set_global=False)
    try:
        assert vars(threading)["instrumented_by"] == "contrib"
        assert _patchable() == before
    finally:
        handle.uninstall()
    assert "instrumented_by" not in vars(threading)


def test_a_library_that_is_to_be_left_alone_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "requests, threading")
    before = _patchable()
    handle = ffe_otel.install(ffe_otel.testing.quiet_config(tmp_path), set_global=False)
    untouched = _patchable() == before
    handle.uninstall()
    assert untouched
