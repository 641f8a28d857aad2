# SPDX-License-Identifier: Apache-2.0
"""With ``all``, handlers that send a record's parts send none that is secret."""

from __future__ import annotations

import logging
import logging.handlers
import pickle
import socket

from loopback import Endpoint, Reply

SECRET = "Qm7zX2vB9nK4tR8wL1pD6sF3hJ5gY0cA"


def test_datagrams(screened, engine):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        engine.addHandler(logging.handlers.DatagramHandler(*receiver.getsockname()))
        for wanted in ("all", "console"):
            screened(wanted)
            extra = {"api_key": SECRET, "pair": "BTCUSD"}
            engine.warning("api_key=%s", SECRET, extra=extra)
            sent = pickle.loads(receiver.recv(65_536)[4:])
            assert sent["pair"] == "BTCUSD"
            if wanted == "all":
                assert sent["msg"] == "api_key=[redacted:api-key]"
                assert sent["api_key"] == "[redacted:api-key]"
            else:
                assert sent["api_key"] == SECRET
            screened.undo()


def test_syslog(screened, engine):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        engine.addHandler(logging.handlers.SysLogHandler(receiver.getsockname()))
        screened("all")
        engine.warning("api_key=%s", SECRET)
        assert receiver.recv(65_536) == b"<12>api_key=[redacted:api-key]\0"


def test_http(screened, engine):
    asked, connections = [], []

    class Http(logging.handlers.HTTPHandler):
        def getConnection(self, host, secure):
            connections.append(super().getConnection(host, secure))
            return connections[-1]

    def keep(one):
        asked.append(one)
        return Reply()

    with Endpoint(keep) as endpoint:
        host = endpoint.url.removeprefix("http://")
        engine.addHandler(Http(host, "/log", method="POST"))
        screened("all")
        engine.warning("api_key=%s", SECRET)
        connections[0].close()  # which logging leaves open
    (one,) = asked
    assert SECRET.encode() not in one.body
    assert b"redacted%3Aapi-key" in one.body


def test_a_subject(screened, engine):
    sent = []

    class Mail(logging.handlers.SMTPHandler):
        def getSubject(self, record):
            return f"failed: {record.getMessage()}"

        def emit(self, record):
            super().emit(record)

    mail = Mail("127.0.0.1:1", "a@x.example", ["b@x.example"], "unused")
    mail.handleError = lambda record: sent.append(mail.getSubject(record))
    engine.addHandler(mail)
    screened("all")
    engine.warning("api_key=%s", SECRET)
    assert sent == ["failed: api_key=[redacted:api-key]"]


def test_the_record_is_no_other_handler_s_copy(screened, engine):
    records = []

    class Keeping(logging.Handler):
        def emit(self, record):
            records.append(record)

    engine.addHandler(logging.handlers.DatagramHandler("127.0.0.1", 9))
    engine.addHandler(Keeping())
    screened("all")
    engine.warning("api_key=%s", SECRET)
    assert records[0].args == (SECRET,)
