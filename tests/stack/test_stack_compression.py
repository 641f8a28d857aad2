# SPDX-License-Identifier: Apache-2.0
"""What the Collector compresses, `ffe-otel serve` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from stack_sending import post, trace_request
from stack_server import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from stack_backend import Serve
    from stack_collector import Collector


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_serve_reads_it(
    make_collector: Callable[..., Collector], serve: Serve, compression: str
) -> None:
    env = {"FFE_SERVE_OTLP": serve.otlp_http, "FFE_COLLECTOR_COMPRESSION": compression}
    collector = make_collector(env=env).run()
    for number in range(3):
        names = [f"span {number} {index}" for index in range(500)]
        assert post(collector.otlp_http, trace_request(names)).status_code == 200
    until(lambda: serve.get("/api/v1/status")["store"]["spans"] == 1500)
    assert serve.get("/api/v1/status")["ingest"]["rejected"] == 0
