# SPDX-License-Identifier: Apache-2.0
"""The web interface, called as a server would call it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from finance_feedback_engine.api.app import Application


async def _call(app: Application, method: str, path: str, body: object = None) -> tuple[int, Any]:
    sent: list[dict[str, Any]] = []
    payload = b"" if body is None else json.dumps(body).encode()
    chunks = [
        {"type": "http.request", "body": payload[:5], "more_body": True},
        {"type": "http.request", "body": payload[5:]},
    ]

    async def receive() -> dict[str, Any]:
        return chunks.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http", "method": method, "path": path}, receive, send)
    status, content = sent[0]["status"], sent[1]["body"]
    assert dict(sent[0]["headers"])[b"content-length"] == b"%d" % len(content)
    is_json = dict(sent[0]["headers"])[b"content-type"] == b"application/json"
    return status, json.loads(content) if is_json else content.decode()


def test_an_agent_is_started_once_watched_and_stopped() -> None:
    async def scene() -> None:
        app = Application()
        assert (await _call(app, "GET", "/api/v1/bot/status"))[1]["state"] == "stopped"
        wish = {"asset_pairs": ["IBM"], "interval": 0.01, "llm": "local", "seed": 5}
        status, started = await _call(app, "POST", "/api/v1/bot/start", wish)
        assert (status, started["state"]) == (200, "running")
        assert (await _call(app, "POST", "/api/v1/bot/start", wish))[0] == 409
        async with asyncio.timeout(30):
            while True:
                _, now = await _call(app, "GET", "/api/v1/bot/status")
                if now["summary"]["cycles_completed"] >= 2:
                    break
                await asyncio.sleep(0.01)
        _, page = await _call(app, "GET", "/metrics")
        assert "ffe_agent_state " in page
        assert 'ffe_decision_latency_seconds_count{asset_pair="IBM",provider="ensemble"}' in page
        _, stopped = await _call(app, "POST", "/api/v1/bot/stop")
        assert stopped["state"] == "stopped"
        assert stopped["summary"]["assets"] == ["IBM"]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([1], "must be a JSON object"),
        ({"llm": "oracle"}, "llm must be one of local, ensemble, debate, cli"),
        ({"asset_pairs": ["DOGE"]}, "no recorded prices for DOGE"),
        ({"faults": ["meteor"]}, "unknown fault meteor"),
        ({"cycles": "many"}, "invalid literal"),
    ],
)
def test_a_bad_start_is_refused_and_nothing_runs(body: object, said: str) -> None:
    async def scene() -> None:
        app = Application()
        status, answer = await _call(app, "POST", "/api/v1/bot/start", body)
        assert status == 400
        assert said in answer["error"]
        assert (await _call(app, "GET", "/api/v1/bot/status"))[1]["state"] == "stopped"

    asyncio.run(scene())


def test_health_and_unknown_paths() -> None:
    app = Application()
    assert asyncio.run(_call(app, "GET", "/health")) == (200, {"status": "ok"})
    assert asyncio.run(_call(app, "GET", "/nowhere"))[0] == 404


def test_a_server_that_shuts_down_stops_the_agent() -> None:
    async def scene() -> list[str]:
        app = Application()
        await _call(app, "POST", "/api/v1/bot/start", {"interval": 60})
        said: list[str] = []
        asked = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

        async def receive() -> dict[str, Any]:
            return asked.pop(0)

        async def send(message: dict[str, Any]) -> None:
            said.append(message["type"])

        await app({"type": "lifespan"}, receive, send)
        assert (await _call(app, "GET", "/api/v1/bot/status"))[1]["state"] == "stopped"
        return said

    done = asyncio.run(scene())
    assert done == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
