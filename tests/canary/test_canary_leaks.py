# SPDX-License-Identifier: Apache-2.0
"""Ten thousand secrets through the real pipeline: none of those that a rule knows comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from canary_catalogue import CATALOGUE
from canary_plan import plan
from canary_report import findings, first_findings, table
from canary_rows import KNOWN, UNKNOWN
from canary_run import Output, run
from canary_store import stored
from loopback import free_ports
from opentelemetry.attributes import BoundedAttributes

from ffe_otel.redaction import load_catalogue

if TYPE_CHECKING:
    from pathlib import Path

    from canary_search import Found

# All secrets go through the whole pipeline before the first test, on a busy machine for minutes.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Output:
    folder = tmp_path_factory.mktemp("canary")
    said = run((*KNOWN, *UNKNOWN), folder)
    said.parts.update(stored(said.requests, folder / "serve"))
    return said


@pytest.fixture(scope="module")
def leaked(output: Output) -> dict[str, tuple[str, Found]]:
    """What was found of all rows, by mark."""
    return first_findings(findings(output, (*KNOWN, *UNKNOWN)))


def test_the_plan_is_as_large_as_it_has_to_be() -> None:
    assert len({row.secret.text for row in KNOWN}) >= 10_000
    assert len({row.secret.text for row in UNKNOWN}) * 4 >= len(KNOWN)


def test_everything_arrived(output: Output) -> None:
    """What was dropped on the way proves nothing."""
    rows = (*KNOWN, *UNKNOWN)
    for place in ("OTLP over HTTP", "OTLP over gRPC", "store: read back"):
        assert output.missing(rows, place) == {}, place
    logged = [row for row in rows if row.surface.startswith("log_")]
    files = [place for place in output.parts if place.startswith("file ffe_otel/logs/ffe.log")]
    assert len(files) > 1, "the log file was to be rotated"
    assert output.missing(logged, *files) == {}
    assert output.missing(logged, "standard error") == {}
    labels = [row for row in rows if row.surface.startswith("metric_")]
    for page in ("file page-0.txt", "file page-1.txt"):
        assert output.missing(labels, page, "file engine-page.txt") == {}


def test_nothing_that_a_rule_knows_leaves(leaked: dict[str, tuple[str, Found]]) -> None:
    known = {row.mark for row in KNOWN}
    out = {mark: where for mark, where in leaked.items() if mark in known}
    assert not out, table(KNOWN, out)


def test_little_that_no_rule_knows_leaves(leaked: dict[str, tuple[str, Found]]) -> None:
    unknown = {row.mark for row in UNKNOWN}
    out = {mark: where for mark, where in leaked.items() if mark in unknown}
    assert 1 - len(out) / len(unknown) >= 0.98, table(UNKNOWN, out)


def test_without_rules_everything_leaves(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the search cannot find it would never report: with no rule it finds every secret."""
    kinds = [kind for kind in CATALOGUE if kind.name in {"oanda_token", "password_by_name"}]
    rows = tuple(plan(kinds, 1, "control"))
    rules = ",".join(rule.id for rule in load_catalogue().rules)
    said = run(
        rows, tmp_path_factory.mktemp("control"), {"FFE_OTEL__REDACTION__DISABLED_RULES": rules}
    )
    found = first_findings(findings(said, rows))
    # The oldest SDK drops mappings among the attributes of a span.
    dropped = set() if BoundedAttributes(attributes={"a": {"b": "c"}}) else {"span_nested"}
    assert {row.surface for row in rows if row.mark not in found} == dropped


def test_what_waits_on_disk_holds_none(tmp_path: Path) -> None:
    """With its endpoint down, everything that is sent by OTLP is left in the spool."""
    # The program sends these two through exporters of its own.
    rows = [row for row in KNOWN[::5] if row.surface not in {"exemplar", "resource"}]
    down = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_ports(1)[0]}"}
    said = run(rows, tmp_path, down)
    spool = [place for place in said.parts if place.startswith("file ffe_otel/spool/")]
    assert said.missing(rows, *spool) == {}
    leaked = first_findings(
        findings(Output({place: said.parts[place] for place in spool}, own_ids=said.own_ids), rows)
    )
    assert not leaked, table(rows, leaked)
