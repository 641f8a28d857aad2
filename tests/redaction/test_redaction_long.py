# SPDX-License-Identifier: Apache-2.0
"""Long texts are worked through in parts; nothing at a seam is lost or taken for something else."""

import pytest
from redaction_texts import CATALOGUE

from ffe_otel.redaction import Redactor

PART = 16_384
SEAMS = range(PART - 100, PART + 20, 3)


@pytest.fixture(params=["re2", "python"])
def redact(request):
    redactor = Redactor(CATALOGUE, gate=request.param)
    return lambda text: redactor.strict_text(text, "body", 1 << 30)


@pytest.mark.parametrize("behind", [",next=5", ", and more", "&limit=5", " more", "; more", "\\n"])
def test_a_long_value_ends_where_a_short_one_does(redact, behind):
    short = redact(f"password=aB3x9{behind}")
    for length in SEAMS:
        value = ("aB3x9" * 4_000)[:length]
        assert redact(f"password={value}{behind}") == short


def test_signs_that_belong_to_a_value_do_not_end_it_at_a_seam(redact):
    for length in SEAMS:
        value = ("aB3x9" * 4_000)[:length]
        assert redact(f"password={value},{value}&{value} end") == "password=[redacted:password] end"


def test_quoted_fields_are_read_over_seams(redact):
    fields = ", ".join(f'field{n}="aB3x9, {n}"' for n in range(2_000))
    for pad in range(0, 40, 3):
        text = f"Authorization: Digest {'x' * pad}, {fields}\nbehind"
        assert redact(text) == "Authorization: [redacted:authorization]\nbehind"


def test_an_escape_at_a_seam_is_decoded(redact):
    for length in range(PART - 40, PART + 5):
        text = "x" * length + "%20password%3DaB3x9aB3x9%20" + "y" * PART
        assert "aB3x9" not in redact(text)


def test_thousands_of_secrets_go_and_their_surroundings_stay(redact):
    lines = [f"line {n}: password=FAKEfake{n:08d} kept {n}" for n in range(3_000)]
    expected = [f"line {n}: password=[redacted:password] kept {n}" for n in range(3_000)]
    assert redact("\n".join(lines)).split("\n") == expected


def test_a_phrase_in_a_long_run_of_its_words_is_found(redact):
    phrase = "abandon " * 11 + "about"
    for length in (100, 250, 256, 300, 5_000):
        assert phrase not in redact("zoo " * length + phrase + " zoo" * 5_000)
