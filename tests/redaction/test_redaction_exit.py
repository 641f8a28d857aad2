# SPDX-License-Identifier: Apache-2.0
"""A process that ends while threads are redacting ends as it would without us."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys, threading
from ffe_otel.redaction import Redactor, load_catalogue

redactor = Redactor(load_catalogue(), gate=sys.argv[1])
text = "the quick brown fox counts 12345 tokens " * 400
started = threading.Barrier(4)

def work():
    for number in range(10**9):
        redactor.text(f"{text}{number}", "body")
        if number == 3:
            started.wait()

for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
started.wait()
"""


@pytest.mark.parametrize("gate", ["re2", "python"])
def test_daemon_threads_that_redact_do_not_abort_the_process(gate):
    if gate == "re2":
        pytest.importorskip("re2")
    for _ in range(3):
        command = [sys.executable, "-c", PROGRAM, gate]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
