# SPDX-License-Identifier: Apache-2.0
"""What the Collector and ``ffe-otel serve`` take: spans a second, latency, CPU, memory.

    python benchmarks/pipeline.py [--seconds 60] [--rates 1000,5000,10000] [--only serve]

Each target runs alone and is sent OTLP/HTTP at a fixed rate: ``serve`` on core 0, the sender on
the others; the Collector, which is made for several cores, on all of them, shared with sender
and sinks. A request counts when it was answered with 200; a target keeps up when the rate
reached is the rate asked for. Spans look like the engine's: 10 attributes (names, numbers, a
URL, a UUID), one of them a text of 230 characters. The Collector runs collector/config.yaml,
redaction included, with sinks behind it that take everything.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
SPANS = 100
"""Spans of a request."""
CONNECTIONS = 8
WARM_UP = 20.0
WORDS = [
    "price", "volume", "trend", "support", "resistance", "momentum", "risk", "leverage", "candle",
    "order", "fill",
]  # fmt: skip


@dataclass(frozen=True)
class Result:
    """One target at one rate; times in milliseconds, CPU as share of a core.

    Memory is resident, in MB: the medians of the first and of the last third of the run.
    """

    target: str
    asked: int
    reached: float
    refused: int
    p50: float
    p99: float
    cpu: float
    memory_first: float
    memory_last: float


class Requests:
    """Encoded requests whose ids and times are new each time, without encoding anew."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self._marks = [rng.randbytes(24) for _ in range(SPANS)]
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        _attribute(resource.resource, "service.name", "finance_feedback_engine")
        scope = resource.scope_spans.add()
        scope.scope.name = "ffe_otel.api"
        for mark in self._marks:
            span = scope.spans.add(trace_id=mark[:16], span_id=mark[16:], name="ffe.data.fetch")
            span.kind = 1
            span.start_time_unix_nano = time.time_ns()
            span.end_time_unix_nano = span.start_time_unix_nano + 5_000_000
            for key, value in attributes(rng).items():
                _attribute(span, key, value)
        self._body = bytearray(request.SerializeToString())
        self._places = [
            match.start()
            for mark in self._marks
            for half in (mark[:16], mark[16:])
            for match in re.finditer(re.escape(half), self._body)
        ]

    def next(self) -> bytes:
        """A request that was never sent before."""
        trace_id = os.urandom(16)
        for index, place in enumerate(self._places):
            new = os.urandom(8) if index % 2 else trace_id
            self._body[place : place + len(new)] = new
        return bytes(self._body)


def attributes(rng: random.Random) -> dict[str, str]:
    """What one of the engine's spans says, with a text of 230 characters."""
    asset = rng.choice(["BTCUSD", "ETH-USD", "EUR_USD"])
    note = [f"RSI={rng.uniform(0, 100):.1f}, MACD={rng.gauss(0, 1):.2e};", *rng.choices(WORDS, k=9)]
    note += [f"take_profit={rng.uniform(1, 2):.2f} (confidence: {rng.random():.2f})"]
    return {
        "ffe.asset_pair": asset,
        "ffe.data.provider": rng.choice(["alpha_vantage", "coinbase", "oanda"]),
        "ffe.phase": rng.choice(["perception", "reasoning", "execution"]),
        "http.request.method": "GET",
        "url.full": f"https://api.example.com/v3/products/{asset}/candles?granularity=M5&limit=100",
        "server.address": "api.example.com",
        "gen_ai.request.model": rng.choice(["claude-3-5-sonnet-20241022", "gpt-4o-mini"]),
        "ffe.decision.id": str(uuid.UUID(int=rng.getrandbits(128))),
        "ffe.data.price": f"{rng.uniform(1, 90_000):.2f}",
        "ffe.data.note": " ".join(note + rng.choices(WORDS, k=20))[:230],
    }


def _attribute(holder: Any, key: str, value: str) -> None:
    holder.attributes.add(key=key).value.string_value = value


def send(port: int, rate: int, seconds: float) -> tuple[float, int, list[float]]:
    """Send at ``rate`` spans a second; the rate reached, requests refused, latencies in ms."""
    pause = SPANS * CONNECTIONS / rate
    latencies: list[float] = []
    refused = [0]
    begin = time.monotonic() + 0.1
    end = begin + seconds

    def work(number: int) -> None:
        bodies = Requests(number)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        due = begin + pause * number / CONNECTIONS
        while due < end:
            time.sleep(max(0.0, due - time.monotonic()))
            body = bodies.next()
            # From when it was due: a target that falls behind must not slow the clock down.
            connection.request(
                "POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"}
            )
            answer = connection.getresponse()
            answer.read()
            latencies.append((time.monotonic() - due) * 1e3)
            refused[0] += answer.status != 200
            due += pause
        connection.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = (len(latencies) - refused[0]) * SPANS
    return taken / max(time.monotonic() - begin, seconds), refused[0], latencies


