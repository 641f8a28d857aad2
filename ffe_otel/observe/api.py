# SPDX-License-Identifier: Apache-2.0
"""The HTTP API under ``/api/v1`` and the page."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import duckdb
from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ffe_otel.observe import coerce, metric_math
from ffe_otel.observe.decode import Signal
from ffe_otel.observe.queries import cycles, logs, metrics, status, traces
from ffe_otel.observe.self_metrics import SelfMetrics
from ffe_otel.observe.store import damage
from ffe_otel.observe.store.retention import DAY_NS
from ffe_otel.observe.viewer import STATIC_DIR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from ffe_otel.observe.backend import Backend
    from ffe_otel.observe.store.clock import StoreClock

MAX_LIMIT: Final = 1000
MAX_RANGE: Final = 366 * 86_400.0
QUERY_THREADS: Final = 2
_DOCUMENT: Final = "docs/api.md of ffe_otel"


class BadParameterError(ValueError):
    """A query parameter that makes no sense; the text names it and what is allowed."""


class Api:
    """Answers questions about the store on a small thread pool."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._own = SelfMetrics(backend)
        self._pool = ThreadPoolExecutor(QUERY_THREADS, thread_name_prefix="ffe-otel-query")

    def close(self) -> None:
        """Wait for running queries."""
        self._pool.shutdown(cancel_futures=True)

    async def ask(self, question: Callable[[Any], Any]) -> Any:
        """Run ``question(connection)`` on the pool."""

        def run() -> Any:
            try:
                with self.backend.database.reader() as connection:
                    return question(connection)
            except duckdb.Error as error:
                self.backend.loader.suspect(error)
                raise

        return await asyncio.get_running_loop().run_in_executor(self._pool, run)

    async def cycles(self, request: Request) -> Response:
        """``GET /api/v1/cycles``."""
        query = request.query_params
        wanted = cycles.CycleFilter(
            limit=_integer(query, "limit", 50, 1, MAX_LIMIT),
            before=_nanoseconds(query, "before"),
            asset=query.get("asset", ""),
            outcome=query.get("outcome", ""),
            errors=query.get("errors", "") not in {"", "0", "false"},
            text=query.get("q", ""),
        )
        rows, following = await self.ask(lambda c: cycles.list_cycles(c, wanted))
        return _json({"cycles": rows, "next": following})

    async def trace(self, request: Request) -> Response:
        """``GET /api/v1/traces/{id}``."""
        text = request.path_params["id"].strip()
        found = await self.ask(lambda c: traces.get_trace(c, text))
        if found is None:
            return _problem(
                404,
                f"no trace, correlation or decision id {text!r} is in the store",
                "it may not have arrived yet, be older than the retention, or not be sampled",
            )
        return _json(found)

    async def metrics(self, _request: Request) -> Response:
        """``GET /api/v1/metrics``."""
        return _json({"metrics": await self.ask(metrics.list_metrics)})

    async def series(self, request: Request) -> Response:
        """``GET /api/v1/metrics/series``."""
        query = request.query_params
        name, stat = query.get("name", ""), query.get("stat", "")
        if not name:
            raise BadParameterError("name: which metric? GET /api/v1/metrics lists them")
        if stat and stat not in metrics.STATS:
            raise BadParameterError(f"stat: {stat!r} is none of {', '.join(metrics.STATS)}")
        seconds = _number(query, "range", 3600.0, 1.0, MAX_RANGE)
        step = _number(query, "step", 0.0, 0.0, MAX_RANGE) or None
        labels = tuple(k for value in query.getlist("by") for k in value.split(",") if k)
        grid = metric_math.make_grid(time.time_ns(), seconds, step)
        wanted = metrics.SeriesQuery(name, grid, stat, labels)
        try:
            return _json(await self.ask(lambda c: metrics.series(c, wanted)))
        except metrics.UnknownMetricError:
            return _problem(
                404, f"no metric {name!r} has arrived", "GET /api/v1/metrics lists those that have"
            )

    async def logs(self, request: Request) -> Response:
        """``GET /api/v1/logs``."""
        query = request.query_params
        level = query.get("level", "").upper()
        if level and level not in logs.LEVELS:
            raise BadParameterError(f"level: {level!r} is none of {', '.join(logs.LEVELS)}")
        limit = _integer(query, "limit", 100, 1, MAX_LIMIT)
        before, text = _nanoseconds(query, "before"), query.get("q", "")
        severity, trace = logs.LEVELS.get(level, 0), query.get("trace_id", "").strip()

        def find(connection: Any) -> tuple[list[dict[str, Any]], str | None]:
            trace_id = cycles.resolve(connection, trace) if trace else ""
            if trace_id is None:
                return [], None
            wanted = logs.LogFilter(trace_id, severity, text, before=before, limit=limit)
            return logs.list_logs(connection, wanted)

        rows, following = await self.ask(find)
        return _json({"logs": rows, "next": following})

    async def status(self, request: Request) -> Response:
        """``GET /api/v1/status``."""
        since = _nanoseconds(request.query_params, "since")
        if since is None:
            since = time.time_ns() // DAY_NS * DAY_NS
        clock = self.backend.clock
        try:
            found = await self.ask(lambda c: _state(c, since, clock))
        except duckdb.Error as error:
            # What is wrong with the store is what is asked here.
            found = {**_UNKNOWN, "problem": damage.first_line(error)}
        last, held = found["last_cycle"], found["held"]
        age = None
        if last is not None:
            age = max(0.0, (clock.now_ns() - found["last_cycle_ns"]) / 1e9)
        health = self.backend.health()
        if found["problem"] and health["store"]["ok"]:
            detail = f"it does not answer: {found['problem']}"
            health["store"] = {"ok": False, "detail": detail}
        taken = self.backend.ingest.counts.taken
        return _json(
            {
                "agent": found["agent"],
                "last_cycle": last,
                "last_cycle_age_seconds": age,
                "totals": found["totals"],
                "backends": health,
                "store": {
                    "path": str(self.backend.database.path),
                    "bytes": self.backend.size(),
                    "quarantined": self.backend.journal.quarantine.rows,
                    "set_aside": self.backend.loader.repair.files,
                    **held,
                },
                "ingest": {
                    "spans": taken[Signal.TRACES],
                    "logs": taken[Signal.LOGS],
                    "metric_points": taken[Signal.METRICS],
                    "rejected": self.backend.ingest.counts.rejected,
                },
                "version": version("ffe-otel"),
            }
        )

    async def prometheus(self, request: Request) -> Response:
        """``GET /metrics``: the backend about itself, for Prometheus."""
        accept = request.headers.get("accept", "")
        body, content_type = await asyncio.to_thread(self._own.page, accept)
        return Response(body, headers={"Content-Type": content_type})

    async def live(self, _request: Request) -> Response:
        """``GET /api/v1/live``: server-sent events."""
        if self.backend.live.full:
            return _problem(503, "too many live streams are open", "close some pages")
        return StreamingResponse(
            self.backend.live.stream(),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )


