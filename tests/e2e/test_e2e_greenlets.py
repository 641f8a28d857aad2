# SPDX-License-Identifier: Apache-2.0
"""gevent and eventlet put greenlets in the place of threads, before or after capture begins."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from otlp_sink import attributes
from programs import run

from ffe_otel import semconv

if TYPE_CHECKING:
    from otlp_sink import Sink

BIN = Path(sys.executable).parent
PATCH = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    # Its use is deprecated, and it says so.
    "eventlet": "import warnings; warnings.simplefilter('ignore'); "
    "import eventlet; eventlet.monkey_patch()",
}
SPAWN = {"gevent": "import gevent as green", "eventlet": "import eventlet as green"}
BODY = """
import logging, threading, time, urllib.request
from concurrent.futures import ThreadPoolExecutor
from opentelemetry import trace

tracer = trace.get_tracer("engine")
log = logging.getLogger("engine")
log.setLevel("INFO")

def ask(number):
    with tracer.start_as_current_span(f"ask {number}"):
        log.info("asked %d", number)
        time.sleep(0.01)

with ffe_otel.cycle(["BTCUSD"]):
    with ThreadPoolExecutor(2) as pool:
        for number in range(4):
            pool.submit(ask, number)
    thread = threading.Thread(target=ask, args=(4,))
    thread.start()
    thread.join()
    green.sleep(0)
    log.info("decided")
print("flushed", handle.flush(10))
log.info("api_key=sk-live-0123456789abcdef0123456789")
with ffe_otel.cycle(["ETHUSD"]):
    ask(5)
print(len(urllib.request.urlopen(handle.page.address, timeout=10).read()) > 100)
"""


def program(library: str, order: str) -> str:
    install = "import ffe_otel; handle = ffe_otel.install()"
    lines = [PATCH[library], install] if order == "before" else [install, PATCH[library]]
    return "\n".join([*lines, SPAWN[library], BODY])


# An event loop on a thread of ours takes the interpreter down when it ends meanwhile.
SPY = """
import _thread, gevent.hub
main, ident, begin = _thread.get_ident(), _thread.get_ident, gevent.hub.Hub.__init__
def spied(hub, *args, **kwargs):
    if ident() != main:
        print("an event loop on another thread")
    return begin(hub, *args, **kwargs)
gevent.hub.Hub.__init__ = spied
"""


def captured(sink: Sink) -> None:
    cycles = [s for s in sink.spans() if s.name == "ffe.cycle"]
    assert [attributes(s)[semconv.CYCLE_OUTCOME] for s in cycles] == ["no_trade"] * 2
    asked = [s for s in sink.spans() if s.name.startswith("ask")]
    assert len(asked) == 6
    assert {s.trace_id for s in asked} == {s.trace_id for s in cycles}
    lines = [r.body.string_value for r in sink.logs()]
    assert {"decided", *(f"asked {n}" for n in range(6))} <= set(lines)
    assert not any("sk-live" in line for line in lines)
    assert "ffe.ooda.cycle.duration" in sink.metric_names()


STARTED = {
    "install": (),
    "instrument": (str(BIN / "opentelemetry-instrument"),),
    "run": (str(BIN / "ffe-otel"), "run", "--"),
}


@pytest.mark.parametrize(
    ("library", "order", "started"),
    [
        ("gevent", "before", "install"),
        ("gevent", "after", "install"),
        ("gevent", "after", "instrument"),
        ("gevent", "after", "run"),
        ("eventlet", "before", "install"),
        ("eventlet", "after", "install"),
        ("eventlet", "after", "instrument"),
    ],
)
def test_capture_goes_on_in_a_patched_process(
    tmp_path: Path, sink: Sink, library: str, order: str, started: str
) -> None:
    done = run(
        program(library, order),
        tmp_path,
        starter=STARTED[started],
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        FFE_OTEL__LOGGING__OUTPUTS__CONSOLE="false",
    )
    assert done.stdout.split() == ["flushed", "True", "True"], done.stderr
    assert "Traceback" not in done.stderr
    captured(sink)


@pytest.mark.parametrize("order", ["before", "after"])
def test_no_event_loop_runs_on_a_thread_of_ours(tmp_path: Path, sink: Sink, order: str) -> None:
    done = run(
        SPY + program("gevent", order),
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url.replace("127.0.0.1", "localhost"),
        FFE_OTEL__LOGGING__OUTPUTS__CONSOLE="true",
        FFE_OTEL__LOGGING__OUTPUTS__SYSLOG__ENABLED="true",
        FFE_OTEL__LOGGING__OUTPUTS__SYSLOG__ADDRESS="localhost:9",
    )
    assert "an event loop on another thread" not in done.stdout
    captured(sink)


@pytest.mark.parametrize(("library", "order"), [("gevent", "before"), ("eventlet", "after")])
def test_a_patched_process_ends_although_nothing_answers(
    tmp_path: Path, sink: Sink, library: str, order: str
) -> None:
    sink.down()
    done = run(
        program(library, order),
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        FFE_OTEL__LOGGING__OUTPUTS__CONSOLE="false",
    )
    assert "Traceback" not in done.stderr
