# SPDX-License-Identifier: Apache-2.0
"""Keeping the store under its size and age, oldest rows first."""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ffe_otel.observe.store.database import FILE_NAME

if TYPE_CHECKING:
    from ffe_otel.observe.store.database import Connection, Database

logger = logging.getLogger(__name__)

DAY_SECONDS: Final = 86_400
DAY_NS: Final = DAY_SECONDS * 10**9
FILL: Final = 0.5
"""Share of the limit that rows may fill. A checkpoint writes row groups that lost rows anew
before it frees the old ones, and the file does not shrink, so that it needs the rest."""
TARGET: Final = 0.4
"""Share of the limit that is left filled after rows had to go."""
LOOK: Final = 1 / 32
"""Share of the limit that may arrive before the size is looked at out of turn."""
KEPT_ASIDE: Final = 1
"""Stores that were set aside as unreadable and are kept for somebody to look at."""
# Table, its time column, and whether a row's arrival counts as its age too: a sender with
# a clock in the future must not get rows that never age.
_AGED: Final = (
    ("spans", "start_ns", True),
    ("logs", "time_ns", True),
    ("points", "time_ns", True),
    ("traces", "last_ns", False),
    ("cycles", "last_ns", False),
    ("decisions", "seen_ns", False),
)


@dataclass(frozen=True, slots=True)
class RetentionLimits:
    """``size`` in bytes over store and journal, ``age`` in days."""

    size: int
    age: float


def enforce(database: Database, spoken_for: int, limits: RetentionLimits) -> str:
    """Retire what is too old or too much; a sentence that says what went, or nothing.

    ``spoken_for`` bytes of the limit are not for rows.
    """
    _drop_old_asides(database)
    connection = database.writer
    cutoff = time.time_ns() - int(limits.age * DAY_NS)
    removed = _remove(connection, cutoff, arrival=True)
    reason = "older than the configured age"
    held, room = _used(database), _room(spoken_for, limits)
    if held > FILL * room:
        share = 1 - TARGET * room / held
        cutoff = _oldest(connection, min(max(share, 0.05), 1.0))
        removed += _remove(connection, cutoff, arrival=False)
        reason = f"beyond {limits.size} bytes"
    if not removed:
        return ""
    connection.execute("DELETE FROM series WHERE series_id NOT IN (SELECT series_id FROM points)")
    connection.execute("CHECKPOINT")
    moment = datetime.fromtimestamp(max(cutoff, 0) / 1e9, UTC).isoformat(timespec="seconds")
    text = f"{removed} rows before {moment} were retired, {reason}"
    logger.info("ffe-otel serve: %s", text)
    return text


def crowded(database: Database, spoken_for: int, limits: RetentionLimits) -> bool:
    """Whether rows fill more than their share; cheap, nothing is deleted."""
    return _used(database) > FILL * _room(spoken_for, limits)


def _room(spoken_for: int, limits: RetentionLimits) -> int:
    return max(limits.size - spoken_for, 0)


def _used(database: Database) -> int:
    """Bytes of the file that hold data, and the write-ahead log."""
    row = database.writer.execute(
        "SELECT used_blocks * block_size FROM pragma_database_size() "
        "WHERE database_name = current_database()"
    ).fetchone()
    return int(row[0]) + database.log_size() if row else 0


def _oldest(connection: Connection, share: float) -> int:
    """The time before which ``share`` of all rows lie, ns."""
    row = connection.execute(
        f"SELECT approx_quantile(t, {share}) FROM (SELECT start_ns AS t FROM spans "  # noqa: S608
        "UNION ALL SELECT time_ns FROM logs UNION ALL SELECT time_ns FROM points)"
    ).fetchone()
    return int(row[0]) + 1 if row and row[0] is not None else 0


def _remove(connection: Connection, cutoff: int, *, arrival: bool) -> int:
    removed = 0
    for table, column, arrives in _AGED:
        condition = f"{column} < {cutoff}"
        if arrives and arrival:
            condition += f" OR seen_ns < {cutoff}"
        row = connection.execute(f"DELETE FROM {table} WHERE {condition}").fetchone()  # noqa: S608
        removed += int(row[0]) if row else 0
    return removed


def _drop_old_asides(database: Database) -> None:
    asides = sorted(database.path.parent.glob(f"{FILE_NAME}.*.aside"), reverse=True)
    for path in asides[KEPT_ASIDE:]:
        for file in (path, path.with_name(path.name + ".wal")):
            with contextlib.suppress(OSError):
                file.unlink()
