# SPDX-License-Identifier: Apache-2.0
"""What dead processes left for the server of a state directory is sent to it, while it runs."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ffe_otel.cli.lease import FOLDER
from ffe_otel.export import otlp
from ffe_otel.export.spool.drain import Drain, Drained
from ffe_otel.export.spool.notices import Notices
from ffe_otel.export.spool.outbox import folder_name
from ffe_otel.export.spool.usage import usage
from ffe_otel.export.stats import ExportStats, Signal
from ffe_otel.foundation.descriptors import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ffe_otel.cli.client import Server
    from ffe_otel.config import Config
    from ffe_otel.export.spool.usage import Usage

_EVERY_SECONDS: Final = 5.0
_LAST_SECONDS: Final = 10.0
_MOST_ADDRESSES: Final = 100


class Leftovers:
    """Sends them now and then, on a thread, and once more at the end.

    Only what was to go to this server, under the address that it has or had: what waits for
    another endpoint is nobody else's business.
    """

    def __init__(self, config: Config, server: Server, headers: Mapping[str, str]) -> None:
        """Prepare to send to ``server`` with ``headers``."""
        self._config = config
        self._server = server
        self._headers = headers
        self._root = Path(config.state_dir, config.spool.directory)
        self._names = self._folder_names()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ffe-otel-leftovers", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> int:
        """Send what is left now and end; how many spans, log records and points that were."""
        self._ends.set()
        self._thread.join(_LAST_SECONDS)
        return 0 if self._thread.is_alive() else self._send(time.monotonic() + _LAST_SECONDS)

    def _run(self) -> None:
        while not self._ends.is_set():
            self._send(time.monotonic() + _EVERY_SECONDS)
            self._ends.wait(_EVERY_SECONDS)

    def _send(self, deadline: float) -> int:
        items = 0
        with contextlib.suppress(OSError):
            for each in usage(self._root):
                if each.left_bytes and each.path.name in self._names:
                    items += self._drain(each, deadline).items
        return items

    def _drain(self, each: Usage, deadline: float) -> Drained:
        signal = Signal(each.signal)
        transport = otlp.transport_to(
            self._config,
            signal,
            f"{self._server.otlp_http}/v1/{signal}",
            self._headers,
            self._server.certificate,
        )
        # What a server of ours says is about what it got, and that is redacted.
        drain = Drain(
            self._config, each.path, transport, ExportStats(), Notices(self._root), str
        )  # fmt: skip
        return drain.run(lambda _: None, deadline)

    def _folder_names(self) -> set[str]:
        bases = {self._server.otlp_http, *self._earlier()}
        serve = self._config.serve
        if serve.otlp_http_port:
            bases |= {
                f"http://{host}:{serve.otlp_http_port}"
                for host in ("127.0.0.1", "localhost", serve.host)
            }
        return {folder_name(s, f"{base}/v1/{s}") for base in bases for s in Signal}

    def _earlier(self) -> list[str]:
        """Addresses that servers of this state directory had; this one's is written down."""
        file = Path(self._config.state_dir, FOLDER, "addresses")
        known: list[str] = []
        with contextlib.suppress(OSError):
            known = file.read_text(encoding="utf-8").split()
        mine = self._server.otlp_http
        if mine not in known and urlsplit(mine).port:
            known = [*known, mine][-_MOST_ADDRESSES:]
            with contextlib.suppress(OSError):
                write_private(file, "\n".join(known) + "\n")
        return known
