# SPDX-License-Identifier: Apache-2.0
"""The redactor for when nobody knows what is to be hidden lets words of ours through only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffe_otel import semconv
from ffe_otel.redaction import load_catalogue
from ffe_otel.redaction.records import redact_line
from ffe_otel.redaction.withholding import WITHHELD, WithholdingRedactor, words

REDACTOR = WithholdingRedactor(load_catalogue(), ["aborted"])


@given(st.text(min_size=1))
def test_no_other_text_passes(text):
    assert REDACTOR.text(text, "log") == (text if text in words() else WITHHELD)


values = st.recursive(
    st.text(min_size=1).filter(lambda text: text not in words())
    | st.integers(min_value=2)
    | st.floats()
    | st.binary(min_size=1),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text() | st.sampled_from(sorted(words())), values))
def test_no_value_passes(mapping):
    assert set(REDACTOR.mapping(mapping, "log").values()) <= {WITHHELD}


@given(values, st.text())
def test_no_single_value_passes(value, key):
    assert REDACTOR.value(value, key, "log") == WITHHELD


def test_names_and_statuses_of_ours_pass_unless_they_are_listed_as_secret():
    assert REDACTOR.text(semconv.SPAN_CYCLE, "name") == semconv.SPAN_CYCLE
    assert REDACTOR.text("executed", "attribute") == "executed"
    assert REDACTOR.text("aborted", "attribute") == WITHHELD
    given = {semconv.CYCLE_OUTCOME: "rejected", semconv.ABORTED: True, "owner": "rejected"}
    assert REDACTOR.mapping(given, "attribute") == {
        semconv.CYCLE_OUTCOME: "rejected",
        semconv.ABORTED: True,
    }


def test_of_a_log_line_ids_time_and_level_are_left():
    kept = {
        "timestamp": "2026-01-31T10:00:00.000000+00:00",
        "level": "ERROR",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }
    line = {**kept, "logger": "mine", "message": "a text", "balance": 5, "span_id": "not an id"}

    assert redact_line(line, REDACTOR) == {**kept, "message": WITHHELD}


@pytest.mark.parametrize(
    ("metric", "shown"),
    [
        (semconv.CYCLE_DURATION.name, True),
        (semconv.OTEL_DROPPED.name, True),
        (semconv.PORTFOLIO_VALUE.name, False),
        (semconv.TRADE_PNL_SUM.name, False),
        ("engine_orders", False),
    ],
)
def test_metrics_of_ours_without_money_are_shown(metric, shown):
    assert REDACTOR.wants_metric(metric) is shown
