# SPDX-License-Identifier: Apache-2.0
"""Keeping the store under its size and age, oldest rows first.

A row's age is how long ago it arrived. What it claims of its own time removes it earlier only
where that can be true and it has been here for the grace that a clock gets to be set right.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ffe_otel.observe.store import asides
from ffe_otel.observe.store.schema import plausible

if TYPE_CHECKING:
    from collections.abc import Iterable

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
# Table, the time its rows claim, and when they arrived. Traces and cycles of a store that an
# earlier version filled may not know the latter.
_AGED: Final = (
    ("spans", "start_ns", "seen_ns"),
    ("logs", "time_ns", "seen_ns"),
    ("points", "time_ns", "seen_ns"),
    ("traces", "last_ns", "coalesce(seen_ns, last_ns)"),
    ("cycles", "last_ns", "coalesce(seen_ns, last_ns)"),
)


@dataclass(frozen=True, slots=True)
class RetentionLimits:
    """``size`` in bytes over store and journal, ``age`` in days, ``grace`` in seconds."""

    size: int
    age: float
    grace: float = 0.0


def enforce(
    database: Database, spoken_for: int, limits: RetentionLimits, now_ns: int | None = None
) -> str:
    """Retire what is too old or too much; a sentence that says what went, or nothing.

    Args:
        database: what to retire from.
        spoken_for: bytes of the limit that are not for rows.
        limits: how much and how old.
        now_ns: the time by which rows age, if that is not the machine's.
    """
    now = time.time_ns() if now_ns is None else now_ns
    asides.retire(database.path, limits.age * DAY_SECONDS, now / 1e9)
    connection = database.writer
    cutoff = now - int(limits.age * DAY_NS)
    removed = _remove_old(connection, cutoff, now - int(limits.grace * 1e9))
    reason = "older than the configured age"
    held, room = _used(database), _room(spoken_for, limits)
    if held > FILL * room:
        share = 1 - TARGET * room / held
        cutoff = _oldest(connection, min(max(share, 0.05), 1.0))
        removed += _remove(connection, [f"{arrived} < {cutoff}" for _, _, arrived in _AGED])
        reason = f"beyond {limits.size} bytes"
    if not removed:
        return ""
    connection.execute("DELETE FROM decisions WHERE trace_id NOT IN (SELECT trace_id FROM cycles)")
    connection.execute("DELETE FROM series WHERE series_id NOT IN (SELECT series_id FROM points)")
    connection.execute("CHECKPOINT")
    moment = datetime.fromtimestamp(max(cutoff, 0) / 1e9, UTC).isoformat(timespec="seconds")
    text = f"{removed} rows that came before {moment} were retired, {reason}"
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
    """The time before which ``share`` of all rows arrived, ns."""
    row = connection.execute(
        f"SELECT approx_quantile(t, {share}) FROM (SELECT seen_ns AS t FROM spans "  # noqa: S608
        "UNION ALL SELECT seen_ns FROM logs UNION ALL SELECT seen_ns FROM points)"
    ).fetchone()
    return int(row[0]) + 1 if row and row[0] is not None else 0


def _remove_old(connection: Connection, cutoff: int, settled: int) -> int:
    """Remove what arrived before ``cutoff``, or before ``settled`` and is older by its own word."""
    return _remove(
        connection,
        [
            f"{arrived} < {cutoff} OR ({arrived} < {settled} "
            f"AND {plausible(claimed, arrived)} < {cutoff})"
            for _, claimed, arrived in _AGED
        ],
    )


def _remove(connection: Connection, conditions: Iterable[str]) -> int:
    removed = 0
    for (table, _, _), condition in zip(_AGED, conditions, strict=True):
        row = connection.execute(f"DELETE FROM {table} WHERE {condition}").fetchone()  # noqa: S608
        removed += int(row[0]) if row else 0
    return removed
