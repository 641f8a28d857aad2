# SPDX-License-Identifier: Apache-2.0
"""The sender: what an outcome means for the records, and when it tries again."""

from __future__ import annotations

import errno
import os
import threading
import time

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from spool_parts import files

from ffe_otel.export.health import Health
from ffe_otel.export.session import Answer
from ffe_otel.export.spool.answers import Fate, Outcome, of_http
from ffe_otel.export.spool.gate import LONGEST_PAUSE, Backoff, Gate
from ffe_otel.export.spool.sender import Desk, Pace, Sender
from ffe_otel.export.stats import Signal

TAKEN = Outcome(Fate.TAKEN)
BUSY = Outcome(Fate.LATER, "http_503", "answered 503")
BROKEN = Outcome(Fate.LATER, "http_500", "answered 500", "Error 4711", suspicious=True)
GONE = Outcome(Fate.UNREACHABLE, "unreachable", "connection refused")
BAD = Outcome(Fate.REFUSED, "http_400", "answered 400", "bad record", divisible=True)
FORBIDDEN = Outcome(Fate.REFUSED, "http_403", "answered 403", "no token")


class Scripted:
    """A transport whose outcomes are decided by a function of the payload."""

    url = "http://collector.example/v1/traces"
    target = "http://collector.example"
    timeout = 5.0

    def __init__(self, decide=lambda _: TAKEN):
        self.decide = decide
        self.posted = []
        self.seconds = []

    def post(self, payload, seconds):
        self.posted.append(payload)
        self.seconds.append(seconds)
        return self.decide(payload)


@pytest.fixture
def begin(make, stats):
    """Makes a sender that acts when it is asked to, and after an hour by itself."""
    started = []

    def build(transport, *, interval=3600.0, patience=8, running=True, **bounds):
        health = Health(lambda text: text)
        desk = Desk(stats, health, lambda text: text.replace("token", "[redacted]"))
        pace = Pace(interval, transport.timeout, patience)
        sender = Sender(make(**bounds), transport, Gate(), pace, desk)
        started.append(sender)
        if running:
            assert flush(sender)  # the round that every sender begins with
        return sender

    yield build
    for sender in started:
        sender.begin_close(time.monotonic() + 30)
        sender.end_close()


def flush(sender, seconds=30.0):
    deadline = time.monotonic() + seconds
    return sender.wait_for(sender.ask(deadline), deadline)


