# SPDX-License-Identifier: Apache-2.0
"""Whatever answers where a command asks, the command ends."""

from __future__ import annotations

import threading
import urllib.request

import pytest
from hostile import KINDS, Hostile

from ffe_otel.cli.client import Server, UnreachableError
from ffe_otel.cli.doctor import places
from ffe_otel.config.model import InfluxDB
from ffe_otel.foundation.urls import fetch
from ffe_otel.observe.influx import client


@pytest.fixture
def hostile():
    begun = []

    def begin(kind):
        begun.append(Hostile(KINDS[kind]))
        return begun[-1].url

    yield begin
    for each in begun:
        each.close()


def ended(act):
    found = []

    def run():
        try:
            found.append(act())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(30)
    assert found, "it goes on and on"
    return found[0]


@pytest.mark.parametrize("kind", KINDS)
def test_reading_an_answer_ends(hostile, kind):
    def read():
        return fetch(urllib.request.Request(hostile(kind)), 0.6, proxies=False)

    assert isinstance(ended(read), OSError)


ENDLESS = ["a body that trickles", "a head that trickles", "a line without end"]


@pytest.mark.parametrize("kind", ENDLESS)
def test_asking_our_server_ends(hostile, monkeypatch, kind):
    monkeypatch.setattr("ffe_otel.cli.client._TIMEOUT_SECONDS", 0.6)
    server = Server(1, hostile(kind), "token", "", "")
    assert isinstance(ended(lambda: server.get("/api/v1/status")), UnreachableError)


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_probe_of_doctor_ends(hostile, monkeypatch, kind):
    monkeypatch.setattr(places, "_TIMEOUT_SECONDS", 0.6)
    assert isinstance(ended(lambda: places.page(hostile(kind))), OSError)


@pytest.mark.parametrize("kind", ENDLESS)
def test_writing_to_influx_ends(hostile, monkeypatch, kind):
    monkeypatch.setattr(client, "TIMEOUT", (0.3, 0.3))
    influx = client.InfluxClient(InfluxDB(url=hostile(kind)))
    answer = ended(lambda: influx.write(["m f=1 1"]))
    influx.close()
    assert answer.verdict is client.Verdict.UNREACHABLE
