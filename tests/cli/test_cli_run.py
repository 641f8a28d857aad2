# SPDX-License-Identifier: Apache-2.0
"""`ffe-otel run` is the command it runs: environment, exit code, signals."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ffe_otel.cli.launch import prepared
from ffe_otel.cli.supervise import CommandError, find

ALONE = ("run", "--")
BESIDE = ("run", "--serve", "--")

# Counts interrupts, and tells how many on SIGTERM.
COUNTING = """
import signal, sys
seen = []
def interrupted(*_):
    seen.append(1)
    print("interrupted", flush=True)
def terminated(*_):
    print("count", len(seen), flush=True)
    sys.exit(5)
signal.signal(signal.SIGINT, interrupted)
signal.signal(signal.SIGTERM, terminated)
print("counting", flush=True)
while True:
    signal.pause()
"""

# Makes its standard input the terminal of a new session and becomes its arguments there.
ON_TERMINAL = "import os, sys; os.login_tty(os.dup(0)); os.execv(sys.argv[1], sys.argv[1:])"

# The same, but leaving standard output where it is; then as its first program, or as a shell
# would: in the foreground group of a terminal whose hangup the shell hands on.
_CONTROLLING = """
import fcntl, os, signal, subprocess, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
"""
FIRST = _CONTROLLING + "os.execv(sys.argv[1], sys.argv[1:])"
IN_A_SHELL = (
    _CONTROLLING
    + """
