# SPDX-License-Identifier: Apache-2.0
"""Processes that end, fork, or are told to: what was logged is in the file, once."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from logs_bench import all_lines

PREAMBLE = """
import atexit, logging, multiprocessing, os, signal, sys, threading, time
from pathlib import Path
from ffe_otel.capture.logs import LogCapture
from ffe_otel.capture.logs.capture import outputs_of
from ffe_otel.config.model import Config, Logging, LogOutputs, Rotation
from ffe_otel.export.stats import ExportStats

def install(**settings):
    config = Config(
        state_dir=sys.argv[1],
        logging=Logging(outputs=LogOutputs(console=False), **settings),
    )
    capture = LogCapture(config, outputs_of(config, None), dict, ExportStats(), dict)
    capture.start()
    return capture

log = logging.getLogger("engine")
log.setLevel(logging.DEBUG)
log.addHandler(logging.NullHandler())
"""


@pytest.fixture
def run(tmp_path):
    """Run a script; gives back its messages in the order of the file."""

    def execute(script: str, *, status: int = 0, warnings: str = "") -> list[str]:
        code = PREAMBLE + textwrap.dedent(script)
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, done.stderr
        assert done.stderr == warnings
        lines = all_lines(Path(tmp_path, "logs", "ffe.log"))
        return [line["message"] for line in lines]

    return execute


def test_everything_is_written_when_the_process_ends(run):
    messages = run("""
        install()
        for number in range(3000):
            log.info("%d", number)
    """)
    assert messages == [str(number) for number in range(3000)]


@pytest.mark.parametrize("how", ["raise SystemExit(3)", "sys.exit(3)"])
def test_an_early_end(run, how):
    assert run(f"install()\nlog.info('x')\n{how}", status=3) == ["x"]


def test_records_of_callbacks_that_run_after_ours(run):
    messages = run("""
        atexit.register(lambda: log.info("later %s", threading.active_count()))
        install()
        atexit.register(lambda: log.info("earlier"))
        log.info("now")
    """)
    assert messages == ["now", "earlier", "later 1"]


def test_a_forked_child_writes_its_own_records_once(run):
    messages = run("""
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads
        capture = install(rotation=Rotation(max_bytes=1024, backup_count=1000))
        gate = capture._worker._delivering
        gate.acquire()  # the parent's records are still queued when it forks
        for number in range(20):
            log.info("parent %d", number)
        children = []
        for child in range(3):
            pid = os.fork()
            if pid == 0:
                for number in range(20):
                    log.info("child %d %d", child, number)
                sys.exit(0)
            children.append(pid)
        gate.release()
        for pid in children:
            assert os.waitpid(pid, 0)[1] == 0
        log.info("parent done")
    """)
    assert sorted(messages) == sorted(
        [
            *(f"parent {number}" for number in range(20)),
            *(f"child {child} {number}" for child in range(3) for number in range(20)),
            "parent done",
        ]
    )


def test_a_fork_while_a_file_is_being_compressed(run, tmp_path):
    messages = run("""
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        capture = install(async_logging=False, rotation=Rotation(max_bytes=4000, backup_count=90))
        file = capture._delivery._outputs.file
        capture._worker._step = lambda: False  # leave compression half done
        while file._compression is None:
            log.info("parent %s", os.urandom(200).hex())
        file.step()
        pid = os.fork()
        if pid == 0:
            log.info("child")
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        while file.step():
            pass
        log.info("done")
        print(len([name for name in os.listdir(file.path.parent) if name.endswith(".gz")]))
    """)
    assert messages.count("child") == messages.count("done") == 1
    assert (tmp_path / "logs" / "ffe.log.1.gz").exists()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_multiprocessing(run, tmp_path, method):
    script = tmp_path / "engine_script.py"
    script.write_text(
        PREAMBLE
        + textwrap.dedent(f"""
            import warnings
            warnings.simplefilter("ignore", DeprecationWarning)

            def work(number):
                if {method!r} == "spawn":
                    install()
                log.info("child %d", number)

            if __name__ == "__main__":
                install()
                context = multiprocessing.get_context({method!r})
                children = [context.Process(target=work, args=(n,)) for n in range(2)]
                for child in children:
                    child.start()
                for child in children:
                    child.join()
                    assert child.exitcode == 0
                log.info("parent")
        """)
    )
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = (tmp_path / "logs" / "ffe.log").read_text().splitlines()
    assert sorted(json.loads(line)["message"] for line in lines) == [
        "child 0",
        "child 1",
        "parent",
    ]


def test_flushing_in_a_signal_handler(run):
    messages = run(
        """
        capture = install()

        def stop(number, frame):
            log.info("told to stop")
            assert capture.close(5)
            os._exit(0)

        signal.signal(signal.SIGTERM, stop)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        count = 0
        while True:
            log.info("work %d", count)
            count += 1
            time.sleep(0.0005)
        """
    )
    assert messages[-1] == "told to stop"
    assert messages[:-1] == [f"work {number}" for number in range(len(messages) - 1)]


def test_a_killed_process_has_written_all_but_the_last_moment(tmp_path):
    code = PREAMBLE + textwrap.dedent("""
        install()
        log.info("on disk")
        path = os.path.join(sys.argv[1], "logs", "ffe.log")
        end = time.monotonic() + 20
        while not (os.path.exists(path) and os.path.getsize(path)) and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == -9
    assert [line["message"] for line in all_lines(tmp_path / "logs" / "ffe.log")] == ["on disk"]


def test_nothing_of_ours_keeps_the_engine_from_ending(tmp_path):
    code = PREAMBLE + textwrap.dedent("""
        import dataclasses
        capture = install()
        capture._worker._deliver = lambda batch: time.sleep(3600)
        log.info("stuck")
        capture._shutdown_seconds = 0.3
        time.sleep(0.3)
    """)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 0
