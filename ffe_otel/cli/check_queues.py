# SPDX-License-Identifier: Apache-2.0
"""``ffe-otel collector check-queues``: damaged queue files out of the Collector's way."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ffe_otel.cli.options import json_option
from ffe_otel.cli.output import clean, echo_json, mark, stop

if TYPE_CHECKING:
    from ffe_otel.observe.collector_queues import Finding


@click.command("check-queues")
@click.argument(
    "directory",
    envvar="FFE_COLLECTOR_STATE",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/var/lib/ffe_otel/collector"),
)
@click.option("--repair", is_flag=True, help="Set damaged files aside, as *.damaged.")
@click.option(
    "--every",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    help="Do it again and again; a Collector that keeps failing starts after the next time.",
)
@click.option(
    "--textfile",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the number of files set aside here, for node-exporter's textfile collector.",
)
@json_option
def check_queues(
    *, directory: Path, repair: bool, every: float | None, textfile: Path | None, as_json: bool
) -> None:
    """Look for damaged queue files in DIRECTORY, the Collector's FFE_COLLECTOR_STATE.

    Run it before the Collector starts. Files that a Collector has open are left alone.

    Exit code 0: none is in the Collector's way. 1: one is damaged, or cannot be examined.
    """
    if every is not None:
        _watch(directory, repair=repair, textfile=textfile, every=every)
        return
    from ffe_otel.observe.collector_queues import State

    findings = _look(directory, repair=repair, textfile=textfile, as_json=as_json)
    if as_json:
        echo_json([{"path": f.path, "state": f.state.value, "detail": f.detail} for f in findings])
    else:
        _print(findings)
        counts = Counter(finding.state.value for finding in findings)
        what = ", ".join(f"{count} {state}" for state, count in counts.items())
        click.echo(f"{mark('unknown')} {directory}: {what or 'no queues yet'}")
    if any(finding.state in {State.DAMAGED, State.UNREADABLE} for finding in findings):
        raise SystemExit(1)


def _watch(directory: Path, *, repair: bool, textfile: Path | None, every: float) -> None:
    stopping = threading.Event()
    # The first process of a container gets no signal that it does not ask for.
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    before: list[Finding] = []
    while True:
        findings = _look(directory, repair=repair, textfile=textfile, as_json=False)
        _print([finding for finding in findings if finding not in before])
        before = findings
        if stopping.wait(every):
            return


def _look(directory: Path, *, repair: bool, textfile: Path | None, as_json: bool) -> list[Finding]:
    from ffe_otel.observe.collector_queues import check, page

    try:
        findings = list(check(directory, repair=repair))
        if textfile is not None:
            _write(textfile, page(directory))
    except OSError as error:
        stop(f"{error.filename}: {error.strerror}", 2, as_json=as_json)
    return findings


def _print(findings: list[Finding]) -> None:
    """A line for each file with which something is wrong."""
    from ffe_otel.observe.collector_queues import State

    for finding in findings:
        if finding.state in {State.DAMAGED, State.UNREADABLE, State.SET_ASIDE}:
            sign = mark("warn" if finding.state is State.SET_ASIDE else "fail")
            click.echo(f"{sign} {clean(finding.detail)}")


def _write(path: Path, text: str) -> None:
    """In one step, so that node-exporter reads all of it; readable for its user."""
    half = path.with_suffix(".part")
    half.write_text(text, encoding="utf-8")
    half.chmod(0o644)
    half.replace(path)
