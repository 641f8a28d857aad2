# SPDX-License-Identifier: Apache-2.0
"""What ``install_matrix.py`` freezes: a cycle with a secret in a log line, and a span."""

import logging
import multiprocessing

from opentelemetry import trace

import ffe_otel


def main() -> None:
    handle = ffe_otel.install()
    with (
        ffe_otel.cycle(["BTCUSD"]),
        ffe_otel.phase("reasoning"),
        trace.get_tracer("frozen").start_as_current_span("frozen-span"),
    ):
        logging.getLogger("engine").warning("api_key=sk-live-0123456789abcdef0123456789")
    handle.uninstall()
    print("cycle ended")


if __name__ == "__main__":
    multiprocessing.freeze_support()
    main()