_UNKNOWN: Final[dict[str, Any]] = {
    "agent": {"id": None, "state": None, "state_since_unix_nano": None},
    "last_cycle": None,
    "last_cycle_ns": 0,
    "totals": {},
    "held": {},
    "problem": "",
}
"""What the status says while the store does not answer."""


def _state(connection: Any, since: int, clock: StoreClock) -> dict[str, Any]:
    last = cycles.last_cycle(connection)
    return {
        "agent": status.agent_state(connection, last, clock.now_ns()),
        "last_cycle": last,
        "last_cycle_ns": cycles.last_cycle_ns(connection),
        # The page's midnight is by the machine's clock, and rows stand by the store's.
        "totals": status.totals(connection, since, clock.ahead_ns()),
        "held": status.store_counts(connection),
        "problem": "",
    }


class _Static(StaticFiles):
    """The viewer's files; they change with the program only, so a check is enough."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """A file that the browser asks about again before using it."""
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "no-cache"
        return answer


def page_app(api: Api) -> Starlette:
    """The application behind the page's port, without its guards."""

    async def page(_request: Request) -> Response:
        return FileResponse(STATIC_DIR / "index.html", headers={"Cache-Control": "no-cache"})

    return Starlette(
        routes=[
            Route("/api/v1/cycles", api.cycles),
            Route("/api/v1/traces/{id:path}", api.trace),
            Route("/api/v1/metrics", api.metrics),
            Route("/api/v1/metrics/series", api.series),
            Route("/api/v1/logs", api.logs),
            Route("/api/v1/status", api.status),
            Route("/api/v1/live", api.live),
            Route("/metrics", api.prometheus),
            Route("/", page),
            Mount("/static", _Static(directory=STATIC_DIR)),
        ],
        exception_handlers={
            BadParameterError: _bad_parameter,
            duckdb.Error: _store_problem,
            404: _not_found,
            Exception: _broken,
        },
    )


def _bad_parameter(_request: Request, error: Exception) -> Response:
    return _problem(400, str(error), f"{_DOCUMENT} says what it may be")


def _store_problem(_request: Request, error: Exception) -> Response:
    text = damage.first_line(error)
    return _problem(503, f"the store does not answer: {text}", "GET /api/v1/status says more")


def _broken(_request: Request, error: Exception) -> Response:
    return _problem(500, f"this answer could not be made: {error!r}", "please report it")


def _not_found(request: Request, _error: Exception) -> Response:
    path = request.url.path
    hint = f"{_DOCUMENT} lists what is" if path.startswith("/api/") else "the page is at /"
    return _problem(404, f"there is nothing at {path}", hint)


def _problem(code: int, error: str, hint: str) -> Response:
    return JSONResponse({"error": error, "hint": hint}, code, {"Cache-Control": "no-store"})


def _json(content: Any) -> Response:
    body = coerce.dumps(content).encode("utf-8", "replace")
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


def _integer(query: Mapping[str, str], key: str, default: int, low: int, high: int) -> int:
    text = query.get(key, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text[:20]) <= high:
        raise BadParameterError(f"{key}: {text!r} is no whole number from {low} to {high}")
    return int(text)


def _nanoseconds(query: Mapping[str, str], key: str) -> int | None:
    return _integer(query, key, 0, 0, 2**63 - 1) if query.get(key) else None


def _number(query: Mapping[str, str], key: str, default: float, low: float, high: float) -> float:
    text = query.get(key, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise BadParameterError(f"{key}: {text!r} is no number from {low:g} to {high:g}")
    return value
