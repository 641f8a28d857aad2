# SPDX-License-Identifier: Apache-2.0
"""An ASGI application that starts and stops one agent.

``uvicorn finance_feedback_engine.api.app:app`` serves it. ``POST /api/v1/bot/start`` takes a JSON
object with any of ``asset_pairs``, ``cycles``, ``interval``, ``llm``, ``faults`` and ``seed``.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from finance_feedback_engine.monitoring.prometheus import generate_metrics
from finance_feedback_engine.options import LLM_MODES, Options
from finance_feedback_engine.session import Session
from finance_feedback_engine.simulation.faults import check

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

logger = logging.getLogger(__name__)

_JSON = b"application/json"
_TEXT = b"text/plain; version=0.0.4; charset=utf-8"


class Application:
    """Serves health, metrics and the bot; there is at most one agent at a time."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._task: asyncio.Task[int] | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one connection, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            body = await _body(receive)
            status, kind, payload = await self._answer(scope["method"], scope["path"], body)
            headers = [(b"content-type", kind), (b"content-length", b"%d" % len(payload))]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": payload})

    async def _answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes, bytes]:
        if (method, path) == ("GET", "/metrics"):
            return 200, _TEXT, generate_metrics().encode()
        if (method, path) == ("GET", "/health"):
            return _json(200, {"status": "ok"})
        if (method, path) == ("GET", "/api/v1/bot/status"):
            return _json(200, self._status())
        if (method, path) == ("POST", "/api/v1/bot/start"):
            return await self._start(body)
        if (method, path) == ("POST", "/api/v1/bot/stop"):
            await self._stop()
            return _json(200, self._status())
        return _json(404, {"error": f"there is nothing at {method} {path}"})

    async def _start(self, body: bytes) -> tuple[int, bytes, bytes]:
        if self._task is not None and not self._task.done():
            return _json(409, {"error": "the agent is already running"})
        try:
            options = _options(json.loads(body or b"{}"))
            self._session = await asyncio.to_thread(Session, options)
        except (ValueError, TypeError, OSError) as error:
            return _json(400, {"error": str(error)})
        self._task = asyncio.create_task(_run(self._session))
        logger.info("Trading agent started successfully")
        return _json(200, self._status())

    async def _stop(self) -> None:
        if self._session is not None and self._task is not None:
            self._session.agent.stop()
            await asyncio.wait([self._task])

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._stop()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})

    def _status(self) -> dict[str, Any]:
        running = self._task is not None and not self._task.done()
        if self._session is None:
            return {"state": "stopped", "agent_ooda_state": None, "summary": None}
        return {
            "state": "running" if running else "stopped",
            "agent_ooda_state": self._session.agent.state.name,
            "summary": self._session.summary(),
        }


async def _run(session: Session) -> int:
    try:
        return await session.run()
    finally:
        await asyncio.to_thread(session.close)


def _options(request: Any) -> Options:
    if not isinstance(request, dict):
        raise TypeError("the body must be a JSON object")
    default = Options()
    llm = str(request.get("llm", default.llm))
    if llm not in LLM_MODES:
        raise ValueError(f"llm must be one of {', '.join(LLM_MODES)}, not {llm!r}")
    return Options(
        cycles=int(request.get("cycles", default.cycles)),
        interval=float(request.get("interval", default.interval)),
        llm=llm,
        assets=tuple(request.get("asset_pairs") or default.assets),
        faults=check(request.get("faults", ())),
        seed=int(request.get("seed", default.seed)),
        phase_timeout=float(request.get("phase_timeout", default.phase_timeout)),
    )


async def _body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


def _json(status: int, content: dict[str, Any]) -> tuple[int, bytes, bytes]:
    return status, _JSON, json.dumps(content).encode()


app = Application()
