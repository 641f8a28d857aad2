# SPDX-License-Identifier: Apache-2.0
"""What a whole program prints under capture, with handlers of its own and with none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

SECRET = "Qm7zX2vB9nK4tR8wL1pD6sF3hJ5gY0cA"
LINE = f"api_key={SECRET}"
HIDDEN = "api_key=[redacted:api-key]"
HEAD = """
import logging, sys, ffe_otel
handle = ffe_otel.install()
log = logging.getLogger("engine")
"""


def run(program, tmp_path, *, ends=0, **env):
    quiet = {
        "FFE_OTEL__METRICS__PROMETHEUS__ENABLED": "false",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "FFE_OTEL__LOGGING__OUTPUTS__FILE__ENABLED": "false",
    }
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(program))
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | quiet | env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == ends, done.stderr
    assert SECRET not in done.stdout + done.stderr
    return done


NO_HANDLERS = {
    "none at all": "",
    "one that does not propagate": "log.propagate = False",
    "Python's own, put back": "logging.lastResort = logging._StderrHandler(logging.WARNING)",
}


def messages(text):
    return [json.loads(line)["message"] for line in text.splitlines()]


@pytest.mark.parametrize("name", ["none at all", "one that does not propagate"])
def test_without_handlers_the_redacted_console_is_the_only_one(tmp_path, name):
    done = run(f"{HEAD}{NO_HANDLERS[name]}\nlog.warning('{LINE}')\nlog.error('and more')", tmp_path)
    assert done.stdout == ""
    assert messages(done.stderr) == [HIDDEN, "and more"]


WITHOUT_CONSOLE = [
    ("console", "none at all"),
    ("console", "one that does not propagate"),
    ("console", "Python's own, put back"),
    ("off", "none at all"),
    ("off", "one that does not propagate"),
]


@pytest.mark.parametrize(("wanted", "name"), WITHOUT_CONSOLE)
def test_without_handlers_and_without_a_console_of_ours(tmp_path, wanted, name):
    done = run(
        f"{HEAD}{NO_HANDLERS[name]}\nlog.warning('{LINE}')\nlog.info('too little')",
        tmp_path,
        FFE_OTEL__LOGGING__OUTPUTS__CONSOLE="false",
        FFE_OTEL__REDACTION__ENGINE_HANDLERS=wanted,
    )
    assert done.stderr == f"{HIDDEN}\n"


def test_what_our_console_is_not_for_is_printed_redacted(tmp_path):
    done = run(
        f"{HEAD}log.warning('{LINE}')\nlog.error('an order')",
        tmp_path,
        FFE_OTEL__LOGGING__LEVEL="ERROR",
    )
    first, second = done.stderr.splitlines()
    assert first == HIDDEN
    assert messages(second) == ["an order"]


def test_handlers_that_come_after_the_first_lines(tmp_path):
    done = run(
        f"""{HEAD}
        log.warning("%s", "{LINE}")
        logging.basicConfig(stream=sys.stdout, format="%(name)s: %(message)s")
        log.warning("%s", "{LINE}")
        """.replace("\n        ", "\n"),
        tmp_path,
    )
    assert messages(done.stderr) == [HIDDEN]
    assert done.stdout == f"engine: {HIDDEN}\n"


def test_switched_off_the_engine_prints_what_it_likes(tmp_path):
    script = f"""{HEAD}
logging.basicConfig(stream=sys.stdout)
log.warning("password=%s", "hunter" + "2hunter2")
"""
    done = run(script, tmp_path, FFE_OTEL__REDACTION__ENGINE_HANDLERS="off")
    assert done.stdout == "WARNING:engine:password=hunter2hunter2\n"


UNCAUGHT = {
    "an exception": (f"raise ValueError('{LINE}')", 1),
    "one with causes": (
        f"""
try:
    raise ValueError('{LINE}')
except ValueError as e:
    raise RuntimeError('failed') from e
""",
        1,
    ),
    "a group": (f"raise ExceptionGroup('{LINE}', [ValueError('{LINE}')])", 1),
    "a thread's": (
        f"""