job = subprocess.Popen(sys.argv[1:], process_group=0)
os.tcsetpgrp(0, job.pid)
signal.signal(signal.SIGHUP, lambda *_: os.killpg(job.pid, signal.SIGHUP))
signal.signal(signal.SIGTERM, lambda *_: job.terminate())
sys.exit(job.wait())
"""
)


@pytest.fixture(params=[ALONE, BESIDE], ids=["alone", "beside a server"])
def run(request, fake_serve):
    """Both ways of running; the second one finds a server that runs already."""
    return request.param


@pytest.mark.parametrize("code", [0, 3])
def test_the_exit_code_is_the_commands(start, run, code):
    process = start(*run, sys.executable, "-c", f"raise SystemExit({code})")

    assert process.wait(30) == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_death_by_a_signal_is_death_by_that_signal(start, run, number):
    script = f"import os; os.kill(os.getpid(), {int(number)})"

    assert start(*run, sys.executable, "-c", script).wait(30) == -number


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_reach_the_command(start, run, number):
    script = (
        f"import signal, sys; signal.signal({int(number)}, lambda *_: sys.exit(42));"
        "print('ready', flush=True)\nwhile True: signal.pause()"
    )
    process = start(*run, sys.executable, "-c", script)
    assert process.stdout.readline() == "ready\n"

    process.send_signal(number)

    assert process.wait(30) == 42


def test_a_command_that_ignores_sigterm_goes_on(start, run):
    script = (
        "import signal; signal.signal(signal.SIGTERM, lambda *_: print('no', flush=True));"
        "print('ready', flush=True); input(); raise SystemExit(7)"
    )
    process = start(*run, sys.executable, "-c", script, stdin=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"

    process.send_signal(signal.SIGTERM)

    assert process.stdout.readline() == "no\n"
    assert process.communicate("\n", timeout=30)[0] == ""
    assert process.returncode == 7


def test_a_signal_to_the_whole_group_arrives_once(start, run):
    process = start(*run, sys.executable, "-c", COUNTING, start_new_session=True)
    assert process.stdout.readline() == "counting\n"

    os.killpg(process.pid, signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    process.send_signal(signal.SIGTERM)

    assert process.stdout.readline() == "count 1\n"
    assert process.wait(30) == 5


def test_ctrl_c_on_a_terminal_arrives_once(start, run):
    ours, theirs = pty.openpty()
    process = start(
        *run, sys.executable, "-c", COUNTING,
        stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, text=False,
        through=(sys.executable, "-c", ON_TERMINAL),
    )  # fmt: skip
    os.close(theirs)
    screen = b""

    def shown(text: bytes) -> None:
        nonlocal screen
        while text not in screen:
            screen += os.read(ours, 1024)

    shown(b"counting")
    os.write(ours, b"\x03")
    shown(b"interrupted")
    process.send_signal(signal.SIGTERM)
    shown(b"count 1")
    assert process.wait(30) == 5
    os.close(ours)


@pytest.mark.parametrize("terminal", [FIRST, IN_A_SHELL], ids=["first", "in a shell"])
def test_a_closed_terminal_is_told_once(start, run, terminal):
    ours, theirs = pty.openpty()
    process = start(
        *run, sys.executable, "-c", COUNTING.replace("SIGINT", "SIGHUP"),
        stdin=theirs, stderr=subprocess.DEVNULL, through=(sys.executable, "-c", terminal),
    )  # fmt: skip
    os.close(theirs)
    assert process.stdout.readline() == "counting\n"

    os.close(ours)
    assert process.stdout.readline() == "interrupted\n"
    process.send_signal(signal.SIGTERM)

    assert process.stdout.readline() == "count 1\n"
    assert process.wait(30) == 5


def test_the_environment_makes_python_instrument_itself(start, run, fake_serve, home):
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    process = start(*run, sys.executable, "-c", script, env={"PYTHONPATH": "/somewhere"})

    environ = json.loads(process.communicate(timeout=30)[0])

    first, second, third = environ["PYTHONPATH"].split(os.pathsep)
    assert Path(first, "sitecustomize.py").is_file()
    assert second == str(home / "work")
    assert third == "/somewhere"
    assert environ["OTEL_PYTHON_DISTRO"] == environ["OTEL_PYTHON_CONFIGURATOR"] == "ffe_otel"
    endpoint = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    assert endpoint == (fake_serve.page if run is BESIDE else None)


def test_the_server_beside_it_gets_every_signal(start, fake_serve):
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    elsewhere = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://elsewhere",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://traces.elsewhere/v1/traces",
        "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "3",
    }

    out, err = start(*BESIDE, sys.executable, "-c", script, env=elsewhere).communicate(timeout=30)

    sending = {n: v for n, v in json.loads(out).items() if n.startswith("OTEL_EXPORTER_OTLP")}
    assert sending == {
        "OTEL_EXPORTER_OTLP_ENDPOINT": fake_serve.page,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "3",
    }
    for address in ("http://elsewhere", "http://traces.elsewhere/v1/traces"):
        assert f"telemetry goes to {fake_serve.page} instead of {address}, because of" in err


def test_an_address_that_something_else_answers_at_is_not_our_server(cli, fake_serve):
    fake_serve.answers["/api/v1/status"] = (404, {})

    result = cli("run", "--serve", "--", "true", env={"FFE_OTEL__SERVE__STORE_PATH": "/dev/null/x"})

    assert result.exit_code == 1
    assert "ffe-otel serve ended at once" in result.output


def test_another_distribution_chosen_by_the_environment_stays_chosen():
    environ = prepared({"OTEL_PYTHON_DISTRO": "mine"}, Path("/x"))

    assert environ["OTEL_PYTHON_DISTRO"] == "mine"
    assert environ["OTEL_PYTHON_CONFIGURATOR"] == "ffe_otel"


def test_the_folder_with_the_hook_is_not_repeated():
    once = prepared({}, Path("/x"))

    assert prepared(once, Path("/x")) == once


def test_options_after_the_command_are_the_commands(start, run):
    words = ["-c", "import sys; print(sys.argv[1:])", "--config", "x", "--json", "--", "--serve"]

    with_dashes = start(*run, sys.executable, *words).communicate(timeout=30)[0]
    without = start(*run[:-1], sys.executable, *words).communicate(timeout=30)[0]

    assert with_dashes == without == "['--config', 'x', '--json', '--', '--serve']\n"


def test_the_commands_own_streams_are_untouched(start, run):
    script = "import sys; print(sys.stdin.read().upper()); print('err', file=sys.stderr)"

    out, err = start(*run, sys.executable, "-c", script, stdin=subprocess.PIPE).communicate(
        "text", timeout=30
    )

    assert out == "TEXT\n"
    assert err.endswith("err\n")
    assert ("page" in err) is (run is BESIDE)


def test_a_closed_pipe_ends_the_command_as_it_would_without_us(start, run):
    process = start(*run, "sh", "-c", "yes", stdout=subprocess.PIPE)
    process.stdout.readline()

    process.stdout.close()

    assert process.wait(30) in (-signal.SIGPIPE, 128 + signal.SIGPIPE)


@pytest.mark.parametrize("arguments", [(), ("--",), ("--serve",), ("--serve", "--")])
def test_no_command(cli, arguments):
    result = cli("run", *arguments)

    assert result.exit_code == 2
    assert "there is no command to run; write it after two dashes" in result.output
    assert "Traceback" not in result.output


def test_a_command_that_is_not_there(cli, run):
    result = cli(*run, "no-such-program", "--x")

    assert result.exit_code == 127
    assert "command not found: no-such-program" in result.output


def test_a_file_that_is_not_executable(cli, run):
    Path("main.py").touch()

    result = cli(*run, "./main.py")

    assert result.exit_code == 126
    assert "./main.py is not executable; try 'python ./main.py'" in result.output


def test_a_program_the_system_refuses(cli, run):
    Path("garbage").write_bytes(b"\x00\x01")
    Path("garbage").chmod(0o755)

    result = cli(*run, "./garbage")

    assert result.exit_code == 126
    assert "cannot run" in result.output


def test_a_misspelt_option_of_ours(cli):
    result = cli("run", "--srve", "--", "true")

    assert result.exit_code == 2
    assert "--srve" in result.output


def test_a_wrong_configuration_is_told_and_the_command_starts(start):
    Path("ffe_otel.yaml").write_text("logging: {levle: INFO}")
    script = "import os; print(os.environ.get('OTEL_PROPAGATORS'))"
    wrong = {"OTEL_PROPAGATORS": "abc"}

    process = start("run", "--", sys.executable, "-c", script, env=wrong)
    out, err = process.communicate()

    assert (process.returncode, out) == (0, "None\n")
    assert err.count("ffe_otel.yaml:1: logging.levle: unknown key") == 1
    assert err.count("OTEL_PROPAGATORS: nothing that is installed is called 'abc'") == 1


def test_the_named_configuration_reaches_the_command(start):
    Path("mine.yaml").write_text("serve: {port: 4444}")
    script = "import os; print(os.environ['FFE_OTEL_CONFIG'])"

    out = start("run", "--config", "mine.yaml", sys.executable, "-c", script).communicate()[0]

    assert out.strip() == str(Path("mine.yaml").absolute())


def test_errors_can_be_read_by_programs(cli):
    result = cli("run", "--json")

    # click before 8.2 appends standard error to what its runner calls standard output.
    assert json.JSONDecoder().raw_decode(result.stdout)[0]["exit_code"] == 2


class TestFindingThePython:
    """Which `python` is meant when ours is not on the path."""

    OWN = str(Path(sys.executable).parent)

    def test_of_an_environment_that_is_not_active(self):
        found = find(["python", "x"], {"PATH": "/usr/bin:/bin"})

        assert found.executable == f"{self.OWN}/python"
        assert found.arguments == (f"{self.OWN}/python", "x")

    def test_of_the_active_environment(self, tmp_path):
        shutil.copy("/bin/sh", tmp_path / "python")
        environ = {"PATH": str(tmp_path), "VIRTUAL_ENV": "/other"}

        assert find(["python"], environ).executable == str(tmp_path / "python")

    def test_a_path_is_taken_as_it_is(self):
        with pytest.raises(CommandError, match="there is no such file") as caught:
            find(["/no/such/python"], {"PATH": ""})
        assert caught.value.code == 127
