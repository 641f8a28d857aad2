# SPDX-License-Identifier: Apache-2.0
"""The parts of a running backend that know no network: journal, store, loader, live."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ffe_otel.observe.addresses import private_directory
from ffe_otel.observe.decode import Known
from ffe_otel.observe.errors import ServeError
from ffe_otel.observe.influx import InfluxWriter
from ffe_otel.observe.ingest import Ingest
from ffe_otel.observe.journal import Journal
from ffe_otel.observe.live import LiveHub
from ffe_otel.observe.quarantine import SUFFIX
from ffe_otel.observe.store.clock import StoreClock
from ffe_otel.observe.store.database import Database, StoreLock
from ffe_otel.observe.store.loader import Loader
from ffe_otel.observe.store.retention import RetentionLimits

if TYPE_CHECKING:
    from ffe_otel.config.model import Config, InfluxDB


class Backend:
    """Takes rows durably, keeps them, and tells who listens what changed."""

    def __init__(self, config: Config) -> None:
        """Open journal and store and load what an earlier run left.

        Raises:
            ServeError: the store cannot be had.
        """
        serve = config.serve
        directory = Path(serve.store_path or Path(config.state_dir) / "store")
        self.directory = private_directory(directory, "serve.store_path")
        self._closing = contextlib.ExitStack()
        with contextlib.ExitStack() as opened:
            opened.callback(StoreLock(self.directory).release)
            self.live = LiveHub()
            self.database, self.journal = _open(self.directory, serve.retention_bytes)
            opened.callback(self.database.close)
            opened.callback(self.journal.close)
            known = Known()
            self.clock = StoreClock(
                self.directory,
                grace=config.retention.clock_grace,
                newest_ns=self.database.newest_ns(),
            )
            self.clock.look()
            self.loader = Loader(
                self.database,
                self.journal,
                known,
                limits=RetentionLimits(
                    serve.retention_bytes, serve.retention_days, config.retention.clock_grace
                ),
                publish=self.live.publish,
                clock=self.clock,
            )
            self.influx = _influx(self.directory, config.metrics.influxdb)
            self.ingest = Ingest(
                self.journal,
                known,
                max_pending=2 * serve.max_request_bytes,
                on_data=self.loader.wake,
                events=self.influx,
            )
            self.loader.start()
            opened.callback(self.loader.close)
            if self.influx is not None:
                self.influx.start()
                opened.callback(self.influx.close)
            opened.callback(self.ingest.close)
            self._closing = opened.pop_all()

    def size(self) -> int:
        """Bytes of store and journal on disk."""
        return self.database.size() + self.journal.size

    def health(self) -> dict[str, dict[str, Any]]:
        """The parts by name: whether they work, and what is to be known about them."""
        journal, store = self.ingest.problem, self.loader.problem
        free = shutil.disk_usage(self.directory).free
        aside = self._set_aside()
        notes = [aside, self.journal.problem, self.database.problem, *self.loader.repair.told]
        notes += [self.clock.problem, self.loader.last_retention]
        influx = {"influxdb": self.influx.health()} if self.influx is not None else {}
        return {
            "journal": {
                "ok": not journal,
                "detail": journal or f"{_bytes(self.journal.size)} wait for the store",
            },
            "store": {
                "ok": not store and not aside,
                "detail": store
                or "; ".join([*filter(None, notes), f"{_bytes(free)} free on its file system"]),
            },
            **influx,
        }

    def _set_aside(self) -> str:
        rows = self.journal.quarantine.rows
        if not rows:
            return ""
        return (
            f"{rows} {'row' if rows == 1 else 'rows'} could not be loaded and are kept in "
            f"{self.journal.directory}/*{SUFFIX}: report what is in there and delete the files"
        )

    def close(self) -> None:
        """Finish what was submitted, load it, close everything."""
        self._closing.close()


def _influx(directory: Path, config: InfluxDB) -> InfluxWriter | None:
    if not config.enabled:
        return None
    try:
        return InfluxWriter(directory / "influxdb", config)
    except OSError as error:
        raise ServeError(f"the event journal in {directory} cannot be opened: {error}") from error


def _open(directory: Path, limit: int) -> tuple[Database, Journal]:
    try:
        database = Database(directory, limit)
        # What the store has not taken is bounded, so that both stay within the limit.
        return database, Journal(directory / "journal", limit // 4)
    except ServeError:
        raise
    except OSError as error:
        raise ServeError(f"the store {directory} cannot be opened: {error}") from error


def _bytes(number: int) -> str:
    """A number of bytes for people."""
    size = float(number)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.4g} TiB"