def until(true, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class TestFates:
    def test_what_is_taken_is_gone_and_counted(self, begin, stats):
        transport = Scripted()
        sender = begin(transport)
        for number in range(10):
            sender.spool.append(b"%d" % number, 2)
        assert flush(sender)
        assert transport.posted == [b"0123456789"]
        assert stats.snapshot().exported == {"traces": 20}

    def test_a_rejected_part_is_counted(self, begin, stats, caplog):
        sender = begin(Scripted(lambda _: Outcome(Fate.TAKEN, text="too old", rejected=3)))
        for _ in range(2):
            sender.spool.append(b"x", 10)
            assert flush(sender)
        assert stats.snapshot().exported == {"traces": 14}
        assert stats.snapshot().dropped == {("traces", "rejected"): 6}
        assert [r.getMessage().count("too old") for r in caplog.records] == [1]

    @pytest.mark.parametrize(("outcome", "code"), [(BUSY, "http_503"), (GONE, "unreachable")])
    def test_what_is_not_taken_stays(self, begin, stats, caplog, outcome, code):
        answers = [outcome, outcome, TAKEN, TAKEN]
        transport = Scripted(lambda _: answers.pop(0))
        sender = begin(transport)
        caplog.set_level("INFO")
        sender.spool.append(b"x", 1)
        assert [flush(sender) for _ in range(3)] == [False, False, True]
        assert stats.snapshot().failures == {("traces", code): 2}
        assert [r.levelname for r in caplog.records] == ["WARNING", "INFO"]
        assert "It waits in" in caplog.records[0].getMessage()

    def test_what_comes_while_it_sends_is_not_what_was_asked_for(self, begin):
        def decide(_):
            sender.spool.append(b"later", 1)
            return TAKEN

        transport = Scripted(decide)
        sender = begin(transport)
        sender.spool.append(b"x", 1)
        assert flush(sender)
        assert transport.posted[0] == b"x"
        assert not sender.spool.empty

    def test_one_bad_record_is_found_among_its_neighbours(self, begin, stats, tmp_path):
        transport = Scripted(lambda payload: BAD if b"bad" in payload else TAKEN)
        sender = begin(transport)
        for number in range(40):
            sender.spool.append(b"bad" if number == 23 else b"%02d" % number, 1)
        flush(sender)
        until(lambda: flush(sender))
        assert stats.snapshot().exported == {"traces": 39}
        assert stats.snapshot().quarantined == {("traces", "http_400"): 1}
        taken = b"".join(p for p in transport.posted if b"bad" not in p)
        assert taken == b"".join(b"%02d" % n for n in range(40) if n != 23)

    def test_what_is_refused_whatever_it_is_goes_as_a_whole(self, begin, stats, tmp_path):
        transport = Scripted(lambda _: FORBIDDEN)
        sender = begin(transport)
        for _ in range(10):
            sender.spool.append(b"x", 1)
        assert flush(sender)
        assert len(transport.posted) == 1
        assert stats.snapshot().quarantined == {("traces", "http_403"): 10}
        [reason] = tmp_path.rglob("*.reason")
        assert reason.read_text() == "http://collector.example answered 403 no [redacted]\n"

    def test_a_transport_that_fails_badly_does_not_end_the_sender(self, begin, caplog):
        answers = [ZeroDivisionError("ours"), TAKEN]

        def decide(_):
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        sender = begin(Scripted(decide))
        sender.spool.append(b"x", 1)
        assert [flush(sender), flush(sender)] == [False, True]
        assert "ZeroDivisionError" in caplog.text

    def test_what_cannot_be_read_now_is_read_later(self, begin, monkeypatch, stats, caplog):
        sender = begin(Scripted())
        for number in range(12):
            sender.spool.append(b"%d" % number * 40_000, 1)
        real = os.open

        def too_many(path, flags, *args, **kwargs):
            if str(path).endswith(".spool"):
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return real(path, flags, *args, **kwargs)

        with monkeypatch.context() as patched:
            patched.setattr(os, "open", too_many)
            assert [flush(sender) for _ in range(3)] == [False] * 3
        assert flush(sender)
        assert stats.snapshot().exported == {"traces": 12}
        assert caplog.text.count("Too many open files") == 1


class TestPoison:
    """A request that the server fails on is put aside once it has shown to take others."""

    @pytest.fixture
    def patient(self, begin):
        """Begins a sender that loses its patience after two failures, pauses between them."""

        def build(decide, **bounds):
            transport = Scripted(decide)
            return begin(transport, interval=0.02, patience=2, **bounds), transport

        return build

    @staticmethod
    def fill(sender, *, poison, count=40):
        for number in range(count):
            sender.spool.append(b"poison" if number in poison else b"%02d" % number, 1)

    @pytest.mark.parametrize("position", [0, 23, 39])
    def test_it_alone_is_put_aside(self, patient, stats, tmp_path, position):
        sender, transport = patient(lambda p: BROKEN if b"poison" in p else TAKEN)
        self.fill(sender, poison={position})
        until(lambda: stats.snapshot().failures.get(("traces", "http_500"), 0) >= 2)
        for _ in range(3):
            sender.spool.append(b"later", 1)  # behind it, and to be delivered for that
        until(lambda: sender.spool.empty)
        assert stats.snapshot().exported == {"traces": 42}
        assert stats.snapshot().quarantined == {("traces", "http_500"): 1}
        [reason] = tmp_path.rglob("*.reason")
        assert "answered 500" in reason.read_text()
        assert "Error 4711" in reason.read_text()
        taken = b"".join(p for p in transport.posted if b"poison" not in p)
        others = b"".join(b"%02d" % n for n in range(40) if n != position)
        assert taken.replace(b"later", b"") == others
        assert taken.count(b"later") == 3

    def test_in_an_outage_nothing_is_put_aside(self, patient, stats, tmp_path):
        down = threading.Event()
        down.set()
        sender, transport = patient(lambda _: BROKEN if down.is_set() else TAKEN, bytes=40_000)
        for number in range(4):
            sender.spool.append(b"%d" % number * 4000, 1)  # each has a file of its own
        until(lambda: stats.snapshot().failures.get(("traces", "http_500"), 0) >= 3)
        assert len(set(transport.posted)) > 1  # others were tried, and failed as well
        down.clear()
        until(lambda: sender.spool.empty)
        assert stats.snapshot().exported == {"traces": 4}
        assert list(tmp_path.rglob("*.reason")) == []

    def test_an_outage_while_it_is_looked_for_puts_nobody_aside(self, patient, stats, tmp_path):
        down, began, sizes = threading.Event(), threading.Event(), []

        def decide(payload):
            if b"poison" in payload and not began.is_set():
                sizes.append(len(payload))
                if sizes[-1] < sizes[0]:  # it was divided
                    began.set()
                    down.set()
            return BROKEN if down.is_set() or b"poison" in payload else TAKEN

        def failures():
            return stats.snapshot().failures.get(("traces", "http_500"), 0)

        sender, _ = patient(decide)
        self.fill(sender, poison={39})
        until(lambda: failures() >= 2)
        for _ in range(3):
            sender.spool.append(b"later", 1)
        assert began.wait(30)
        before = failures()
        until(lambda: failures() >= before + 2)
        assert stats.snapshot().quarantined == {}
        down.clear()
        until(lambda: sender.spool.empty)
        assert stats.snapshot().exported == {"traces": 42}
        assert stats.snapshot().quarantined == {("traces", "http_500"): 1}

    def test_a_server_that_says_it_is_busy_is_believed(self, patient, stats, tmp_path):
        sender, transport = patient(lambda p: BUSY if b"0" in p else TAKEN, bytes=40_000)
        for number in range(3):
            sender.spool.append(b"%d" % number * 4000, 1)
        until(lambda: stats.snapshot().failures.get(("traces", "http_503"), 0) >= 3)
        assert all(b"0" in payload for payload in transport.posted)
        assert sender.spool.waiting().items == 3

    def test_a_flush_in_a_hurry_is_no_reason(self, begin, stats, tmp_path):
        sender = begin(Scripted(lambda p: BROKEN if b"0" in p else TAKEN), patience=1, bytes=40_000)
        for number in range(3):
            sender.spool.append(b"%d" % number * 4000, 1)
        assert [flush(sender) for _ in range(5)] == [False] * 5
        assert sender.spool.waiting().items == 3
        assert list(tmp_path.rglob("*.reason")) == []


class TestPace:
    def test_it_waits_for_more_and_not_for_ever(self, begin):
        transport = Scripted()
        sender = begin(transport, interval=0.2)
        sender.start()
        for number in range(10):
            sender.spool.append(b"%d" % number, 1)
            sender.added()
        until(lambda: sender.spool.empty)
        assert b"".join(transport.posted) == b"0123456789"
        assert len(transport.posted) <= 2

    def test_a_full_request_does_not_wait(self, begin):
        transport = Scripted()
        sender = begin(transport, request_bytes=1000)
        for _ in range(10):
            sender.spool.append(b"x" * 100, 1)
            sender.added()
        until(lambda: transport.posted)
        assert len(transport.posted[0]) >= 800

    def test_a_server_that_asks_to_be_left_alone_is(self, begin):
        answers = [Outcome(Fate.LATER, "http_429", "answered 429", wait_seconds=3600)]
        transport = Scripted(lambda _: answers.pop(0))
        sender = begin(transport)
        sender.spool.append(b"x", 1)
        assert [flush(sender) for _ in range(3)] == [False] * 3
        assert len(transport.posted) == 1

    def test_deadlines_are_passed_down(self, begin):
        transport = Scripted()
        sender = begin(transport)
        sender.spool.append(b"x", 1)
        assert flush(sender, seconds=2.0)
        assert transport.seconds[0] <= 2.0
        sender.spool.append(b"x", 1)
        assert flush(sender, seconds=60.0)
        assert transport.seconds[1] == 5.0

    def test_the_end_does_not_wait_for_a_request_that_hangs(self, begin, tmp_path):
        entered, hang = threading.Event(), threading.Event()

        def decide(_):
            entered.set()
            hang.wait(60)
            return TAKEN

        sender = begin(Scripted(decide), interval=0.01)
        sender.spool.append(b"x", 1)
        sender.start()
        assert entered.wait(30)
        sender.begin_close(time.monotonic() + 0.05)
        sender.end_close()
        assert [path.suffix for path in files(tmp_path) if path.name != "lock"] == [".spool"]
        hang.set()
        until(lambda: files(tmp_path) == [])

    def test_the_end_works_without_a_thread(self, begin, monkeypatch):
        def refuse(_):
            raise RuntimeError("can't start new thread at interpreter shutdown")

        monkeypatch.setattr(threading.Thread, "start", refuse)
        transport = Scripted()
        sender = begin(transport, running=False)
        sender.spool.append(b"x", 1)
        sender.added()
        sender.begin_close(time.monotonic() + 30)
        sender.end_close()
        assert transport.posted == [b"x"]


class TestGate:
    def test_one_tries_while_nobody_is_there(self):
        now = [0.0]
        gate = Gate(lambda: now[0])
        one, two = object(), object()
        assert gate.enter(one)
        assert gate.enter(two)
        gate.leave(one, reached=False)
        gate.leave(two, reached=False)
        assert not gate.enter(one)
        now[0] = 100.0
        assert gate.enter(one)
        assert not gate.enter(two)
        assert gate.enter(two, hurry=True)
        gate.leave(one, reached=True)
        assert gate.enter(one)
        assert gate.enter(two)

    def test_pauses_grow_to_a_limit_and_differ(self):
        now = [0.0]
        backoff = Backoff(lambda: now[0])
        pauses = []
        for _ in range(12):
            backoff.failed()
            pauses.append(backoff.until - now[0])
            now[0] = backoff.until
        assert 0.25 <= pauses[0] <= 0.75
        assert all(LONGEST_PAUSE / 2 <= pause <= LONGEST_PAUSE * 1.5 for pause in pauses[6:])
        assert len(set(pauses)) == 12
        backoff.succeeded()
        assert backoff.until == 0


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "fate"),
        [
            (200, Fate.TAKEN),
            (202, Fate.TAKEN),
            (301, Fate.LATER),
            (400, Fate.REFUSED),
            (401, Fate.REFUSED),
            (404, Fate.REFUSED),
            (408, Fate.LATER),
            (413, Fate.REFUSED),
            (429, Fate.LATER),
            (500, Fate.LATER),
            (503, Fate.LATER),
        ],
    )
    def test_only_2xx_takes_and_only_4xx_refuses(self, status, fate):
        outcome = of_http(Answer(status, b"", 7.0), Signal.TRACES)
        assert outcome.fate is fate
        assert outcome.wait_seconds == (7.0 if fate is Fate.LATER else 0.0)

    @pytest.mark.parametrize(
        ("status", "suspicious"),
        [(500, True), (501, True), (502, False), (503, False), (504, False), (429, False)],
    )
    def test_what_may_be_the_fault_of_the_request(self, status, suspicious):
        answer = Answer(status, b"", 0.0)
        assert of_http(answer, Signal.TRACES).suspicious is suspicious

    def test_partial_success(self):
        body = ExportTraceServiceResponse(
            partial_success=ExportTracePartialSuccess(rejected_spans=4, error_message="why")
        ).SerializeToString()
        outcome = of_http(Answer(200, body, 0.0), Signal.TRACES)
        assert (outcome.rejected, outcome.text) == (4, "why")

    @pytest.mark.parametrize("body", [b"", b"{}", b"<html>welcome</html>"])
    def test_other_bodies_say_nothing(self, body):
        assert of_http(Answer(200, body, 0.0), Signal.LOGS) == Outcome(Fate.TAKEN)
