# SPDX-License-Identifier: Apache-2.0
"""Correlation id and trace id are one number in two spellings."""

import hashlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffe_otel import correlation

TRACE_IDS = st.integers(min_value=1, max_value=2**128 - 1)


@given(TRACE_IDS)
def test_every_trace_id_survives_the_way_there_and_back(number):
    text = correlation.correlation_id(number)
    assert text == str(uuid.UUID(int=number))
    assert correlation.trace_id(text) == number


@given(TRACE_IDS, st.booleans())
def test_both_spellings_and_both_cases_are_the_same_id(number, upper):
    plain, dashed = f"{number:032x}", str(uuid.UUID(int=number))
    if upper:
        plain, dashed = plain.upper(), dashed.upper()
    assert correlation.trace_id(plain) == correlation.trace_id(dashed) == number


@given(TRACE_IDS, TRACE_IDS)
def test_different_trace_ids_have_different_correlation_ids(one, other):
    same = correlation.correlation_id(one) == correlation.correlation_id(other)
    assert same == (one == other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 32,
        str(uuid.UUID(int=0)),
        "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
        "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "6ba7b8109dad-11d1-80b4-00c04fd430c8",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8 ",
        "6ba7b8109dad11d180b400c04fd430c8\n",
        "0x6ba7b8109dad11d180b400c04fd430",
        "6ba7b810_9dad11d180b400c04fd430c",
        "g" * 32,
        "\u0661" * 32,
    ],
)
def test_nothing_else_is_an_id(text):
    assert correlation.trace_id(text) is None


@given(st.text())
def test_any_text_maps_to_the_first_half_of_its_sha256(text):
    expected = hashlib.sha256(text.encode()).hexdigest()[:32]
    assert f"{correlation.hash_trace_id(text):032x}" == expected


def test_a_text_that_is_no_unicode_still_maps_to_an_id():
    assert correlation.hash_trace_id("broken \udc80") > 0


@pytest.mark.parametrize(
    ("text", "random"),
    [
        ("f81d4fae-7dec-4d0b-a765-00a0c91e6bf6", True),
        ("017f22e2-79b0-7cc3-98c4-dc0c0c07398f", True),
        ("c232ab00-9414-11ec-b3c8-9f6bdeced846", False),
        ("5df41881-3aed-3515-88a7-2f4a814cf09e", False),
        ("2ed6657d-e927-568b-95e1-2665a8aea6a2", False),
        ("1ec9414c-232a-6b00-b3c8-9f6bdeced846", False),
        ("2489e9ad-2ee2-8e00-8ec9-32d5f69181c0", False),
        ("f81d4fae-7dec-4d0b-0765-00a0c91e6bf6", False),
        ("f81d4fae-7dec-4d0b-e765-00a0c91e6bf6", False),
        ("4bf92f35-77b3-0da6-a3ce-929d0e0e4736", False),
    ],
)
def test_only_uuid_versions_4_and_7_count_as_random(text, random):
    assert correlation.is_random_id(uuid.UUID(text).int) is random
