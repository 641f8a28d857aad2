# SPDX-License-Identifier: Apache-2.0
"""What the Collector has acknowledged arrives, whatever happens to it in between."""

import signal

import pytest
from stack_sending import post, trace_request
from stack_server import get, until


def names(sink):
    return [span.name for span in sink.spans()]


def send(collector, prefix, count):
    """Names of spans that were acknowledged, one request each."""
    acknowledged = []
    for number in range(count):
        name = f"{prefix}-{number}"
        if post(collector.otlp_http, trace_request([name])).status_code == 200:
            acknowledged.append(name)
    return acknowledged


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_while_the_sink_is_down_nothing_is_missing(collector, sink, number):
    sink.down()
    sent = send(collector, "before", 50)
    collector.stop(number)
    collector.run()
    sent += send(collector, "after", 50)
    collector.stop(number)
    sink.up()
    collector.run()
    assert len(sent) == 100
    until(lambda: set(sent) <= set(names(sink)))
    # Exporting again what was on its way when it was killed is allowed, losing is not.
    assert set(names(sink)) == set(sent)


def test_one_dead_exporter_holds_up_no_other(collector, sink):
    """Nobody is where Tempo should be, in all of these tests."""
    sent = send(collector, "x", 5)
    until(lambda: set(names(sink)) == set(sent))
    waiting = collector.own_metric("otelcol_exporter_queue_size", exporter="otlp_grpc/tempo")
    assert waiting > 0


def test_tempo_gets_what_came_while_it_was_away(make_collector, sink, tempo):
    env = {"FFE_SERVE_OTLP": sink.url, "FFE_TEMPO_OTLP": tempo.address}
    collector = make_collector(env=env).run()
    sent = send(collector, "away", 20)
    tempo.up()
    until(lambda: {span.name for span in tempo.spans} == set(sent))
    tempo.down()
    sent += send(collector, "away-again", 20)
    collector.kill()
    tempo.up()
    collector.run()
    until(lambda: {span.name for span in tempo.spans} == set(sent))
    assert set(names(sink)) == set(sent)


def test_a_full_queue_refuses_and_says_so(make_collector, sink):
    collector = make_collector(
        env={"FFE_SERVE_OTLP": sink.url, "FFE_COLLECTOR_QUEUE_BYTES": "300000"}
    ).run()
    sink.down()
    filler = {"note": "x" * 20_000}
    sent, refused = [], 0
    for number in range(40):
        name = f"full-{number}"
        answer = post(collector.otlp_http, trace_request([name], filler))
        if answer.status_code == 200:
            sent.append(name)
        else:
            # The sender is to try again, not to give up.
            assert answer.status_code == 503
            refused += 1
    assert sent
    assert refused
    assert any("queue is full" in m.get("error", "") for m in collector.messages())
    for exporter in ("otlp_http/serve", "otlp_grpc/tempo"):
        name = "otelcol_exporter_enqueue_failed_spans_total"
        assert collector.own_metric(name, exporter=exporter) > 0
    sink.up()
    until(lambda: set(sent) <= set(names(sink)))


@pytest.fixture
def stopped(collector, sink):
    """A Collector that worked, and the file of its queue of spans for `serve`."""
    send(collector, "x", 1)
    until(sink.spans)
    collector.stop()
    (queue,) = (collector.state / "serve").glob("*serve_traces")
    return collector, queue


def test_a_queue_that_is_no_database_stops_the_start_with_its_exporter_s_name(stopped, sink):
    collector, queue = stopped
    queue.write_bytes(b"not a database")
    with pytest.raises(AssertionError, match="it ended"):
        collector.run()
    assert collector.log().splitlines()[-1] == (
        'Error: cannot start pipelines: failed to start "otlp_http/serve" exporter: '
        "invalid database"
    )
    queue.rename(queue.with_suffix(".damaged"))
    collector.run()
    assert send(collector, "y", 1)
    until(lambda: "y-0" in names(sink))


def test_a_refusing_sink_is_tried_again(collector, sink):
    sink.status = 503
    sent = send(collector, "x", 3)
    until(lambda: any("Will retry" in m["msg"] for m in collector.messages()))
    sink.status = 200
    until(lambda: set(names(sink)) == set(sent))


def test_what_the_sink_takes_for_broken_is_dropped_and_counted(collector, sink):
    """400 means never: it must not stop what comes behind."""
    sink.status = 400
    send(collector, "bad", 1)
    name = "otelcol_exporter_send_failed_spans_total"
    until(lambda: collector.own_metric(name, exporter="otlp_http/serve") == 1)
    sink.status = 200
    sent = send(collector, "good", 1)
    until(lambda: names(sink) == sent)


def test_the_token_of_serve_is_read_from_a_file(make_collector, sink, tmp_path):
    token = tmp_path / "token"
    token.write_text("s3cret-token\n")
    env = {"FFE_SERVE_OTLP": sink.url, "FFE_SERVE_TOKEN_FILE": str(token)}
    collector = make_collector(env=env).run()
    send(collector, "x", 1)
    until(sink.spans)
    assert sink.headers[0]["authorization"] == "Bearer s3cret-token"
    assert "s3cret-token" not in collector.log()


def test_without_a_token_the_default_works(collector, sink):
    send(collector, "x", 1)
    until(sink.spans)
    assert get(collector.health)


def test_two_collectors_do_not_share_queues(collector, make_collector):
    second = make_collector(env={"FFE_COLLECTOR_STATE": str(collector.state)})
    with pytest.raises(AssertionError, match="it ended"):
        second.run()
    assert "failed to start" in second.log().splitlines()[-1]
    assert second.log().splitlines()[-1].endswith("exporter: timeout")
