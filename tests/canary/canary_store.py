# SPDX-License-Identifier: Apache-2.0
"""What `ffe-otel serve` keeps of the requests of a process: its files, and what is in them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from canary_run import files

sys.path.insert(0, str(Path(__file__).parents[1] / "observe"))

from observe_server import Server, http, make_config, until

if TYPE_CHECKING:
    from collections.abc import Iterable


def stored(requests: Iterable[tuple[str, bytes]], state: Path) -> dict[str, bytes]:
    """Send requests on to a server; its files while it works and afterwards, and its rows."""
    parts: dict[str, bytes] = {}
    server = Server(make_config(state, otlp_grpc_port=-1)).start()
    try:
        for path, body in requests:
            url = f"{server.addresses.otlp_http}{path}"
            answer = http(url, method="POST", body=body, Content_Type="application/x-protobuf")
            assert answer.status == 200, answer
            _add_journal(parts, state)
        until(lambda: not _waiting(server), "an empty journal")
    finally:
        server.stop()
    assert any("journal" in name for name in parts)
    parts |= {f"store: {name}": data for name, data in files(state).items()}
    return parts | {"store: read back": _read_back(state)}


def _add_journal(parts: dict[str, bytes], state: Path) -> None:
    """Keep what the journal holds now: it is empty when everything is in the store."""
    for path in (state / "store" / "journal").iterdir():
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        name = f"store: journal/{path.name}"
        if len(data) > len(parts.get(name, b"")):
            parts[name] = data


def _waiting(server: Server) -> bool:
    return "0 bytes wait" not in server.get("status")["backends"]["journal"]["detail"]


def _read_back(state: Path) -> bytes:
    """Every value of every table as text."""
    with duckdb.connect(str(state / "store" / "telemetry.duckdb"), read_only=True) as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        rows = [
            str(row)
            for (table,) in tables
            for row in connection.execute(f'SELECT * FROM "{table}"').fetchall()
        ]
    return "\n".join(rows).encode("utf-8", "replace")
