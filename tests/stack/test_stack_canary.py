# SPDX-License-Identifier: Apache-2.0
"""The canary's ten thousand secrets on through the real Collector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from canary_report import findings, first_findings, table
from canary_rows import KNOWN
from canary_run import Output, files, run
from stack_server import until

if TYPE_CHECKING:
    from pathlib import Path

    from otlp_sink import Sink
    from stack_collector import Collector

pytestmark = pytest.mark.timeout(300)


def test_nothing_that_a_rule_knows_leaves_the_collector(
    collector: Collector, sink: Sink, tmp_path: Path
) -> None:
    said = run(KNOWN, tmp_path / "program")
    for path, body in said.requests:
        kind = {"Content-Type": "application/x-protobuf"}
        answer = requests.post(f"{collector.otlp_http}{path}", body, headers=kind, timeout=30)
        assert answer.status_code == 200, answer.text

    def received() -> Output:
        return Output({"OTLP of the Collector": sink.everything()}, own_ids=said.own_ids)

    until(lambda: not received().missing(KNOWN, "OTLP of the Collector"), 60, "that all arrive")
    output = received()
    output.parts["page of the Collector"] = collector.scrape().encode()
    output.parts["page about the Collector"] = collector.scrape(collector.own_page).encode()
    output.parts["log of the Collector"] = collector.log().encode()
    output.parts.update(files(collector.state))
    leaked = first_findings(findings(output, KNOWN))
    assert not leaked, table(KNOWN, leaked)
