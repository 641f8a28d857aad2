# SPDX-License-Identifier: Apache-2.0
"""Where the backend listens, the token that opens its page, and the file that says so."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import json
import os
import re
import secrets
import socket
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from ffe_otel.observe.errors import ServeError

if TYPE_CHECKING:
    from pathlib import Path

    from ffe_otel.config.model import Serve

STATE_FILE: Final = "serve.json"
TOKEN_FILE: Final = "token"  # noqa: S105 - a file name

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{32,}")


@dataclass(frozen=True, slots=True)
class Addresses:
    """What a running backend answers to.

    Attributes:
        page: base URL of page and API.
        token: what opens them.
        otlp_http: base URL for OTLP/HTTP.
        otlp_grpc: URL for OTLP/gRPC, None when it is switched off.
    """

    page: str
    token: str
    otlp_http: str
    otlp_grpc: str | None

    @property
    def page_with_token(self) -> str:
        """The address to open in a browser."""
        return f"{self.page}/?token={self.token}"


def is_loopback(host: str) -> bool:
    """Whether ``host`` can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def check_exposure(serve: Serve) -> None:
    """Refuse to listen beyond this machine without encryption.

    Raises:
        ServeError: the host is not loopback and nothing encrypts, or half a key pair is set.
    """
    if bool(serve.tls_certificate) != bool(serve.tls_key):
        raise ServeError("serve.tls_certificate and serve.tls_key belong together; set both")
    for key in ("tls_certificate", "tls_key"):
        path = getattr(serve, key)
        if path and not os.access(path, os.R_OK):
            raise ServeError(f"serve.{key}: {path} does not exist or cannot be read")
    if is_loopback(serve.host) or serve.tls_certificate or serve.tls_terminated_by:
        return
    raise ServeError(
        f"serve.host is {serve.host}, which other machines can reach, and nothing encrypts: set "
        "serve.tls_certificate and serve.tls_key, or name what terminates TLS in front of it in "
        "serve.tls_terminated_by, or listen on 127.0.0.1"
    )


def listen(host: str, port: int, key: str) -> socket.socket:
    """A listening socket; ``key`` is the configuration key to name when it cannot be had.

    Raises:
        ServeError: the port is taken or the address is not this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # Of the two meanings of "localhost" senders use the older one.
        family, kind, protocol, _, address = min(found, key=lambda i: i[0] != socket.AF_INET)
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ServeError(f"serve.host: {host} is no address to listen on ({error})") from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(512)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise ServeError(
                f"port {port} on {host} is taken; stop the program that has it (another "
                f"`ffe-otel serve` or a Collector?) or set {key} to another port"
            ) from error
        raise ServeError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return sock


def url_host(host: str) -> str:
    """``host`` as it stands in a URL that opens on this machine."""
    if host in {"0.0.0.0", ""}:  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


def load_token(state_dir: Path, configured: str) -> str:
    """The configured token, or the one kept in ``state_dir``, made on first use."""
    if configured:
        return configured
    path = state_dir / TOKEN_FILE
    with contextlib.suppress(FileNotFoundError):
        kept = path.read_text("ascii", "replace").strip()
        # A damaged file would make a token that no header can carry.
        if _TOKEN.fullmatch(kept):
            path.chmod(0o600)
            return kept
    token = secrets.token_urlsafe(32)
    write_private(path, token + "\n")
    return token


def write_state(state_dir: Path, addresses: Addresses) -> Path:
    """Tell other programs of this user where the backend is."""
    path = state_dir / STATE_FILE
    write_private(path, json.dumps({"pid": os.getpid(), **asdict(addresses)}, indent=2) + "\n")
    return path


def remove_state(path: Path) -> None:
    """Take the announcement back unless somebody else has written one since."""
    with contextlib.suppress(OSError, ValueError):
        if json.loads(path.read_text())["pid"] == os.getpid():
            path.unlink()


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole with one that only this user can read.

    Raises:
        ServeError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        temporary.replace(path)
    except OSError as error:
        raise ServeError(
            f"cannot write {path}: {error.strerror}; free space or set state_dir to another place"
        ) from error


def private_directory(path: Path, key: str) -> Path:
    """Make sure ``path`` is a directory of this user's only.

    Raises:
        ServeError: it cannot be made or written to; names ``key`` as the remedy.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        probe = path / f".probe.{os.getpid()}"
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        raise ServeError(
            f"cannot write to the directory {path}: {error.strerror}; make it writable for this "
            f"user or set {key} to another one"
        ) from error
    return path