import threading
def work():
    raise ValueError('{LINE}')
thread = threading.Thread(target=work)
thread.start()
thread.join()
""",
        0,
    ),
    "one in __del__": (
        f"class A:\n    def __del__(self):\n        raise ValueError('{LINE}')\nA()",
        0,
    ),
    "a task's": (
        f"""
import asyncio
async def work():
    raise ValueError('{LINE}')
async def main():
    await asyncio.wait([asyncio.create_task(work())])
asyncio.run(main())
""",
        0,
    ),
    "a warning": (f"import warnings\nwarnings.warn('{LINE}')", 0),
    "a captured warning": (
        f"import warnings\nlogging.captureWarnings(True)\nwarnings.warn('{LINE}')",
        0,
    ),
    "a handler's": (
        f"""
log.addHandler(logging.StreamHandler())
key = '{SECRET}'
log.warning('api_key=%s %d', key, 'x')
""",
        0,
    ),
}


@pytest.mark.parametrize("name", UNCAUGHT)
def test_what_python_itself_reports(tmp_path, name):
    program, ends = UNCAUGHT[name]
    done = run(f"{HEAD}{program}", tmp_path, ends=ends)
    assert HIDDEN in done.stderr


HARMLESS = {
    "an exception": ("raise ValueError('no funds')", 1),
    "a thread's": (
        """
import threading
def work():
    raise ValueError('no funds')
thread = threading.Thread(target=work, name='w')
thread.start()
thread.join()
""",
        0,
    ),
    "a warning": ("import warnings\nwarnings.warn('no funds')", 0),
    "an open file": ("import warnings\nwarnings.simplefilter('always')\nopen(__file__)", 0),
    "an exit": ("sys.exit('no funds')", 1),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_python_reports_harmless_things_as_ever(tmp_path, name):
    program, ends = HARMLESS[name]

    def said(head):
        lines = run(f"{head}{program}", tmp_path, ends=ends).stderr.splitlines()
        # Frames of ours stand in the stack of a thread.
        return [line for line in lines if "ffe_otel" not in line]

    with_ours, without = said(HEAD), said(HEAD.replace("handle = ffe_otel.install()", "pass"))
    assert [line for line in without if line not in with_ours] == []


def test_a_long_traceback_is_shown(tmp_path):
    program = "".join(
        f"def f{n}(depth):\n    return f{(n + 1) % 40}(depth + 1) if depth < 900 else 1 / 0\n"
        for n in range(40)
    )
    done = run(f"{HEAD}{program}key = 'api_key={SECRET[:0]}'\nf0(0)", tmp_path, ends=1)
    assert len(done.stderr) > 65_536
    assert done.stderr.rstrip().endswith("ZeroDivisionError: division by zero")


def test_children_of_a_threaded_parent_log_secrets(tmp_path):
    program = f"""{HEAD}
import os, threading
logging.basicConfig(stream=sys.stderr, format="%(message)s")
def chat():
    while not done.wait(0.0005):
        log.warning("%s", "{LINE}")
done = threading.Event()
thread = threading.Thread(target=chat)
thread.start()
for _ in range(12):
    child = os.fork()
    if not child:
        log.warning("%s %s", "{LINE}", "in the child")
        os._exit(0)
    os.waitpid(child, 0)
done.set()
thread.join()
"""
    done = run(program, tmp_path)
    assert done.stderr.count("] in the child") == 12


def test_signal_handlers_may_log_secrets_at_any_moment(tmp_path):
    program = f"""{HEAD}
import signal, time
logging.basicConfig(stream=sys.stdout, format="%(message)s")
caught = 0
def on_alarm(*_):
    global caught
    caught += 1
    log.warning("%s", "{LINE}")
signal.signal(signal.SIGALRM, on_alarm)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0007)
end = time.monotonic() + 30
while caught < 200 and time.monotonic() < end:
    log.warning("%s %s", "{LINE}", caught)
signal.setitimer(signal.ITIMER_REAL, 0)
sys.exit(caught < 200)
"""
    run(program, tmp_path, FFE_OTEL__LOGGING__OUTPUTS__CONSOLE="false")
