# SPDX-License-Identifier: Apache-2.0
"""The Collector's queue files: which are damaged, and setting those aside.

A Collector does not start with a damaged queue file, or sends what it can read of it. A file
that is set aside is out of its way: it makes a new one, and the other queues deliver. Files
that a Collector has open are left alone; it holds a lock on them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ffe_otel import semconv
from ffe_otel.observe.bolt import DamageError, Entry, read
from ffe_otel.observe.quarantine import private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SUFFIX: Final = ".damaged"
_ASIDE: Final = frozenset({SUFFIX, ".backup"})
"""Ours, and what the Collector's own ``recreate`` makes."""
_COMPACTION: Final = "tempdb"
_METADATA: Final = b"qmv0"
_V1: Final = b"\x0d\x01\x00\x00\x00"
"""How the Collector's queue begins a batch: field 1, format version 1."""
_DATA_FIELD: Final = 3
_GONE: Final = b"\xff"
_MESSAGES: Final[dict[str, Any]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}


class State(Enum):
    """What a queue file is like."""

    FINE = "fine"
    IN_USE = "in use"
    UNREADABLE = "unreadable"
    DAMAGED = "damaged"
    SET_ASIDE = "set aside"


@dataclass(frozen=True, slots=True)
class Finding:
    """A queue file and its state; ``detail`` says more in a sentence, for all but fine ones."""

    path: Path
    state: State
    detail: str = ""


def check(directory: Path, *, repair: bool) -> Iterator[Finding]:
    """Look at every queue file below a Collector's state directory.

    Args:
        directory: ``FFE_COLLECTOR_STATE``, with a folder for each exporter.
        repair: move damaged files, and batches that are damaged in a file that is not, to
            files named ``*.damaged``.
    """
    for path in _files(directory):
        if path.suffix in _ASIDE or path.name.startswith(_COMPACTION):
            continue
        try:
            yield from _examine(path, repair=repair)
        except FileNotFoundError:
            continue
        except OSError as error:
            detail = (
                f"{path} cannot be examined: {error.strerror}; run this as the Collector's user"
            )
            yield Finding(path, State.UNREADABLE, detail)


def page(directory: Path) -> str:
    """How many files are set aside, by folder, in Prometheus' text format."""
    metric = semconv.COLLECTOR_QUEUES_ASIDE
    counts = {folder.name: 0 for folder in _folders(directory)}
    for path in _files(directory):
        counts[path.parent.name] += path.suffix in _ASIDE
    lines = [
        f"# HELP {metric.prometheus} {metric.description}",
        f"# TYPE {metric.prometheus} gauge",
    ]
    lines += [f'{metric.prometheus}{{queue="{name}"}} {count}' for name, count in counts.items()]
    return "\n".join([*lines, ""])


def _folders(directory: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return sorted(path for path in directory.iterdir() if path.is_dir())
    return []


def _files(directory: Path) -> list[Path]:
    return [p for folder in _folders(directory) for p in sorted(folder.iterdir()) if p.is_file()]


def _examine(path: Path, *, repair: bool) -> Iterator[Finding]:
    with _locked(path) as free:
        if not free:
            yield Finding(path, State.IN_USE, f"{path} is in use by a Collector")
            return
    # Not under the lock: a big file takes longer than a Collector waits for it.
    reason, batches = _damage(path)
    if not reason and not batches:
        yield Finding(path, State.FINE)
        return
    with _locked(path) as free:
        if not free:
            yield Finding(path, State.IN_USE, f"{path} is in use by a Collector")
            return
        # What was read in between may have been half written.
        reason, batches = _damage(path)
        if reason:
            yield _file(path, reason, repair=repair)
        elif batches:
            yield _batches(path, batches, repair=repair)


def _file(path: Path, reason: str, *, repair: bool) -> Finding:
    what = f"the queue file {path} is damaged ({reason})"
    if not repair:
        advice = "run `ffe-otel collector check-queues --repair` before the Collector starts"
        return Finding(path, State.DAMAGED, f"{what}; {advice}")
    target = path.with_name(f"{path.name}.{_now()}{SUFFIX}")
    path.rename(target)
    detail = (
        f"{what} and is set aside as {target.name}; what waited in it is lost to its backend, "
        "other queues are whole; check the disk, then delete that file"
    )
    return Finding(path, State.SET_ASIDE, detail)


def _batches(path: Path, batches: Sequence[Entry], *, repair: bool) -> Finding:
    names = ", ".join(batch.key.decode(errors="replace") for batch in batches)
    what = f"in the queue file {path} these batches are damaged: {names}"
    if not repair:
        advice = "run `ffe-otel collector check-queues --repair` before the Collector starts"
        return Finding(path, State.DAMAGED, f"{what}; {advice}")
    target = path.with_name(f"{path.name}.{_now()}{SUFFIX}")
    with os.fdopen(private(target), "wb") as kept:
        for batch in batches:
            kept.write(b"%s %d\n%s\n" % (batch.key, len(batch.value), batch.value))
        kept.flush()
        os.fsync(kept.fileno())
    # Whatever can be read of a batch the Collector sends, together with its neighbours, and the
    # backend refuses them all. This it cannot read, and passes over it alone.
    with path.open("r+b") as file:
        for batch in batches:
            file.seek(batch.position)
            file.write(_GONE * len(batch.value))
        file.flush()
        os.fsync(file.fileno())
    detail = (
        f"{what}; they are taken out and kept in {target.name}, the others are delivered; check "
        "the disk, then delete that file"
    )
    return Finding(path, State.SET_ASIDE, detail)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def _damage(path: Path) -> tuple[str, list[Entry]]:
    """Why nothing more can be read, or else the batches that cannot be."""
    exporter, _, signal = path.name.rpartition("_")
    message = _MESSAGES.get(signal) if exporter.startswith("exporter_") else None
    batches = []
    try:
        for entry in read(path):
            if entry.key == _METADATA:
                _fields(entry.value)
            elif message and entry.key.isdigit() and not _is_batch(entry.value, message):
                batches.append(entry)
    except DamageError as error:
        return str(error), []
    except ValueError:
        # The Collector would begin to count anew, and write over what waits.
        return "its record of what is queued makes no sense", []
    return "", batches


def _is_batch(value: bytes, message: Any) -> bool:
    """Whether it can be sent, or has been taken out."""
    if not value.strip(_GONE):
        return True
    try:
        data = _fields(value).get(_DATA_FIELD, b"") if value.startswith(_V1) else value
        message.FromString(data)
    except (ValueError, DecodeError):
        return False
    return True


def _fields(data: bytes) -> dict[int, bytes]:
    """The fields of a protocol buffers message that have a length.

    Raises:
        ValueError: it is no such message.
    """
    found, at = {}, 0
    while at < len(data):
        tag, at = _varint(data, at)
        size = {1: 8, 5: 4}.get(tag & 7, 0)
        if tag & 7 == 0:
            _, at = _varint(data, at)
        elif tag & 7 == 2:
            size, at = _varint(data, at)
            found[tag >> 3] = data[at : at + size]
        elif not size:
            raise ValueError("a field of an unknown kind")
        at += size
    if at > len(data):
        raise ValueError("a field behind the end")
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            break
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
    raise ValueError("a number without an end")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold the lock that bbolt takes; false when somebody else has it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)
