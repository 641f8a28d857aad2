# SPDX-License-Identifier: Apache-2.0
"""The search finds what is there, in whatever form, and nothing else."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from canary_kind import Secret
from canary_plan import Row
from canary_search import Search

SECRET = "Kd93+mZ/q0Tr b8x"  # eight of its characters need escaping somewhere
HEX = "0123abcd4567ef89fedc"


def row(text: str, mark: str = "row-00001z") -> Row:
    return Row(mark, "made-up", "log_body", Secret(text, (text,)))


@pytest.fixture
def search() -> Search:
    return Search([row(SECRET), row(HEX, "row-00002z")])


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        "x" * 1001 + SECRET + "y" * 7,
        SECRET[3:11],
        json.dumps(SECRET).replace("/", "\\/"),
        "".join(f"\\u{ord(c):04x}" for c in SECRET),
        json.dumps(json.dumps({"key": SECRET.replace("/", "\\/")})),
        repr(SECRET.encode()),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        *(base64.b64encode(b"." * n + SECRET.encode()).decode() for n in range(3)),
        base64.urlsafe_b64encode(f"user:{SECRET}".encode()).decode().rstrip("="),
        "a" * 2 + base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_it_is_found_however_it_is_written(search: Search, written: str) -> None:
    for data in (written.encode(), written.encode("utf-16")):
        assert {one.row.mark for one in search.find(data)} == {"row-00001z"}


def test_seven_characters_are_not_found(search: Search) -> None:
    data = b"-".join(SECRET[at : at + 7].encode() for at in range(len(SECRET)))
    assert not list(search.find(data))


def test_what_two_secrets_share_is_no_finding_but_the_rest_of_them_is() -> None:
    search = Search([row("AmberBadger17"), row("AmberBadger99", "row-00002z")])
    assert not list(search.find(b"AmberBadger"))
    assert {one.row.mark for one in search.find(b"AmberBadger99")} == {"row-00002z"}


def test_ids_of_the_telemetry_are_no_findings(search: Search) -> None:
    own = b"ffff" + HEX[:12].encode()
    assert list(search.find(b'"span_id":"%s"' % own))
    assert not list(search.find(b'"span_id":"0x%s"' % own, frozenset([own])))


def test_of_an_address_in_memory_twelve_digits_are_a_finding(search: Search) -> None:
    assert not list(search.find(f"<traceback object at 0x7fa{HEX[:9]}>".encode()))
    assert list(search.find(f"<traceback object at 0x{HEX[:12]}>".encode()))
    assert list(search.find(f"0x{HEX}".encode()))


def test_in_packed_data_only_twelve_digits_are_a_finding(search: Search) -> None:
    assert not list(search.find(b"ffff" + HEX[2:13].encode(), packed=True))
    assert list(search.find(b"ffff" + HEX[2:14].encode(), packed=True))


def test_of_decimal_digits_twelve_are_a_finding_or_a_whole_number() -> None:
    search = Search([row("ab1234567890123cd"), row("9876543210", "row-00002z")])
    assert not list(search.find(b'"sum": 0.34567890, "count": 98765432'))
    assert {one.row.mark for one in search.find(b"123456789012")} == {"row-00001z"}
    assert {one.row.mark for one in search.find(b'"9876543210"')} == {"row-00002z"}
    assert not list(search.find(b'"series_id":11987654321077'))
    assert not list(search.find(b'"uid":"ee4e9876543210d7"', packed=True))


def test_pieces_that_packed_data_puts_side_by_side_are_no_findings(search: Search) -> None:
    assert not list(search.find(f"co{SECRET[3:14]}ne".encode(), packed=True))
    found = list(search.find(f"co{SECRET[3:15]}ne".encode(), packed=True))
    assert [one.row.mark for one in found] == ["row-00001z"]
