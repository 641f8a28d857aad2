# SPDX-License-Identifier: Apache-2.0
"""Installs this clone as a user does, with every resolver that users have, and tries it.

Each leg is a new virtual environment: the pip that came with a Python, and uv with the newest
and the oldest versions. Then a span has to arrive. ``python install_matrix.py [LEG...]``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PYTHONS = ("3.11", "3.12", "3.13")
EXTRAS = ("", "serve", "all")
AT_ONCE = 2
PATIENCE = 900
PROGRAM = """
import sys, threading
from opentelemetry import trace

def work():
    with trace.get_tracer("install").start_as_current_span(sys.argv[1]):
        pass

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


class LegError(Exception):
    """A command of a leg failed; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One way to install.

    Attributes:
        tool: ``pip`` or the resolution that uv is asked for.
        python: version of Python, two numbers.
        extra: of ``ffe-otel``; empty for none.
    """

    tool: str
    python: str
    extra: str

    @property
    def name(self) -> str:
        return f"{self.tool}-{self.python}-{self.extra or 'core'}"

    @property
    def wanted(self) -> str:
        """What is installed, as the README writes it from a clone."""
        return f".[{self.extra}]" if self.extra else "."


LEGS = [Leg("pip", python, extra) for python in PYTHONS for extra in EXTRAS] + [
    Leg(f"uv-{how}", "3.11", "all") for how in ("lowest", "highest")
]


class Sink(ThreadingHTTPServer):
    """An OTLP endpoint that only remembers whose spans it was sent."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def saw(self, name: str) -> bool:
        return any(name.encode() in body for body in list(self.bodies))


class _Handler(BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        pass


def run(*command: object, cwd: Path = ROOT, **variables: str) -> str:
    """Run a command to its end; what it printed.

    Raises:
        LegError: it failed or took too long.
    """
    words = [str(word) for word in command]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "FFE_OTEL"))}
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=clean | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise LegError(f"$ {' '.join(words)}\ntook over {PATIENCE} s") from late
    if done.returncode:
        raise LegError(f"$ {' '.join(words)}\n{done.stdout[-3000:]}\nexit code {done.returncode}")
    return done.stdout


def python_of(version: str) -> Path:
    """The interpreter of a version, on ``PATH`` or of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = shutil.which(f"python{version}")
    for found in [
        *([Path(on_path)] if on_path else []),
        *pyenv.glob(f"versions/{version}.*/bin/python"),
    ]:
        # A shim of pyenv's is there for versions that are not chosen, too.
        tried = subprocess.run([found, "-c", ""], capture_output=True, check=False)
        if tried.returncode == 0:
            return found
    raise LegError(f"no Python {version} here; install it or put it on PATH")


def install(leg: Leg, environment: Path) -> Path:
    """Make the environment of a leg; its folder of programs."""
    run(python_of(leg.python), "-m", "venv", environment)
    programs = environment / "bin"
    if leg.tool == "pip":
        run(programs / "python", "-m", "pip", "install", "--quiet", leg.wanted)
    else:
        uv = shutil.which("uv") or Path(sys.executable).with_name("uv")
        how = ["--resolution", leg.tool.removeprefix("uv-")]
        run(uv, "pip", "install", "--quiet", "--python", programs / "python", *how, leg.wanted)
    return programs


def smoke(leg: Leg, programs: Path, folder: Path, sink: Sink) -> None:
    """Try what was installed: the command, a span from a thread, and the page's backend."""
    run(programs / "python", "-I", "-c", "import ffe_otel; ffe_otel.install", cwd=folder)
    if "0.1" not in run(programs / "ffe-otel", "--version", cwd=folder):
        raise LegError("ffe-otel --version does not say its version")
    (folder / "program.py").write_text(PROGRAM)
    settings = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "XDG_STATE_HOME": str(folder / "state"),
        "FFE_OTEL__METRICS__PROMETHEUS__PORT": "0",
        "FFE_OTEL__SERVE__PORT": "0",
        "FFE_OTEL__SERVE__OTLP_HTTP_PORT": "0",
        "FFE_OTEL__SERVE__OTLP_GRPC_PORT": "0",
    }
    run(
        programs / "opentelemetry-instrument",
        *("python", "program.py", leg.name),
        cwd=folder,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        **settings,
    )
    if not sink.saw(leg.name):
        raise LegError("the span of a program under opentelemetry-instrument did not arrive")
    if leg.extra:
        words = ("run", "--serve", "--", "python", "program.py", leg.name)
        run(programs / "ffe-otel", *words, cwd=folder, **settings)


def frozen(folder: Path, sink: Sink) -> None:
    """Freeze a program with PyInstaller and run it somewhere else."""
    leg = Leg("uv-highest", "3.11", "")
    programs = install(leg, folder / "venv")
    uv = shutil.which("uv") or Path(sys.executable).with_name("uv")
    run(uv, "pip", "install", "--quiet", "--python", programs / "python", "pyinstaller")
    program = HERE / "frozen_program.py"
    built = folder / "built"
    run(
        programs / "pyinstaller",
        *("--onedir", "--noconfirm", "--log-level", "WARN", "--name", "frozen"),
        *("--distpath", built, "--workpath", folder / "work", "--specpath", folder, program),
        cwd=folder,
    )
    shutil.rmtree(folder / "venv")
    said = run(
        built / "frozen/frozen",
        cwd=built,
        HOME=str(folder),
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        FFE_OTEL__METRICS__PROMETHEUS__PORT="0",
    )
    if "cycle ended" not in said or not sink.saw("frozen-span"):
        raise LegError(f"the frozen program captured nothing:\n{said}")
    if sink.saw("sk-live-0123456789abcdef0123456789"):
        raise LegError("the frozen program leaked a secret")


def attempt(name: str, sink: Sink) -> tuple[str, str, float]:
    """Name of a leg, what went wrong with it, and the seconds it took."""
    began = time.monotonic()
    problem = ""
    with tempfile.TemporaryDirectory(prefix=f"ffe-otel-{name}-") as made:
        folder = Path(made)
        try:
            if name == "pyinstaller":
                frozen(folder, sink)
            else:
                leg = next(leg for leg in LEGS if leg.name == name)
                smoke(leg, install(leg, folder / "venv"), folder, sink)
        except LegError as error:
            problem = str(error)
    return name, problem, time.monotonic() - began


def main(chosen: list[str]) -> int:
    """Run the legs, two at a time; the exit code."""
    names = [leg.name for leg in LEGS] + ["pyinstaller"]
    if unknown := sorted(set(chosen) - set(names)):
        print(f"no leg is called {', '.join(unknown)}; there are {', '.join(names)}")
        return 2
    began, failed, sink = time.monotonic(), 0, Sink()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for name, problem, seconds in pool.map(lambda n: attempt(n, sink), chosen or names):
            print(f"{'FAILED' if problem else 'ok':6} {name:24} {seconds:5.0f} s", flush=True)
            if problem:
                failed += 1
                print(problem, flush=True)
    print(f"install matrix: {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
