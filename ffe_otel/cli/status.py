# SPDX-License-Identifier: Apache-2.0
"""``ffe-otel status``: is the agent alive? Made for a watchdog."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ffe_otel.cli.client import NotFoundError, UnreachableError, find_server
from ffe_otel.cli.options import common, load
from ffe_otel.cli.output import clean, dim, duration, echo_json, mark, size, stop, table
from ffe_otel.cli.waterfall import outcome
from ffe_otel.export.spool.usage import usage

if TYPE_CHECKING:
    from ffe_otel.cli.output import State
    from ffe_otel.config import Config


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the agent is well.

    Attributes:
        healthy: it is.
        reason: why not, or what makes it so.
    """

    healthy: bool
    reason: str


@click.command("status", short_help="Is the agent alive? Exit code for a watchdog.")
@click.option(
    "--max-age",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Age of the last cycle from which the agent counts as stuck "
    "[default: alerting.thresholds.agent_stuck_duration_seconds].",
)
@common
def command(*, max_age: float | None, config_file: Path | None, as_json: bool) -> None:
    """Show the agent's state, the age of its last cycle and the backends.

    Exit code 0: healthy. 1: no cycle, or the last one is too old. 2: no server answers.
    """
    config = load(config_file, as_json=as_json, usable=True).config
    limit = max_age or config.alerting.thresholds.agent_stuck_duration_seconds
    try:
        answer = find_server(config).get("/api/v1/status")
    except (UnreachableError, NotFoundError) as error:
        stop(str(error), 2, as_json=as_json)
    verdict = judge(answer, limit)
    spool = _spool(config)
    if as_json:
        judged = {"healthy": verdict.healthy, "reason": verdict.reason, "max_age_seconds": limit}
        echo_json({**judged, **answer, "spool": spool})
    else:
        _print(answer, verdict, spool)
    if not verdict.healthy:
        raise SystemExit(1)


def judge(answer: dict[str, Any], limit: float) -> Verdict:
    """Whether the agent is well by what the server says.

    A backend that is down does not make the agent ill: a watchdog that restarts an agent
    because of it would only do harm.

    Args:
        answer: of ``/api/v1/status``.
        limit: age of the last cycle, in seconds, that is too old.
    """
    age = answer.get("last_cycle_age_seconds")
    if age is None:
        return Verdict(healthy=False, reason="no cycle has been seen yet")
    if age > limit:
        text = f"the last cycle is {duration(age)} old, more than {duration(limit)}"
        return Verdict(healthy=False, reason=text)
    return Verdict(healthy=True, reason=f"the last cycle is {duration(age)} old")


def _spool(config: Config) -> dict[str, Any]:
    """Where the engine's spool is and what waits in it, as far as this user may look."""
    root = Path(config.state_dir, config.spool.directory)
    try:
        waiting = {u.signal: u.waiting_bytes for u in usage(root) if u.waiting_bytes}
    except OSError:
        waiting = {}
    return {"path": str(root), "waiting_bytes": waiting}


def _print(answer: dict[str, Any], verdict: Verdict, spool: dict[str, Any]) -> None:
    agent, cycle = answer.get("agent") or {}, answer.get("last_cycle") or {}
    state: State = "ok" if verdict.healthy else "fail"
    rows = [
        (mark(state), "agent", _agent(agent)),
        (mark(state), "last cycle", verdict.reason + dim(_cycle(cycle))),
    ]
    for name, backend in sorted((answer.get("backends") or {}).items()):
        sign: State = "ok" if backend.get("ok") else "warn"
        rows.append((mark(sign), clean(name), clean(backend.get("detail") or "")))
    rows.append((mark("ok"), "stored", _store(answer.get("store") or {})))
    waiting = ", ".join(f"{size(n)} of {signal}" for signal, n in spool["waiting_bytes"].items())
    rows.append((mark("ok"), "spool", f"{waiting or 'nothing'} waits, {clean(spool['path'])}"))
    for line in table(rows):
        click.echo(line)


def _agent(agent: dict[str, Any]) -> str:
    if not agent.get("id"):
        return "none has been heard of"
    name, state = clean(agent["id"]), clean(agent.get("state") or "unknown")
    since = agent.get("state_since_unix_nano")
    if not since:
        return f"{name}  {state}"
    return f"{name}  {state} {dim(f'for {duration(max(0.0, time.time() - int(since) / 1e9))}')}"


def _cycle(cycle: dict[str, Any]) -> str:
    if not cycle:
        return ""
    parts = [f"#{cycle['number']}" if cycle.get("number") is not None else "", cycle.get("state")]
    parts += [",".join(cycle.get("asset_pairs") or ()), cycle.get("action"), outcome(cycle)]
    parts.append(cycle.get("trace_id"))
    return "  " + " ".join(clean(part) for part in parts if part)


def _store(store: dict[str, Any]) -> str:
    counts = [f"{store.get(name, 0)} {name.replace('_', ' ')}"
              for name in ("spans", "logs", "metric_points")]  # fmt: skip
    return f"{size(store.get('bytes') or 0)}, {', '.join(counts)}, {clean(store.get('path', ''))}"
