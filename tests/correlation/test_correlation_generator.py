# SPDX-License-Identifier: Apache-2.0
"""Ids come from a source the engine cannot make repeat."""

import random
import subprocess
import sys
import threading
import uuid

from opentelemetry.context import Context

from ffe_otel.correlation import (
    FfeIdGenerator,
    requested_root,
    use_requested_root,
    with_requested_root,
)

FORK = """
import os
from ffe_otel.correlation import FfeIdGenerator

generator = FfeIdGenerator()


def ids():
    return f"{generator.generate_trace_id():032x}{generator.generate_span_id():016x}"


ids()
reader, writer = os.pipe()
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        os.write(writer, f"{ids()}\\n".encode())
        os._exit(0)
    os.waitpid(pid, 0)
os.close(writer)
print(ids())
print(os.read(reader, 1000).decode(), end="")
"""


def test_ids_are_valid_and_do_not_repeat():
    generator = FfeIdGenerator()
    traces = {generator.generate_trace_id() for _ in range(5000)}
    spans = {generator.generate_span_id() for _ in range(5000)}
    assert len(traces) == len(spans) == 5000
    assert all(0 < number < 2**128 for number in traces)
    assert all(0 < number < 2**64 for number in spans)


def test_an_engine_that_seeds_random_gets_new_ids_and_keeps_its_numbers():
    generator = FfeIdGenerator()
    random.seed(7)
    first = generator.generate_trace_id(), generator.generate_span_id()
    engine = random.random()
    random.seed(7)
    assert random.random() == engine
    random.seed(7)
    assert (generator.generate_trace_id(), generator.generate_span_id()) != first


def test_two_generators_share_no_sequence():
    assert FfeIdGenerator().generate_trace_id() != FfeIdGenerator().generate_trace_id()


def test_a_seeded_source_repeats():
    one, other = FfeIdGenerator(random.Random(1)), FfeIdGenerator(random.Random(1))
    assert one.generate_trace_id() == other.generate_trace_id()
    assert one.generate_span_id() == other.generate_span_id()


def test_a_zero_from_the_source_is_never_an_id():
    class Zero(random.Random):
        def getrandbits(self, k):
            return 0

    generator = FfeIdGenerator(Zero())
    assert generator.generate_trace_id() > 0
    assert generator.generate_span_id() > 0


def test_forked_children_repeat_neither_their_parent_nor_each_other():
    done = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, check=True, timeout=60
    )
    ids = done.stdout.split()
    assert len(ids) == len(set(ids)) == 3


def test_a_requested_id_is_issued_exactly_once():
    generator = FfeIdGenerator()
    wanted = uuid.uuid4()
    requested = requested_root(with_requested_root(Context(), str(wanted)))
    with use_requested_root(requested):
        assert generator.generate_trace_id() == wanted.int
        assert generator.generate_trace_id() != wanted.int
    with use_requested_root(requested):
        assert generator.generate_trace_id() != wanted.int


def test_a_requested_id_goes_to_one_of_many_threads():
    generator = FfeIdGenerator()
    wanted = uuid.uuid4()
    requested = requested_root(with_requested_root(Context(), str(wanted)))
    issued = []
    start = threading.Barrier(8)

    def root():
        start.wait(10)
        with use_requested_root(requested):
            issued.append(generator.generate_trace_id())

    threads = [threading.Thread(target=root) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert issued.count(wanted.int) == 1
    assert len(set(issued)) == 8


def test_outside_its_block_a_requested_id_is_not_issued():
    generator = FfeIdGenerator()
    wanted = uuid.uuid4()
    with use_requested_root(requested_root(with_requested_root(Context(), str(wanted)))):
        with use_requested_root(None):
            assert generator.generate_trace_id() != wanted.int
        assert generator.generate_trace_id() == wanted.int
    assert generator.generate_trace_id() != wanted.int


def test_the_random_flag_is_reported_for_the_id_just_issued():
    generator = FfeIdGenerator()
    generator.generate_trace_id()
    assert generator.is_trace_id_random()
    for text, expected in ((str(uuid.uuid4()), True), (str(uuid.uuid1()), False), ("x", False)):
        with use_requested_root(requested_root(with_requested_root(Context(), text))):
            generator.generate_trace_id()
            assert generator.is_trace_id_random() is expected
            generator.generate_trace_id()
            assert generator.is_trace_id_random()
