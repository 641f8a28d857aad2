# SPDX-License-Identifier: Apache-2.0
"""A log capture with everything that comes out of it, for tests."""

from __future__ import annotations

import dataclasses
import gzip
import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter

    from ffe_otel.capture.logs import LogCapture
    from ffe_otel.export.stats import ExportStats

SECRET = "sk-planted-0123456789abcdef"


def redact(value: Any) -> Any:
    """A redactor that knows one secret."""
    if isinstance(value, str):
        return value.replace(SECRET, "[redacted:planted]")
    if isinstance(value, list):
        return [redact(item) for item in value]
    if isinstance(value, dict):
        return {redact(key): redact(item) for key, item in value.items()}
    return value


@dataclasses.dataclass
class Bench:
    """A capture together with everything that came out of it."""

    capture: LogCapture
    path: Path
    exporter: InMemoryLogRecordExporter
    stats: ExportStats

    @property
    def losses(self) -> Counter[tuple[str, str]]:
        """What was lost, by signal and reason."""
        return Counter(self.stats.snapshot().dropped)

    def text(self) -> str:
        """The log file after everything was written."""
        assert self.capture.flush(10)
        return self.path.read_text() if self.path.exists() else ""

    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines of the log file."""
        return [json.loads(line) for line in self.text().splitlines()]

    def messages(self) -> list[str]:
        return [line["message"] for line in self.lines()]

    def records(self) -> list[Any]:
        """The OpenTelemetry records."""
        assert self.capture.flush(10)
        return [each.log_record for each in self.exporter.get_finished_logs()]


def all_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a log file and all its rolled files, oldest first."""
    rolled = sorted(
        (each for each in path.parent.glob(f"{path.name}.[0-9]*") if each.suffix != ".part"),
        key=lambda each: -int(each.name.removeprefix(f"{path.name}.").split(".")[0]),
    )
    lines = []
    for each in [*rolled, path]:
        data = gzip.decompress(each.read_bytes()) if each.suffix == ".gz" else each.read_bytes()
        lines.extend(json.loads(line) for line in data.decode().split("\n")[:-1])
    return lines


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Poll until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def fail(text: str = "x") -> None:
    """Raise a ValueError."""
    raise ValueError(text)
