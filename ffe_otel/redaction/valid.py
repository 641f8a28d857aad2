# SPDX-License-Identifier: Apache-2.0
"""Texts that are no valid Unicode, or that some output cannot show.

Every text of a record passes redaction on its way out, so this is where they are mended:
one lone surrogate, as a file name or a broken answer brings it, makes a request, or a whole
page, fail to encode.
"""

from __future__ import annotations

from typing import Final

from ffe_otel.redaction.surfaces import Surface

# They come to stand on a page for Prometheus, where a NUL ends the text.
_ON_PAGES: Final = frozenset(
    {Surface.LABEL, Surface.EXEMPLAR, Surface.SCOPE, Surface.RESOURCE, Surface.NAME}
)


def valid_text(text: str) -> str:
    """The text itself, or with its lone surrogates written as escapes."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def fit_text(text: str, surface: str) -> str:
    """A text fit for the outputs of what was found on a surface."""
    text = valid_text(text)
    if "\0" in text and surface in _ON_PAGES:
        return text.replace("\0", "\\x00")
    return text


def is_fit(text: str) -> bool:
    """Whether a text is fit for every output."""
    return "\0" not in text and (text.isascii() or valid_text(text) == text)
