# SPDX-License-Identifier: Apache-2.0
"""An SDK with other private parts: the engine runs on, telemetry arrives, nothing leaks."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from altered import Altered
from opentelemetry.sdk.metrics._internal import _view_instrument_match

from ffe_otel.sdk import found, selfcheck

SPANS = ["engine.alone", "engine.child", "engine.work", "ffe.cycle", "ffe.phase.perception"]
PARENTS = {
    "engine.child": "engine.work",
    "engine.work": "ffe.phase.perception",
    "ffe.phase.perception": "ffe.cycle",
}
COUNTED = {"delta": [10, 10, 10], "cumulative": [10, 20, 30]}
# Who gets nothing where a part is not as expected, by the names of engine.py.
DENIED = {
    found.READERS: ["memory"],
    found.EXPORTERS: ["simple", "simple logs", "periodic"],
    found.BATCHES: ["batch", "batch logs"],
    found.SPAN_PARTS: ["theirs"],
    found.LOG_PARTS: ["their logs"],
}
ALL = {
    "simple": 3, "batch": 3, "theirs": 3, "simple logs": 1, "batch logs": 1, "their logs": 1,
    "memory": 1, "periodic": 1,
}  # fmt: skip
_COLLECT = "self._reader_storages[metric_reader].collect()"
# The same names with another meaning: file, what it says, what it says then, what notices.
MEANINGS: dict[str, tuple[list[tuple[str, str, str]], str]] = {
    "disabled is enabled": (
        [("trace/__init__.py", "return self._tracer_config.is_enabled",
          "return not self._tracer_config.is_enabled"),
         ("trace/__init__.py", "if not self._is_enabled()", "if self._is_enabled()")],
        found.SPANS,
    ),
    "another hook before the end": (
        [("trace/__init__.py", "_on_ending(", "on_ending(")],
        found.SPANS,
    ),
    "readers look before they call": (
        [("measurement_consumer.py", "            for async_instrument in self._async",
          f"            first = {_COLLECT}\n            for async_instrument in self._async"),
         ("measurement_consumer.py", f"result = {_COLLECT}",
          "result = first")],
        found.WAITING,
    ),
    "upper bounds are exclusive": (
        [("metrics/_internal/aggregation.py", "bisect_left(", "bisect_right("),
         ("metrics/_internal/aggregation.py", "from bisect import bisect_left",
          "from bisect import bisect_left, bisect_right")],
        found.AGGREGATIONS,
    ),
}  # fmt: skip


def leaves(part: selfcheck.Part) -> list[str]:
    """The last part of each name, if it is one that can be renamed alone."""
    last = [name.rpartition(".")[2] for name in part.names]
    return [name for name in last if name.startswith("_") and "__" not in name]


@pytest.fixture
def altered(tmp_path: Path) -> Altered:
    return Altered(tmp_path / "packages")


def arrives(seen: dict[str, Any]) -> None:
    """Everything of the engine is there, once, without secrets."""
    assert seen["spans"] == SPANS
    assert seen["parents"] == PARENTS
    assert seen["logs"] == ["api_key=[redacted:api-key]"]
    assert seen["counted"] == COUNTED
    assert seen["recorded"] == COUNTED
    assert seen["leaked"] == 0
    assert "Traceback" not in seen["stderr"]


def test_all_parts_of_this_sdk_do_what_they_are_used_for() -> None:
    before = known_threads()
    assert dict(found.renew().problems) == {}
    assert known_threads() == before


def known_threads() -> set[str]:
    """The threads without those of the system that an earlier test's pipeline shows by logging."""
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith("Dummy")}


RENAMABLE = [part for part in selfcheck.PARTS if leaves(part)]


@pytest.mark.parametrize("part", RENAMABLE, ids=lambda part: part.name)
def test_renamed_parts(part: selfcheck.Part, altered: Altered) -> None:
    altered.rename(*leaves(part))
    if not part.redacts:
        seen = altered.run()
        arrives(seen)
    else:
        seen = altered.run("before")
        assert seen["leaked"] == []
        gone = DENIED[part.name]
        assert {name: seen["got"][name] for name in gone} == dict.fromkeys(gone, 0)
        assert seen["stderr"].count("gets no") >= len(gone)
    assert seen["stderr"].count(f"{part.name}: {part.instead}") == 1


@pytest.mark.parametrize("what", MEANINGS)
def test_parts_of_another_meaning(what: str, altered: Altered) -> None:
    changes, part = MEANINGS[what]
    for change in changes:
        altered.change(*change)
    seen = altered.run()
    arrives(seen)
    assert f"not as expected; {part}" in seen["stderr"]


def test_aggregations_that_each_delta_collection_makes_anew(altered: Altered) -> None:
    collected = "            for aggregation in self._attributes_aggregation.values():\n"
    # From 1.45.2 on the SDK does so itself.
    if collected in Path(_view_instrument_match.__file__).read_text():
        altered.change(
            "_view_instrument_match.py",
            collected,
            "            aggregations = self._attributes_aggregation\n"
            "            self._attributes_aggregation = {}\n"
            "            for aggregation in aggregations.values():\n",
        )
    seen = altered.run()
    # This SDK's own cumulative sums begin anew, too; what waited is in none of them twice.
    assert seen["counted"]["delta"] == COUNTED["delta"]
    assert seen["recorded"]["delta"] == COUNTED["delta"]


def test_doctor_says_which_parts(altered: Altered) -> None:
    altered.rename("_is_enabled", "_set_collect_callback")
    checks = altered.run("doctor")["checks"]
    assert [check["state"] for check in checks] == ["warn", "warn", "fail"]
    for check, name in zip(checks, (found.SPANS, found.RECORDS, found.READERS), strict=True):
        assert check["detail"].startswith(f"{name} are not as expected")
        assert check["remedy"]


def test_nothing_of_it_is_said_where_all_is_well(altered: Altered) -> None:
    seen = altered.run()
    arrives(seen)
    assert "not as expected" not in seen["stderr"]
    got = altered.run("before")
    assert got["got"] == ALL
    assert got["leaked"] == []
    assert altered.run("doctor")["checks"][0]["state"] == "ok"
