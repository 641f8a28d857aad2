# SPDX-License-Identifier: Apache-2.0
"""A text in pieces gives what the whole text gives."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redaction_texts import CATALOGUE, LITERALS, PIECES, TEXTS

from ffe_otel.redaction import Redactor
from ffe_otel.redaction.stream import RedactedStream

REDACTOR = Redactor(CATALOGUE, LITERALS)
MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcFAKE\nFAKE+fake==\n-----END EC PRIVATE KEY-----\n"
LINES = st.lists(st.one_of(TEXTS, PIECES, st.just(PEM)), max_size=12).map("\n".join)


def pieces(text, *, block=65_536, margin=8_192, step=1_000):
    stream = RedactedStream(REDACTOR, block=block, margin=margin)
    for start in range(0, len(text), step):
        yield from stream.feed(text[start : start + step])
    yield from stream.finish()


def stretch(text):
    return REDACTOR.text(text, "x", 1 << 40)


@settings(MANY, max_examples=60)
@given(st.lists(LINES, min_size=6, max_size=12), st.integers(50, 5_000))
def test_pieces_give_what_the_whole_gives(texts, step):
    # Whatever is open is closed again after each part, and a part is shorter than the margin.
    closing = '<.\'"`\\"'
    text = "\n".join(f"{part[:900]}\n{'plain words ' * 40}\n{closing}\n" for part in texts)
    found = list(pieces(text, block=500, margin=2_500, step=step))
    assert "".join(piece.text for piece in found) == text
    assert "".join(piece.redacted() for piece in found) == stretch(text)


@MANY
@given(LINES, st.lists(st.integers(0, 2_000), max_size=6))
def test_pauses_show_no_literal(text, pauses):
    stream = RedactedStream(REDACTOR, block=100, margin=len(text))
    shown, last = "", 0
    for end in sorted(pauses):
        shown += "".join(p.redacted() for p in stream.feed(text[last:end]))
        shown += "".join(p.redacted() for p in stream.pause())
        last = end
    shown += "".join(p.redacted() for p in (*stream.feed(text[last:]), *stream.finish()))
    assert not any(literal in shown for literal in LITERALS)


def test_places_count_lines_and_columns():
    text = ("x\n" * 3_000 + "é password=a1 token=abc123def456\n") * 3
    places = [piece.place(span.start) for piece in pieces(text, block=900) for span in piece.spans]
    assert places == [(3_001, 12), (3_001, 21), (6_002, 12), (6_002, 21), (9_003, 12), (9_003, 21)]


def test_a_key_across_many_pieces_is_hidden():
    key = PEM.replace("MHcFAKE", "MHcFAKE\n" * 500)
    found = list(pieces(f"before\n{key}after\n" * 3, block=1_000, margin=200, step=77))
    assert "FAKE" not in "".join(piece.redacted() for piece in found)


def test_memory_is_bounded_in_a_line_without_end():
    stream = RedactedStream(REDACTOR, block=1_000, margin=100)
    held = fed = 0
    for _ in range(300):
        fed += 500
        held += 500 - sum(len(piece.text) for piece in stream.feed("words " * 83 + "ab"))
        assert held <= 9_000
    assert fed - held > 100_000


@pytest.mark.parametrize("tail", ["", "\n"])
def test_a_name_and_its_value_stay_together_where_a_line_is_cut(tail):
    text = ("words " * 20 + "password=hunter2-fake ") * 200 + tail
    found = list(pieces(text, block=500, margin=300, step=61))
    assert "".join(piece.redacted() for piece in found) == stretch(text)
    assert len(found) > 5
