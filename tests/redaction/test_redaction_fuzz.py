# SPDX-License-Identifier: Apache-2.0
"""Whatever goes in: nothing raises, no secret comes out, and twice is once."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import SpanContext, Status, StatusCode
from redaction_texts import CATALOGUE, LITERALS, TEXTS

from ffe_otel.redaction import Redactor, records
from ffe_otel.redaction.redactor import FAILED

REDACTORS = [Redactor(CATALOGUE, LITERALS, gate=gate) for gate in ("python", "re2")]
MANY = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.binary(max_size=40),
    TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")), st.decimals(), st.uuids(),
)  # fmt: skip
KEYS = st.one_of(TEXTS, st.sampled_from(["password", "token", "account_id", "note", "value"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(KEYS, inner, max_size=4),
    ),
    max_leaves=12,
)
GLUE = st.sampled_from(["", " ", "=", ": ", '"', "'", "/", ",", "\n", "\0", "é", "\\", "x", "0"])


def shows(value):
    return any(literal in repr(value) or literal in str(value) for literal in LITERALS)


@pytest.mark.parametrize("redactor", REDACTORS)
@MANY
@given(value=VALUES, key=KEYS)
def test_values(redactor, value, key):
    once = redactor.value(value, key, "attribute")
    assert once != FAILED
    assert not shows(once)
    # What floats compare to is no question of redaction.
    assert repr(redactor.value(once, key, "attribute")) == repr(once)


@pytest.mark.parametrize("redactor", REDACTORS)
@MANY
@given(mapping=st.dictionaries(KEYS, VALUES, max_size=5))
def test_mappings(redactor, mapping):
    once = redactor.mapping(mapping, "attribute")
    assert len(once) == len(mapping)
    assert not shows(once)
    assert repr(redactor.mapping(once, "attribute")) == repr(once)


@pytest.mark.parametrize("redactor", REDACTORS)
@MANY
@given(before=TEXTS, glue=GLUE, literal=st.sampled_from(LITERALS), after=TEXTS)
def test_literals_glued_to_anything(redactor, before, glue, literal, after):
    once = redactor.text(f"{before}{glue}{literal}{glue}{after}", "body")
    assert literal not in once
    assert redactor.text(once, "body") == once


@MANY
@given(name=TEXTS, attributes=st.dictionaries(KEYS, VALUES, max_size=3), body=VALUES)
def test_records(name, attributes, body):
    redactor = REDACTORS[0]
    span = ReadableSpan(
        name=name,
        context=SpanContext(1, 2, is_remote=False),
        resource=Resource({"note": name}),
        attributes=attributes,
        events=(Event(name, attributes, 1),),
        status=Status(StatusCode.ERROR, name),
    )
    found = records.redact_span(span, redactor)
    assert found.name != records.SKELETON
    assert not shows([found.name, dict(found.attributes), dict(found.events[0].attributes)])
    log = ReadableLogRecord(LogRecord(body=body, attributes=attributes), Resource({}))
    logged = records.redact_log(log, redactor)
    assert not shows([logged.log_record.body, dict(logged.log_record.attributes)])
