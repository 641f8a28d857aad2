# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import pytest
from logs_bench import Bench, redact
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from ffe_otel.capture.logs import LogCapture
from ffe_otel.capture.logs.capture import outputs_of
from ffe_otel.config.model import Config, LogFile, Logging, LogOutputs, Rotation
from ffe_otel.export.stats import ExportStats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Give back levels, handlers and flags of every logger."""
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    state = [
        (each, each.level, each.handlers[:], each.disabled, each.propagate) for each in loggers
    ]
    yield
    for each, level, handlers, disabled, propagate in state:
        each.setLevel(level)
        each.handlers[:] = handlers
        each.disabled, each.propagate = disabled, propagate


@pytest.fixture
def logger(request: pytest.FixtureRequest) -> logging.Logger:
    """A logger of the engine's that lets everything pass."""
    engine = logging.getLogger(f"engine.{request.node.name}")
    engine.setLevel(logging.DEBUG)
    return engine


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Start captures; keyword arguments go to the ``logging`` section."""
    running: list[LogCapture] = []

    def begin(
        *,
        context: Any = lambda _: {},
        rotation: Rotation | None = None,
        console: bool = False,
        path: str = "logs/ffe.log",
        redactor: Callable[[Any], Any] = redact,
        attribute_length: int = 8192,
        **settings: Any,
    ) -> Bench:
        config = Config(
            state_dir=str(tmp_path / "state"),
            logging=Logging(
                outputs=settings.pop("outputs", None)
                or LogOutputs(console=console, file=LogFile(path=path)),
                rotation=rotation or Rotation(),
                **{"level": "DEBUG", **settings},
            ),
        )
        limits = dataclasses.replace(
            config.limits, shutdown_seconds=10.0, attribute_length=attribute_length
        )
        config = dataclasses.replace(config, limits=limits)
        exporter, stats = InMemoryLogRecordExporter(), ExportStats()
        provider = LoggerProvider(shutdown_on_exit=False)
        provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
        capture = LogCapture(config, outputs_of(config, provider), redactor, stats, context)
        capture.start()
        running.append(capture)
        return Bench(capture, tmp_path / "state" / path, exporter, stats)

    yield begin
    for capture in reversed(running):
        capture()
