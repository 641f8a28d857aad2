# SPDX-License-Identifier: Apache-2.0
"""Running a command as if it had been started directly: signals in, exit status out."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ffe_otel.cli.signals import wait

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Python ignores these; a program started by it would inherit that.
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)


class CommandError(Exception):
    """A command that cannot be started.

    Attributes:
        code: exit code a shell would use: 127 not found, 126 not executable.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Command:
    """A command that was found.

    Attributes:
        executable: path of the program.
        arguments: its argument vector, the program itself first.
    """

    executable: str
    arguments: tuple[str, ...]


def find(words: Sequence[str], environ: Mapping[str, str]) -> Command:
    """Find the program of a command line.

    It is looked for on ``PATH``. When this program was called by its path out of a virtual
    environment that is not active, that environment comes first: ``.venv/bin/ffe-otel run --
    python`` means its Python.

    Raises:
        CommandError: there is no such program, or it cannot be executed.
    """
    path = environ.get("PATH", os.defpath)
    own = str(Path(sys.executable).parent)
    if "VIRTUAL_ENV" not in environ and own not in path.split(os.pathsep):
        path = f"{own}{os.pathsep}{path}"
    executable = shutil.which(words[0], path=path)
    if executable:
        return Command(executable, (executable, *words[1:]))
    if Path(words[0]).is_file():
        hint = f"; try 'python {words[0]}'" if words[0].endswith(".py") else ""
        raise CommandError(f"{words[0]} is not executable{hint}", 126)
    advice = "it is on PATH under no such name"
    if os.sep in words[0]:
        advice = "there is no such file"
    raise CommandError(f"command not found: {words[0]}; {advice}", 127)


def replace(command: Command, environ: Mapping[str, str]) -> None:
    """Become the command; returns only by an exception.

    Raises:
        CommandError: the operating system refuses to execute it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    previous = {number: signal.signal(number, signal.SIG_DFL) for number in _RESTORED}
    try:
        os.execve(command.executable, command.arguments, environ)  # noqa: S606 - what run is for
    except OSError as error:
        for number, handler in previous.items():
            signal.signal(number, handler)
        raise CommandError(f"cannot run {command.executable}: {error.strerror}", 126) from None


def supervise(command: Command, environ: Mapping[str, str]) -> int:
    """Run the command and pass signals on to it. Call it inside ``signals.watched()``.

    Ctrl-C reaches every process of a terminal's foreground group by itself and is not passed
    on a second time: the engine would take it for the second, impatient one. Without a
    terminal the command gets a process group of its own, so that a signal to our group does
    not reach it twice either.

    Returns:
        Its wait status, as ``os.waitpid`` gives it.

    Raises:
        CommandError: the operating system refuses to execute it.
    """
    own_group = not _in_foreground()
    try:
        child = os.posix_spawn(
            command.executable,
            command.arguments,
            environ,
            setpgroup=0 if own_group else os.getpgrp(),
            setsigmask=(),
            setsigdef=_RESTORED,
        )
    except OSError as error:
        raise CommandError(f"cannot run {command.executable}: {error.strerror}", 126) from None
    while True:
        delivered = wait()
        if delivered is None or delivered.number == signal.SIGCHLD:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid == child:
                return status
        elif own_group or not delivered.from_terminal:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, delivered.number)


def end_like(status: int) -> None:
    """End this process as another one ended: the same exit code or by the same signal."""
    if not os.WIFSIGNALED(status):
        raise SystemExit(os.WEXITSTATUS(status))
    number = os.WTERMSIG(status)
    sys.stdout.flush()
    sys.stderr.flush()
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise SystemExit(128 + number)


def _in_foreground() -> bool:
    """Whether a terminal sends its signals to this process's group."""
    try:
        with Path("/dev/tty").open("rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False