def measure(target: str, process: psutil.Process, port: int, rate: int, seconds: float) -> Result:
    """Warm up, then send for a while and look at the process meanwhile."""
    send(port, rate, min(WARM_UP, seconds))
    cpu, began, over, memory = _cpu(process), time.monotonic(), threading.Event(), []

    def watch() -> None:
        while not over.wait(1):
            memory.append(process.memory_info().rss / 1e6)

    watcher = threading.Thread(target=watch)
    watcher.start()
    reached, refused, latencies = send(port, rate, seconds)
    spent = (_cpu(process) - cpu) / (time.monotonic() - began)
    over.set()
    watcher.join()
    cuts = statistics.quantiles(latencies, n=100)
    first, last = (
        round(statistics.median(part))
        for part in (memory[: len(memory) // 3], memory[-(len(memory) // 3) :])
    )
    return Result(target, rate, round(reached), refused, round(cuts[49], 1), round(cuts[98], 1),
                  round(spent, 2), first, last)  # fmt: skip


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def running(
    command: list[str], ready: str, environ: dict[str, str], *, alone: bool
) -> Iterator[psutil.Process]:
    """Run a command while the block runs; ``ready`` is an address that answers.

    ``alone`` gives it core 0, and this process the others.
    """
    cores = os.sched_getaffinity(0)
    process = subprocess.Popen(
        command,
        env=os.environ | environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if alone:
        os.sched_setaffinity(process.pid, {min(cores)})
        os.sched_setaffinity(0, cores - {min(cores)} or cores)
    try:
        _wait(ready, process)
        yield psutil.Process(process.pid)
    finally:
        os.sched_setaffinity(0, cores)
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    host, _, port = address.rpartition(":")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"{process.args!r} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on {address}")


def free_port() -> int:
    """A port nobody has."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def serve() -> Iterator[tuple[psutil.Process, int]]:
    """``ffe-otel serve`` with a store of its own."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "ffe_otel.cli", "serve", "--port", str(free_port()),
            "--otlp-http-port", str(port), "--otlp-grpc-port", "-1",
        ]  # fmt: skip
        environ = {"FFE_OTEL__STATE_DIR": folder, "FFE_OTEL__METRICS__INFLUXDB__ENABLED": "false"}
        with running(command, f"127.0.0.1:{port}", environ, alone=True) as process:
            yield process, port


@contextlib.contextmanager
def collector() -> Iterator[tuple[psutil.Process, int]]:
    """The Collector of collector/builder.yaml, with serve's and Tempo's place taken by sinks."""
    build = subprocess.run(
        [ROOT / "collector" / "build.sh"], stdout=subprocess.PIPE, text=True, check=True
    )
    grpc_sink, http_sink, otlp, grpc_port, page, own, health = (free_port() for _ in range(7))
    with tempfile.TemporaryDirectory() as folder, sinks(http_sink, grpc_sink):
        environ = {
            "FFE_COLLECTOR_STATE": folder,
            "FFE_COLLECTOR_OTLP_HTTP": f"127.0.0.1:{otlp}",
            "FFE_COLLECTOR_OTLP_GRPC": f"127.0.0.1:{grpc_port}",
            "FFE_COLLECTOR_METRICS": f"127.0.0.1:{page}",
            "FFE_COLLECTOR_SELF_PORT": str(own),
            "FFE_COLLECTOR_HEALTH": f"127.0.0.1:{health}",
            "FFE_SERVE_OTLP": f"http://127.0.0.1:{http_sink}",
            "FFE_TEMPO_OTLP": f"127.0.0.1:{grpc_sink}",
            # As in docker-compose.yml.
            "GOMEMLIMIT": "410MiB",
            "GOGC": "400",
        }
        command = [build.stdout.strip(), f"--config={ROOT}/collector/config.yaml"]
        with running(command, f"127.0.0.1:{otlp}", environ, alone=False) as process:
            yield process, otlp


@contextlib.contextmanager
def sinks(http_port: int, grpc_port: int) -> Iterator[None]:
    """Servers that take everything and keep nothing, in a process of their own."""
    command = [sys.executable, __file__, "--sinks", f"{http_port},{grpc_port}"]
    process = subprocess.Popen(command)
    try:
        _wait(f"127.0.0.1:{grpc_port}", process)
        yield
    finally:
        process.terminate()
        process.wait(20)


def serve_sinks(http_port: int, grpc_port: int) -> None:
    """Be those servers, until ended."""
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    class Anything(grpc.GenericRpcHandler):
        def service(self, _details: Any) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")

    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Anything(),))
    http_server = ThreadingHTTPServer(("127.0.0.1", http_port), Handler)
    server.add_insecure_port(f"127.0.0.1:{grpc_port}")
    server.start()
    http_server.serve_forever()


def run(name: str, start: Any, rates: list[int], seconds: float) -> list[Result]:
    """One target at all rates, each with a fresh start."""
    results = []
    for rate in rates:
        with start() as (process, port):
            results.append(measure(name, process, port, rate, seconds))
            print(row(results[-1]), flush=True)
    return results


def row(result: Result) -> str:
    """A line of the table."""
    return (
        f"| {result.target} | {result.asked:,} | {result.reached:,.0f} | {result.refused} | "
        f"{result.p50} | {result.p99} | {result.cpu} | "
        f"{result.memory_first} | {result.memory_last} |"
    )


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rates", default="1000,5000,10000")
    parser.add_argument("--only", choices=("serve", "collector"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sinks", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sinks:
        serve_sinks(*map(int, options.sinks.split(",")))
        return
    rates = [int(rate) for rate in options.rates.split(",")]
    print(
        "| target | spans/s asked | reached | refused | p50 ms | p99 ms | CPU | MB 1st | MB last |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    results = []
    for name, start in (("serve", serve), ("collector", collector)):
        if options.only in {None, name}:
            results += run(name, start, rates, options.seconds)
    if options.json:
        print(json.dumps([asdict(result) for result in results]))


if __name__ == "__main__":
    main()
