# SPDX-License-Identifier: Apache-2.0
"""docs/api.md names every route and parameter, and its examples have the answers' shape."""

from __future__ import annotations

import inspect
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
import sample_telemetry as sample
from observe_server import http, until
from starlette.routing import Route

from ffe_otel.observe.api import Api, page_app

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()
SECTIONS = dict(re.findall(r"^## GET (\S+)\n(.*?)(?=^## |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE))
FREE_KEYS = {"attributes", "labels"}
"""What has the sender's keys below it."""


def routes() -> dict[str, Any]:
    """Every route but that of the page, and what answers it."""
    api = Api(None)  # type: ignore[arg-type] - nothing is asked
    found = [r for r in page_app(api).routes if isinstance(r, Route)]
    api.close()
    return {r.path.replace(":path}", "}"): r.endpoint for r in found if r.path != "/"}


def test_every_route_is_described_and_no_other():
    assert set(SECTIONS) == set(routes())


@pytest.mark.parametrize("path", sorted(SECTIONS))
def test_every_parameter_is_described_and_no_other(path):
    source = inspect.getsource(routes()[path])
    read = re.findall(r'query(?:_params)?(?:\.get(?:list)?\(|, )"(\w+)"', source)
    assert set(re.findall(r"^\| `(\w+)` \|", SECTIONS[path], re.MULTILINE)) == set(read)


@pytest.fixture(scope="module")
def filled(shared):
    """A server with cycles, of which some had errors."""
    sample.fill(shared.addresses.otlp_http, 40, random.Random(11))
    until(lambda: len(shared.get("cycles")["cycles"]) == 40)
    until(lambda: shared.get("status")["backends"]["journal"]["detail"].startswith("0 bytes"))
    return shared


def merged(values: list[Any]) -> Any:
    """One value with all keys that any of them has, and something in every list if any has."""
    known = [v for v in values if v is not None]
    if known and all(isinstance(v, dict) for v in known):
        keys = {k: None for v in known for k in v}
        return {k: merged([v[k] for v in known if k in v]) for k in keys}
    if known and all(isinstance(v, list) for v in known):
        return [merged([item for v in known for item in v])]
    return next(iter(known), None)


def check(example: Any, real: Any, where: str) -> None:
    """The example has the real answer's keys, all the way down."""
    if isinstance(example, dict) and isinstance(real, dict):
        if where.rpartition(".")[2] in FREE_KEYS:
            return
        told = set(example) - {"..."}
        assert told <= set(real) if "..." in example else told == set(real), where
        for key in told:
            check(example[key], real[key], f"{where}.{key}")
    elif isinstance(example, list) and isinstance(real, list):
        check(merged(example), merged(real), where)
    elif example is not None and real is not None:
        numbers = {int, float}
        same = type(example) is type(real) or {type(example), type(real)} <= numbers
        assert same, f"{where}: {example!r} is documented, {real!r} came"


@pytest.mark.parametrize("path", sorted(set(SECTIONS) - {"/api/v1/live", "/metrics"}))
def test_the_examples_have_the_shape_of_the_answers(filled, path):
    example = json.loads(re.findall(r"```json\n(.*?)```", SECTIONS[path], re.DOTALL)[0])
    rows = filled.get("cycles", errors=1)["cycles"]
    paths = [path.removeprefix("/api/v1/").replace("{id}", row["trace_id"]) for row in rows]
    asked = {"name": "ffe.agent.cycle.duration", "by": "state", "level": "error", "errors": "1"}
    check(example, merged([filled.get(p, **asked) for p in dict.fromkeys(paths)]), path)


def test_a_problem_points_to_the_document(shared):
    assert "docs/api.md" in shared.ask("cycles", limit="many").json()["hint"]
    assert "docs/api.md" in shared.ask("nothing").json()["hint"]
    page = http(f"{shared.addresses.page}/none", Authorization=f"Bearer {shared.addresses.token}")
    assert page.json()["hint"] == "the page is at /"
