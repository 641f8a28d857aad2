# SPDX-License-Identifier: Apache-2.0
"""Texts that detectors react to, strung together with arbitrary ones."""

from hypothesis import strategies as st

from ffe_otel.redaction import load_catalogue

CATALOGUE = load_catalogue()
LITERALS = ("hunter2hunter2", "s3cr3t value", "pässwörter-9")
PIECES = st.sampled_from(
    [
        *(e.replace("«", "").replace("»", "") for r in CATALOGUE.rules for e in r.match),
        *(e for r in CATALOGUE.rules for e in r.no_match),
        *LITERALS,
        *(f"[redacted:{r.id}]" for r in CATALOGUE.rules),
        "token=", "password: ", "'", '"', '\\"', "://", "@", ":", "?", "&key=", "=", ",", "(", "[",
        "-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----", "%3D", "%26", "--token ",
        "Bearer ", "Basic ", "eyJ", "sk-", "\n", "é", "İ", "\ud800", "<password>", "api ", "key ",
        "101-004-1234567-001", "[redacted:", "]",
    ]
)  # fmt: skip
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=8).map("".join)
