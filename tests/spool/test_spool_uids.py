# SPDX-License-Identifier: Apache-2.0
"""Identities of log records."""

from __future__ import annotations

import re
import time

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from ffe_otel import semconv
from ffe_otel.export.spool.uids import Uids

ULID = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def uids(record: bytes) -> list[str]:
    return [
        each.value.string_value
        for each in LogRecord.FromString(record).attributes
        if each.key == semconv.LOG_RECORD_UID
    ]


def milliseconds(uid: str) -> int:
    value = 0
    for digit in uid[:10]:
        value = value * 32 + DIGITS.index(digit)
    return value


@given(st.text(), st.dictionaries(st.text(), st.text(), max_size=3))
def test_a_record_gets_a_ulid_and_stays_what_it_is(body, attributes):
    record = LogRecord(
        body=AnyValue(string_value=body),
        attributes=[
            KeyValue(key=key, value=AnyValue(string_value=value))
            for key, value in attributes.items()
        ],
    )
    before = time.time_ns() // 1_000_000
    marked = Uids().mark(record.SerializeToString())
    [uid] = uids(marked)

    assert ULID.fullmatch(uid)
    assert before <= milliseconds(uid) <= time.time_ns() // 1_000_000
    decoded = LogRecord.FromString(marked)
    del decoded.attributes[-1]
    assert decoded == record


def test_no_two_records_have_the_same_and_those_of_a_batch_are_in_order():
    batches = [Uids() for _ in range(40)]
    found = [[uids(batch.mark(b""))[0] for _ in range(1_100)] for batch in batches]

    assert all(batch == sorted(batch) for batch in found)
    assert len({uid for batch in found for uid in batch}) == 40 * 1_100


def test_a_record_that_has_one_keeps_it():
    own = KeyValue(key=semconv.LOG_RECORD_UID, value=AnyValue(string_value="mine"))
    record = LogRecord(attributes=[own]).SerializeToString()

    assert uids(Uids().mark(record)) == ["mine"]
