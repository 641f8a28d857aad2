# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a configuration is left out by itself; what was to be hidden stays hidden."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from otlp_sink import attributes
from programs import run

if TYPE_CHECKING:
    import subprocess

    from otlp_sink import Sink

INSTRUMENT = str(Path(sys.executable).parent / "opentelemetry-instrument")
LISTED = "plain words that nobody would take for secret"
MONEY = 31415.92
REDACTION = f'redaction:\n  secrets: ["{LISTED}"]\n  classes: [financial]\n'
# The scope, the names, the values, the failure: everywhere a text can stand.
PROGRAM = f"""
import contextlib, json, logging, urllib.request, ffe_otel
from opentelemetry import metrics, trace
from ffe_otel.capture import runtime
logging.getLogger().addHandler(logging.NullHandler())
secret = "{LISTED}"
with contextlib.suppress(ValueError), ffe_otel.cycle([secret]):
    with ffe_otel.phase("perception") as phase:
        phase.set({{"note": f"it is {{secret}}", "balance": {MONEY}, secret: 1}})
    with trace.get_tracer(secret).start_as_current_span(secret) as span:
        span.add_event(secret, {{"body": secret}})
    logging.getLogger(f"engine.{{secret}}").warning("using %s", secret, extra={{"found": secret}})
    metrics.get_meter(secret).create_counter("engine_orders").add(1, {{"owner": secret}})
    raise ValueError(secret)
handle = runtime.get().shared
page = urllib.request.urlopen(handle.page.address, timeout=5).read().decode()
from prometheus_client import generate_latest
print(json.dumps({{"page": page, "registry": generate_latest().decode()}}))
"""


def observed(tmp_path: Path, sink: Sink, config: str, **env: str) -> Observed:
    """Run the program with a configuration file, captured from its start."""
    (tmp_path / "ffe_otel.yaml").write_text(config)
    more = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "XDG_STATE_HOME": str(tmp_path / "state")}
    done = run(PROGRAM, tmp_path, starter=[INSTRUMENT], **(more | env))
    return Observed(done, tmp_path, sink)


class Observed:
    """What left the process."""

    def __init__(self, done: subprocess.CompletedProcess[str], tmp_path: Path, sink: Sink) -> None:
        self.said = done.stderr
        self.sink = sink
        self.log = (tmp_path / "state/ffe_otel/logs/ffe.log").read_text()
        self.everything = f"{done.stdout}\n{done.stderr}\n{self.log}".encode()
        self.everything += sink.everything()

    def phase(self) -> dict[str, Any]:
        """Attributes of the one span that is ours and holds values of the engine's."""
        [found] = [span for span in self.sink.spans() if span.name == "ffe.phase.perception"]
        return attributes(found)

    def hides(self) -> bool:
        """Whether the secret is nowhere, in any of its parts."""
        return (
            LISTED.encode() not in self.everything and b"nobody would take" not in self.everything
        )


def is_whole(found: Observed) -> None:
    """Everything valid is in force: the listed secret is hidden, and nothing else."""
    assert found.hides()
    note = found.phase()["note"]
    assert note.startswith("it is [redacted:"), note
    assert "skeletons" not in found.said
    assert "ffe.ooda.cycle.duration" in found.sink.metric_names()


def is_skeleton(found: Observed) -> None:
    """Ids, times, names of ours and statuses are all there is."""
    assert found.hides()
    assert "only skeletons go out" in found.said
    assert not {"balance", "note"} & found.phase().keys()
    assert str(MONEY).encode() not in found.everything
    spans = found.sink.spans()
    assert {span.name for span in spans} == {
        "ffe.cycle", "ffe.phase.perception", "[redacted:withheld]",
    }  # fmt: skip
    [cycle] = [span for span in spans if span.name == "ffe.cycle"]
    assert cycle.trace_id
    assert cycle.end_time_unix_nano > cycle.start_time_unix_nano
    assert cycle.status.code == 2
    assert found.sink.logs()
    assert all(record.time_unix_nano for record in found.sink.logs())
    assert "ffe.ooda.cycle.duration" in found.sink.metric_names()
    assert "engine_orders" not in found.sink.metric_names()
    assert '"level":"WARNING"' in found.log
    assert '"trace_id":"' in found.log


@pytest.mark.parametrize(
    ("config", "env", "named"),
    [
        ("serve: {prot: 4319}\n", {}, "ffe_otel.yaml:4: serve.prot: unknown key"),
        ("limits: {queue_size: abc}\n", {}, "limits.queue_size: expected an integer"),
        ("", {"FFE_OTEL__LIMITS__QUEUE_SIZE": "-1"}, "FFE_OTEL__LIMITS__QUEUE_SIZE: limits.queue"),
        ("", {"OTEL_EXPORTER_OTLP_TIMEOUT": "abc"}, "OTEL_EXPORTER_OTLP_TIMEOUT: telemetry.otlp_"),
        ("serve: {port: 1}\nserve: {port: 2}\n", {}, "serve: stands twice"),
        ("alerting: {channels: {telegram: {enabled: on}}}\n", {}, "telegram.bot_token is empty"),
        ("", {"FFE_OTEL__REDACTION__DISABLED_RULES": "no-such"}, "nothing is called no-such"),
        ("logging: {outputs: {syslog: {enabled: true, address: '${GONE}'}}}\n", {}, "GONE, which"),
    ],
)  # fmt: skip
def test_a_bad_value_elsewhere_leaves_redaction_in_force(
    tmp_path: Path, sink: Sink, config: str, env: dict[str, str], named: str
) -> None:
    found = observed(tmp_path, sink, REDACTION + config, **env)

    is_whole(found)
    assert found.said.count(named) == 1


BROKEN = "rules:\n  - id: own-rule\n    kind: shape\n    pattern: '(nobody would take'\n"


@pytest.mark.parametrize(
    ("config", "env", "named"),
    [
        ("redaction: [\n", {}, "is not valid YAML"),
        (f"redaction:\n  secretz: ['{LISTED}']\n", {}, "redaction.secretz: unknown key"),
        (f"redactoin:\n  secrets: ['{LISTED}']\n", {}, "redactoin: unknown key"),
        ("redaction:\n  secrets: ['other secret', {a: b}]\n", {}, "redaction.secrets[1]: expected"),
        ("redaction:\n  secrets: ['${NOT_SET}']\n", {}, "NOT_SET, which is not set"),
        ("redaction:\n  classes: [finacial]\n", {}, "redaction.classes: nothing is called finacia"),
        ("redaction:\n  jurisdiction: atlantis\n", {}, "redaction.jurisdiction: nothing is called"),
        ("redaction:\n  rules_file: rules.yaml\n", {}, "redaction.rules_file: rules.yaml: rule 1"),
        ("", {"FFE_OTEL_CONFIG": "gone.yaml"}, "FFE_OTEL_CONFIG: names gone.yaml, which does not"),
        ("", {"FFE_OTEL__REDACTION__SECRETS_FILE": "/gone"}, "secrets: cannot read /gone"),
        ("", {"FFE_OTEL_REDACTION_SECRETS": LISTED}, "did you mean FFE_OTEL__REDACTION__SECRETS?"),
    ],
)  # fmt: skip
def test_where_redaction_is_not_understood_only_skeletons_go_out(
    tmp_path: Path, sink: Sink, config: str, env: dict[str, str], named: str
) -> None:
    (tmp_path / "rules.yaml").write_text(BROKEN)

    found = observed(tmp_path, sink, config, **env)

    is_skeleton(found)
    assert found.said.count(named) == 1
