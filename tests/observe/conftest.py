# SPDX-License-Identifier: Apache-2.0
"""Fixtures that start real backends."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from observe_server import Server, make_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers; all are stopped at the end."""
    with contextlib.ExitStack() as stack:

        def begin(state_dir: Path = tmp_path / "state", **serve: Any) -> Server:
            server = Server(make_config(state_dir, **serve)).start()
            stack.callback(server.stop)
            return server

        yield begin


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that all tests of a file ask, and none changes."""
    server = Server(make_config(tmp_path_factory.mktemp("shared"), otlp_grpc_port=-1)).start()
    yield server
    server.stop()


@pytest.fixture
def server(start: Callable[..., Server]) -> Server:
    """One server with default settings, without gRPC."""
    return start(otlp_grpc_port=-1)
