# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry's variables with values that make no sense: the engine starts, nothing is lost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from programs import run

from ffe_otel.config.standard import VARIABLES

if TYPE_CHECKING:
    from otlp_sink import Sink

INSTRUMENT = str(Path(sys.executable).parent / "opentelemetry-instrument")
ODD = ["", "abc", "-1", "0", "inf", "9" * 40, "münze"]
# Where telemetry goes has tests of its own below, and these are switches.
ELSEWHERE = {name for name in VARIABLES if name.endswith("_ENDPOINT")}
CYCLE = """
import logging, ffe_otel
handle = ffe_otel.install()
with ffe_otel.cycle(["BTCUSD"]):
    logging.getLogger("engine").warning("all is well")
handle.uninstall()
"""


def has_everything(sink: Sink) -> None:
    assert [span.name for span in sink.spans()] == ["ffe.cycle"]
    assert [r for r in sink.logs() if r.body.string_value == "all is well"]
    assert "ffe.ooda.cycle.duration" in sink.metric_names()


@pytest.mark.parametrize("value", ODD, ids=ascii)
def test_every_variable_at_once(sink: Sink, tmp_path: Path, value: str) -> None:
    env = dict.fromkeys(set(VARIABLES) - ELSEWHERE, value)

    done = run(CYCLE, tmp_path, **env, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)

    has_everything(sink)
    assert "Traceback" not in done.stderr
    assert done.stderr.count("OTEL_TRACES_EXPORTER:") == (1 if value else 0)


@pytest.mark.parametrize(
    "address", ["{host}", " HTTP://{host}/ ", "http:/{host}", "http://user@{host}//"]
)
def test_an_endpoint_as_people_write_it(sink: Sink, tmp_path: Path, address: str) -> None:
    host = sink.url.removeprefix("http://")

    done = run(CYCLE, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=address.format(host=host))

    has_everything(sink)
    guessed = f"names no scheme, so it is http://{host}"
    assert done.stderr.count(guessed) == (0 if "://" in address else 1)


def test_an_endpoint_of_one_signal_and_one_of_the_configuration(sink: Sink, tmp_path: Path) -> None:
    host = sink.url.removeprefix("http://")
    (tmp_path / "ffe_otel.yaml").write_text(f"telemetry: {{otlp_endpoint: '{host}/'}}\n")

    run(CYCLE, tmp_path, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{host}/v1/traces")

    has_everything(sink)


def test_resource_attributes_of_the_user_win(sink: Sink, tmp_path: Path) -> None:
    given = (
        "service.instance.id=desk%2F7, telemetry.distro.name=mine,ffe.agent.id=scalper,"
        "deployment.environment.name=caf%C3%A9,nonsense,=empty,note=a%20b=c"
    )

    done = run(
        CYCLE,
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        OTEL_RESOURCE_ATTRIBUTES=given,
        OTEL_SERVICE_NAME="named",
    )

    assert done.stderr.count("OTEL_RESOURCE_ATTRIBUTES: expected name=value pairs, pair 5, 6") == 1
    wanted = {
        "service.instance.id": "desk/7",
        "service.name": "named",
        "telemetry.distro.name": "mine",
        "ffe.agent.id": "scalper",
        "deployment.environment.name": "café",
        "note": "a b=c",
    }
    assert sink.resources()
    for resource in sink.resources():
        assert wanted.items() <= resource.items()
        assert "telemetry.distro.version" in resource


@pytest.mark.parametrize(
    "content", [None, "file_format: [", "file_format: '1.0'\ntracer_provider: 5\n"]
)
def test_a_declaration_that_cannot_be_used(sink: Sink, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "sdk.yaml").write_text(content)

    done = run(CYCLE, tmp_path, OTEL_CONFIG_FILE="sdk.yaml", OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)

    has_everything(sink)
    assert done.stderr.count("OTEL_CONFIG_FILE cannot be used") == 1


RESTART = """
import os, sys, ffe_otel
handle = ffe_otel.install()
with ffe_otel.cycle(["BTCUSD"]):
    pass
assert handle.flush(20)
if "again" not in sys.argv:
    os.execv(sys.executable, [sys.executable, *sys.argv, "again"])
"""


@pytest.mark.parametrize("starter", [(), (INSTRUMENT,)], ids=["installs", "instrumented"])
def test_a_program_that_replaces_itself_is_the_same_instance(
    sink: Sink, tmp_path: Path, starter: tuple[str, ...]
) -> None:
    run(RESTART, tmp_path, starter=starter, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)

    assert len(sink.spans()) == 2
    assert len({resource["service.instance.id"] for resource in sink.resources()}) == 1
