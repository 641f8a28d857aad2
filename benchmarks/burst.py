# SPDX-License-Identifier: Apache-2.0
"""What a burst of records costs the engine's thread, and what it takes in memory.

    python benchmarks/burst.py [--records 50000] [--threads 1] [--down]

The engine logs without a pause. ``--down`` leaves nobody at the endpoint. Shown are the time of a
log call, median and p99, what the process grew by, what was lost, and when all of it was stored.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--down", action="store_true")
    arguments = parser.parse_args()
    with subprocess.Popen(
        [sys.executable, HERE / "otlp_counter.py", "0"], stdout=subprocess.PIPE, text=True
    ) as endpoint:
        port = int(endpoint.stdout.readline())  # type: ignore[union-attr]
        if arguments.down:
            endpoint.kill()
        with tempfile.TemporaryDirectory() as state:
            os.environ |= {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
                "FFE_OTEL__STATE_DIR": state,
                "FFE_OTEL__LOGGING__OUTPUTS__CONSOLE": "false",
                "FFE_OTEL__METRICS__PROMETHEUS__ENABLED": "false",
            }
            burst(arguments.records, arguments.threads)
        endpoint.kill()


def burst(records: int, threads: int) -> None:
    """Log and show what came of it."""
    import ffe_otel

    handle = ffe_otel.install()
    assert handle.log_capture is not None
    assert handle.stats is not None
    log = logging.getLogger("engine")
    log.setLevel("INFO")
    log.addHandler(logging.NullHandler())
    times: list[list[int]] = [[] for _ in range(threads)]

    def work(mine: list[int]) -> None:
        for number in range(records // threads):
            began = time.perf_counter_ns()
            log.info("order %d filled at %f for %s", number, number * 1.5, "BTCUSD")
            mine.append(time.perf_counter_ns() - began)

    before, began = resident(), time.perf_counter()
    workers = [threading.Thread(target=work, args=(mine,)) for mine in times]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    made, most = time.perf_counter() - began, resident() - before
    stored = handle.log_capture.flush(120)
    took = time.perf_counter() - began
    each_call = [taken / 1000 for mine in times for taken in mine]
    p99 = statistics.quantiles(each_call, n=100)[-1]
    print(f"{len(each_call)} lines in {made:.2f} s, {threads} threads")
    print(f"a call: {statistics.median(each_call):.1f} µs, p99 {p99:.1f} µs")
    print(f"resident memory grew by {most / 1e6:.0f} MB")
    print(f"lost: {dict(handle.stats.snapshot().dropped)}")
    print(f"stored: {stored}, after {took:.2f} s; taken: {handle.flush(60)}")
    handle.uninstall()


def resident() -> int:
    """Bytes of resident memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main()
