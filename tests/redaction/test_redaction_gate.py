# SPDX-License-Identifier: Apache-2.0
"""What decides early that there is nothing to find never decides so when there is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redaction_texts import CATALOGUE

from ffe_otel.redaction.gate import make_gate
from ffe_otel.redaction.names import NameIndex

MANY = settings(max_examples=400, deadline=None)
ANCHORS = st.text("ab1-_:=?$ \"'(\n", min_size=1, max_size=8)
DIGIT_ANCHORS = st.text("0- ", min_size=1, max_size=12).filter(lambda text: "0" in text)
GLUE = st.text("abc123-_:=?$ \"'(\n", max_size=4)


class Wanted:
    """A detector that has anchors and finds nothing."""

    def __init__(self, anchors=(), digit_anchors=()):
        self.anchors, self.digit_anchors = anchors, digit_anchors

    def find(self, text, low):
        return iter(())


@MANY
@pytest.mark.parametrize("name", ["python", "re2", "auto"])
@given(st.data())
def test_a_gate_chooses_every_detector_with_an_anchor_in_the_text(name, data):
    anchors = data.draw(st.lists(ANCHORS, min_size=1, max_size=12, unique=True))
    digits = data.draw(st.lists(DIGIT_ANCHORS, max_size=4, unique=True))
    detectors = [
        *(Wanted(anchors=(anchor,)) for anchor in anchors),
        *(Wanted(digit_anchors=(anchor,)) for anchor in digits),
    ]
    gate = make_gate(detectors, name)
    examples = [*anchors, *(anchor.replace("0", "7") for anchor in digits)]
    # The second text finds the tokens of the first remembered.
    for _ in range(2):
        put = data.draw(st.lists(st.sampled_from(examples), max_size=4))
        low = "".join(data.draw(GLUE) + one for one in put) + data.draw(GLUE)
        zeroed = "".join("0" if character.isdigit() else character for character in low)
        wanted = {
            id(detector)
            for detector in detectors
            if any(anchor in low for anchor in detector.anchors)
            or any(anchor in zeroed for anchor in detector.digit_anchors)
        }
        assert wanted <= {id(detector) for detector, _ in gate(low)}


def test_the_python_gate_looks_on_after_its_memory_was_full():
    detector = Wanted(anchors=("secret", "sk-"))
    gate = make_gate([detector], "python")
    for start in range(0, 40_000, 400):
        assert not gate(" ".join(f"w{_letters(n)}" for n in range(start, start + 400)))
    assert gate("my secret")[0][0] is detector
    assert gate("task sk-1")[0][0] is detector
    assert not gate("task risk")


def _letters(number):
    return "".join("bcdfghjlmn"[int(digit)] for digit in str(number))


NAMES = NameIndex(CATALOGUE.of_kind("key"), CATALOGUE.allowed_keys)
PARTS = sorted(
    {word for rule in CATALOGUE.of_kind("key") for n in rule.names for word in n.split()}
)
RUNS = st.lists(
    st.sampled_from([*PARTS, "price", "x", "12", "_", "-", ".", "V2", ".prod"]),
    min_size=1,
    max_size=3,
).flatmap(lambda parts: st.sampled_from(["".join(parts), "_".join(parts), "".join(parts).title()]))


@settings(max_examples=2_000, deadline=None)
@given(RUNS, RUNS)
def test_a_hopeless_name_has_no_rule(front, word):
    if NAMES.is_hopeless(word, ""):
        assert NAMES.rule_for(word) is None
    if NAMES.is_hopeless(word, front[-1]):
        assert NAMES.rule_for(f"{front} {word}") is None
