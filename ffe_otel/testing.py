# SPDX-License-Identifier: Apache-2.0
"""Pytest plugin: what a test's own telemetry looks like, in memory and redacted.

Installing ffe_otel makes the fixtures known to pytest. A test asks for ``ffe_telemetry``
and gets capture installed for its duration, on a clock that stands still until moved::

    import ffe_otel


    def test_a_cautious_cycle(ffe_telemetry):
        with ffe_otel.cycle(["BTCUSD"]) as cycle:
            with ffe_otel.phase("perception"):
                ffe_telemetry.clock.advance(0.25)
            with ffe_otel.phase("risk_check"), ffe_otel.risk_check("BTCUSD") as check:
                check.reject("leverage 7.0 above 5.0", "leverage")
            cycle.outcome("rejected", "leverage")

        assert ffe_telemetry.span_tree().splitlines() == [
            "ffe.cycle{outcome=rejected}",
            "  ffe.phase.perception",
            "  ffe.phase.risk_check",
            "    ffe.risk.check{verdict=rejected}",
        ]
        assert ffe_telemetry.metric_value("ffe_ooda_cycle_duration_seconds") == 0.25
        assert ffe_telemetry.metric_value("ffe_risk_check_result_total", result="rejected") == 1

``ffe_telemetry_config`` is there to be overridden: a project's own fixture of that name
decides what is captured, starting from `quiet_config`. ``ffe_telemetry_hooks`` likewise:
False leaves the engine and the HTTP and threading libraries alone.

The plugin itself imports next to nothing; OpenTelemetry is loaded by the first test
that uses it. OpenTelemetry's global providers stay as they are, because they can be set
only once in a process; code that uses them directly is not seen here.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ffe_otel._testing.telemetry import Telemetry
    from ffe_otel.config import Config


def quiet_config(state_dir: Path) -> Config:
    """Build the default configuration without what a test would see on the outside.

    Args:
        state_dir: Where state may go.

    Returns:
        Defaults, but no log console, no log file and no metrics page.
    """
    from ffe_otel.config import Config

    config = Config()
    outputs = dataclasses.replace(
        config.logging.outputs,
        console=False,
        file=dataclasses.replace(config.logging.outputs.file, enabled=False),
    )
    return dataclasses.replace(
        config,
        state_dir=str(state_dir),
        logging=dataclasses.replace(config.logging, outputs=outputs),
        metrics=dataclasses.replace(
            config.metrics, prometheus=dataclasses.replace(config.metrics.prometheus, enabled=False)
        ),
    )


@pytest.fixture
def ffe_telemetry_config(tmp_path: Path) -> Config:
    """Configuration of ``ffe_telemetry``; override it to change what is captured."""
    return quiet_config(tmp_path / "ffe_otel")


@pytest.fixture
def ffe_telemetry_hooks() -> bool:
    """Whether ``ffe_telemetry`` hooks the engine and libraries; override it with False."""
    return True


@pytest.fixture
def ffe_telemetry(ffe_telemetry_config: Config, ffe_telemetry_hooks: bool) -> Iterator[Telemetry]:
    """Capture installed for one test; see the module for what it offers."""
    from ffe_otel._testing.telemetry import Telemetry

    telemetry = Telemetry(ffe_telemetry_config, hooks=ffe_telemetry_hooks)
    try:
        yield telemetry
    finally:
        telemetry.close()
