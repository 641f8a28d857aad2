# SPDX-License-Identifier: Apache-2.0
"""Addresses as people write them: ``127.0.0.1:4318`` means ``http://127.0.0.1:4318``."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# A slash or two forgotten, but no host that is called http.
_SLASHES = re.compile(r"(https?):/?(?=[^/])(?!\d+(?:/|$))", re.IGNORECASE)
_ODD = re.compile(r"[\x00-\x20\x7f<>\"\\^`{|}]")
_TLS_PORT = 443
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def completed(text: str, *, tls: bool = False) -> tuple[str, bool]:
    """The URL that an address stands for, and whether that had to be guessed.

    Args:
        text: what somebody wrote; blanks around it do not count.
        tls: without a scheme it is https, unless the host is this machine.

    Returns:
        The URL, empty when there is none; scheme in lower case.
    """
    text = text.strip()
    url, guessed = text, False
    if not _SCHEME.match(text):
        guessed = True
        if found := _SLASHES.match(text):
            url = f"{found[1]}://{text[found.end() :]}"
        else:
            bare = _bracketed(text.removeprefix("//"))
            bare = f"localhost{bare}" if re.match(r":\d", bare) else bare
            url = f"{_scheme_of(bare, tls=tls)}://{bare}"
    scheme, _, rest = url.partition("://")
    url = f"{scheme.lower()}://{rest}"
    return (url, guessed) if _is_usable(url) else ("", False)


def is_loopback(url: str) -> bool:
    """Whether a URL is about this machine."""
    host = urlsplit(url).hostname or ""
    return host in _LOOPBACK or host.startswith("127.")


def without_userinfo(url: str) -> str:
    """A URL as it may be shown."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"


def _bracketed(text: str) -> str:
    try:
        return f"[{ipaddress.IPv6Address(text)}]"
    except ValueError:
        return text


def _scheme_of(bare: str, *, tls: bool) -> str:
    try:
        url = f"http://{bare}"
        wants_tls = tls and not is_loopback(url)
        return "https" if wants_tls or urlsplit(url).port == _TLS_PORT else "http"
    except ValueError:
        return "http"


def _is_usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        host.encode("idna")
        return bool(
            parts.scheme in ("http", "https")
            and host
            # A number alone was meant as a port, or as anything else.
            and (not host.isdigit())
            and parts.port != 0
            and not _ODD.search(url)
        )
    except ValueError:
        return False
