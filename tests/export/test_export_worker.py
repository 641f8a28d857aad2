# SPDX-License-Identifier: Apache-2.0
"""The queue and its thread: bounded, patient, and honest about what was lost."""

from __future__ import annotations

import itertools
import queue
import threading
import time

import psutil
import pytest

from ffe_otel.export.worker import BATCH_BYTES, Worker
from ffe_otel.foundation import native
from ffe_otel.foundation.room import Room


def wait_until(condition):
    """Poll until a condition holds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


class Sink:
    """Collects batches; can be made to wait."""

    def __init__(self) -> None:
        self.items: list[int] = []
        self.dropped = 0
        self.open = threading.Event()
        self.open.set()
        self.threads: set[str] = set()
        self.pieces = 0
        self.seen_by_steps: list[int] = []

    def deliver(self, batch):
        self.threads.add(threading.current_thread().name)
        assert self.open.wait(20)
        self.items.extend(batch)

    def drop(self, count):
        self.dropped += count

    def step(self):
        self.seen_by_steps.append(len(self.items))
        self.pieces = max(0, self.pieces - 1)
        return self.pieces > 0


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def make(sink):
    made = []

    def begin(capacity=1000, *, threaded=True, room=None):
        worker = Worker(
            sink.deliver,
            room=room,
            capacity=capacity,
            dropped=sink.drop,
            threaded=threaded,
            step=sink.step,
        )
        made.append(worker)
        return worker

    yield begin
    sink.open.set()
    for worker in made:
        assert worker.close(10)


def test_items_arrive_in_order_on_a_thread_of_our_own(make, sink):
    worker = make()
    for number in range(900):
        worker.put(number)
    assert worker.flush(10)
    assert sink.items == list(range(900))
    assert len(sink.threads) == 1
    assert "MainThread" not in sink.threads


def test_items_arrive_without_being_asked_for(make, sink):
    worker = make()
    worker.put(1)
    wait_until(lambda: sink.items == [1])


def test_steps_do_not_wait_for_the_end_of_a_backlog(make, sink):
    worker = make(capacity=10_000)
    sink.open.clear()
    for number in range(5_000):
        worker.put(number)
    sink.open.set()
    assert worker.flush(10)
    assert any(1_000 < seen < 4_000 for seen in sink.seen_by_steps)


def test_a_full_queue_drops_the_newest_and_counts_exactly(make, sink):
    worker = make(capacity=100)
    worker.put(0)
    assert worker.flush(10)
    sink.open.clear()
    worker.put(1)
    wait_until(lambda: worker.waiting == 0)
    for number in range(2, 152):
        worker.put(number)
    assert worker.waiting == 100
    sink.open.set()
    assert worker.flush(10)
    assert sink.items == list(range(102))
    assert sink.dropped == 50
    worker.put(500)
    assert worker.flush(10)
    assert sink.dropped == 50


def test_drops_of_many_threads_add_up(make, sink):
    worker = make(capacity=1)
    sink.open.clear()

    def work():
        for number in range(1000):
            worker.put(number)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.open.set()
    assert worker.flush(10)
    assert worker.flush(10)
    assert len(sink.items) + sink.dropped == 4000


def test_flush_gives_up_at_its_deadline(make, sink):
    worker = make()
    sink.open.clear()
    worker.put(1)
    assert worker.flush(0.05) is False
    sink.open.set()
    assert worker.flush(10)
    assert sink.items == [1]


def test_flush_without_anything_is_done(make):
    worker = make()
    assert worker.flush(0)
    worker.start()
    assert worker.flush(10)


def test_after_closing_items_are_delivered_by_their_bringer(make, sink):
    worker = make()
    worker.put(1)
    assert worker.close(10)
    sink.threads.clear()
    worker.put(2)
    assert sink.items == [1, 2]
    assert sink.threads == {"MainThread"}
    assert worker.flush(0)


def test_closing_gives_up_at_its_deadline_and_blocks_nobody_later(make, sink):
    worker = make()
    sink.open.clear()
    worker.put(1)
    wait_until(lambda: worker.waiting == 0)
    worker.put(2)
    assert worker.close(0.05) is False
    worker.put(3)  # the stuck worker still holds the outputs
    assert sink.items == []
    sink.open.set()
    wait_until(lambda: sink.items == [1, 2, 3])


def test_without_a_thread_everything_happens_at_once(make, sink):
    worker = make(threaded=False)
    sink.pieces = 5
    worker.put(1)
    assert sink.items == [1]
    assert sink.threads == {"MainThread"}
    assert sink.pieces == 0


def test_what_a_busy_neighbour_brings_is_not_left_behind(make, sink):
    worker = make(threaded=False)
    inside = threading.Event()
    original = sink.deliver

    def deliver(batch):
        inside.set()
        original(batch)

    worker._deliver = deliver
    sink.open.clear()
    thread = threading.Thread(target=worker.put, args=(1,))
    thread.start()
    assert inside.wait(10)
    worker.put(2)  # finds the outputs taken and leaves it to the other thread
    sink.open.set()
    thread.join()
    assert sink.items == [1, 2]


class Limit:
    """Stands in for the limit of threads: starts fail until it is raised."""

    def __init__(self, monkeypatch, error):
        self.reached = True
        self.asked = 0
        start = native._start_new_thread

        def start_new_thread(*args):
            self.asked += 1
            if self.reached:
                raise error
            return start(*args)

        monkeypatch.setattr(native, "_start_new_thread", start_new_thread)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("can't start new thread"), RecursionError("too deep"), MemoryError()],
    ids=["limit", "recursion", "memory"],
)
def test_a_start_that_fails_is_tried_again_and_leaves_nothing_to_the_caller(
    make, sink, monkeypatch, error
):
    limit = Limit(monkeypatch, error)
    worker = make()
    for number in range(100):
        worker.put(number)
    assert sink.items == []
    assert limit.asked < 20, "no pause between two attempts"
    limit.reached = False

    def put_and_look():
        worker.put(100)
        return bool(sink.items)

    wait_until(put_and_look)
    assert "MainThread" not in sink.threads
    assert sink.items[:101] == list(range(101))


def test_what_waits_without_a_thread_is_delivered_by_whoever_flushes(make, sink, monkeypatch):
    Limit(monkeypatch, RuntimeError("can't create new thread at interpreter shutdown"))
    worker = make()
    worker.put(1)
    assert worker.flush(1)
    worker.put(2)
    assert worker.close(1)
    worker.put(3)
    assert sink.items == [1, 2, 3]


def test_a_thread_that_could_not_start_is_started_by_another(make, sink, monkeypatch):
    limit = Limit(monkeypatch, RuntimeError("can't start new thread"))
    served = threading.Event()
    native.keep_starting(native.Thread(served.set))
    limit.reached = False
    make().start()
    assert served.wait(10)


def test_work_in_pieces_goes_on_between_batches(make, sink):
    worker = make()
    sink.pieces = 50
    worker.put(1)
    wait_until(lambda: sink.pieces == 0)
    assert sink.items == [1]


def test_a_forked_child_leaves_what_is_queued_to_its_parent(make, sink):
    worker = make()
    sink.open.clear()
    worker.put(1)
    wait_until(lambda: worker.waiting == 0)
    worker.put(2)
    before = psutil.Process().num_threads()
    worker.after_fork()
    assert worker.waiting == 0
    assert psutil.Process().num_threads() == before
    sink.open.set()


def test_a_signal_handler_may_flush(make, sink):
    # What flush waits on is its own, so code that was interrupted cannot hold it.
    worker = make()
    worker.start()
    requests = worker._requests
    assert isinstance(requests, queue.SimpleQueue)
    for number in range(50):
        worker.put(number)
        assert worker.flush(10)
    assert sink.items == list(range(50))


def test_who_delivers_what_he_brought_has_no_time_for_rests(make):
    threaded, inline = make(capacity=400), make(threaded=False)
    assert inline.pressed
    assert not threaded.pressed
    assert threaded.close(10)
    assert threaded.pressed


def test_there_is_no_time_when_a_quarter_of_the_queue_waits(make, sink):
    worker = make(capacity=400)
    sink.open.clear()
    worker.put(0)
    wait_until(lambda: worker.waiting == 0)
    for number in range(100):
        assert not worker.pressed
        worker.put(number)
    assert worker.pressed


def test_queues_share_a_room_and_give_back_what_is_delivered(make, sink):
    room = Room(1000)
    one, two = make(room=room), make(room=room)
    sink.open.clear()
    one.put(0, 100)
    wait_until(lambda: one.waiting == 0)
    for number in range(1, 21):
        (one if number % 2 else two).put(number, 100)
    assert room.used == 1000
    sink.open.set()
    assert one.flush(10)
    assert two.flush(10)
    assert sorted(sink.items) == list(range(10))
    assert sink.dropped == 11
    assert room.used == 0
    one.put(100, 1000)
    assert one.flush(10)
    assert sink.items[-1] == 100


def test_large_items_go_in_small_batches(make, sink):
    worker = make(capacity=0)
    batches = []
    worker._deliver = batches.append
    sink.open.clear()
    for number in range(100):
        worker.put(number, BATCH_BYTES // 4)
    assert worker.flush(10)
    assert list(itertools.chain(*batches)) == list(range(100))
    assert max(map(len, batches)) <= 4


def test_flush_does_not_wait_for_what_comes_after_it(make, sink):
    worker = make(threaded=False)
    original, more = sink.deliver, iter(range(100, 2000))

    def deliver(batch):
        original(batch)
        for number in list(itertools.islice(more, 3)):
            worker._queue.extend((number, 0))

    worker._deliver = deliver
    worker._queue.extend((1, 0, 2, 0))
    assert worker.flush(10)
    assert sink.items == [1, 2]


def test_flush_within_a_delivery_waits_for_nobody(make, sink):
    worker = make()
    answers = []
    worker._deliver = lambda _: answers.append(worker.flush(10))
    worker.put(1)
    assert worker.flush(10)
    assert answers == [False]


def test_a_stuck_delivery_after_closing_is_no_success(make, sink):
    worker = make()
    sink.open.clear()
    worker.put(1)
    wait_until(lambda: worker.waiting == 0)
    assert worker.close(0.05) is False
    assert worker.flush(0.05) is False
    sink.open.set()
    assert worker.flush(10)
