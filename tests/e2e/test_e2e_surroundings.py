# SPDX-License-Identifier: Apache-2.0
"""Processes that have less than usual: ``install()`` raises in none of them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ffe_otel

if TYPE_CHECKING:
    from otlp_sink import Sink

PACKAGE = Path(ffe_otel.__file__).parent
WORK = """
import logging
import ffe_otel
handle = ffe_otel.install()
with ffe_otel.cycle(["BTCUSD"]), ffe_otel.phase("reasoning"):
    logging.getLogger("engine").warning("priced at \\u20ac 7")
handle.uninstall()
"""
NO_STREAMS = "import sys\nsys.stdin = sys.stdout = sys.stderr = None\n"
CLOSED = "import os\nfor number in range(3): os.close(number)\n"
NO_FOLDER = "import os, tempfile\nos.chdir(made := tempfile.mkdtemp())\nos.rmdir(made)\n"
NOBODY = """
import os, pwd
os.environ.pop("HOME")
def unknown(uid):
    raise KeyError(uid)
pwd.getpwuid = unknown
"""
FEW_FILES = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (6, 6))\n"
NO_METADATA = """
import importlib.metadata as metadata
def missing(name):
    raise metadata.PackageNotFoundError(name)
metadata.version = missing
"""


def run(
    tmp_path: Path, program: str, *options: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(program))
    return subprocess.run(
        [sys.executable, *options, str(script)],
        env=os.environ
        | {"FFE_OTEL__METRICS__PROMETHEUS__PORT": "0", "FFE_OTEL__STATE_DIR": ""}
        | variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def captured(sink: Sink) -> bool:
    return "ffe.cycle" in [s.name for s in sink.spans()]


@pytest.mark.parametrize(
    "before",
    [NO_STREAMS, CLOSED, NO_FOLDER, NOBODY, NO_METADATA],
    ids=["no streams", "closed streams", "no folder", "no home", "no metadata"],
)
def test_what_is_missing_is_done_without(tmp_path: Path, sink: Sink, before: str) -> None:
    done = run(
        tmp_path,
        before + WORK,
        HOME=str(tmp_path),
        XDG_STATE_HOME="",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert captured(sink)


@pytest.mark.parametrize("options", [("-O",), ("-OO",), ("-I",)], ids=str)
def test_interpreter_options(tmp_path: Path, sink: Sink, options: tuple[str, ...]) -> None:
    done = run(tmp_path, WORK, *options, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    assert done.returncode == 0, done.stderr
    assert captured(sink)


@pytest.mark.parametrize(
    "variables",
    [
        {"HOME": "/dev/null", "XDG_STATE_HOME": ""},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"},
    ],
    ids=["home cannot be written", "C", "ascii"],
)
def test_variables(tmp_path: Path, sink: Sink, variables: dict[str, str]) -> None:
    done = run(tmp_path, WORK, **variables, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert captured(sink)


def test_at_the_limit_of_descriptors_the_engine_goes_on(tmp_path: Path, sink: Sink) -> None:
    body = WORK.replace("import ffe_otel\n", "import ffe_otel\nffe_otel.install\n" + FEW_FILES)
    done = run(tmp_path, body + "print('went on')", OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "went on\n"


def zipped(tmp_path: Path, *, without: str = "nothing") -> str:
    archive = tmp_path / "packages.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in PACKAGE.rglob("*"):
            if path.is_file() and path.name != without and "__pycache__" not in path.parts:
                file.write(path, path.relative_to(PACKAGE.parent))
    return f"import sys\nsys.path.insert(0, {str(archive)!r})\n"


def test_from_a_zip_file(tmp_path: Path, sink: Sink) -> None:
    program = zipped(tmp_path) + WORK + "print(ffe_otel.__file__)"
    done = run(tmp_path, program, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    assert done.returncode == 0, done.stderr
    assert "packages.zip" in done.stdout
    assert captured(sink)


def test_without_the_rules_skeletons_go_out_and_that_is_said(tmp_path: Path, sink: Sink) -> None:
    program = zipped(tmp_path, without="default_rules.yaml") + WORK + "print('went on')"
    done = run(tmp_path, program, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "went on\n"
    assert "Only skeletons go out" in done.stderr
    assert "default_rules.yaml is missing" in done.stderr
    assert captured(sink)
    assert not any("priced" in r.body.string_value for r in sink.logs())
