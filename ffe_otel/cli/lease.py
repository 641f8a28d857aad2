# SPDX-License-Identifier: Apache-2.0
"""Who uses the server that ``run --serve`` started, so that the last of them ends it.

All of it is ``flock`` on files in the state directory. The kernel takes such a lock back
however its holder ends, so a ``kill -9`` leaves neither a wrong count nor a process id that
has come to mean somebody else.
"""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from pathlib import Path

FOLDER = "lease"
GRACE_SECONDS = 5.0
"""How long a server waits for somebody to use it again, for example an agent that restarts."""

_POLL_SECONDS = 0.5


class _Lock:
    """A file that can be locked, and that says who locked it."""

    def __init__(self, path: Path) -> None:
        # Not to be inherited: a lock lives as long as any process has its descriptor.
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, *, shared: bool = False) -> bool:
        try:
            fcntl.flock(
                self._descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
            )
        except BlockingIOError:
            return False
        return True

    def give_back(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def sign(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def signature(self) -> int:
        text = os.pread(self._descriptor, 32, 0)
        return int(text) if text.isdigit() else 0

    def close(self) -> None:
        os.close(self._descriptor)


class Lease:
    """This process's part in a server.

    ``change`` is held by whoever starts or stops a server, ``users`` is shared by the
    commands that send to it, and ``server`` is held by a server that was started for them.
    """

    def __init__(self, state_dir: Path) -> None:
        """Open the files of a state directory.

        Raises:
            OSError: they cannot be made.
        """
        folder = state_dir / FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._change, self._users, self._server = (
            _Lock(folder / name) for name in ("change", "users", "server")
        )

    def close(self) -> None:
        """Give everything back."""
        for lock in (self._users, self._server, self._change):
            lock.close()

    # A command that uses a server

    def begin(self) -> bool:
        """Become a user who may start a server, unless somebody is starting or stopping one."""
        return self._both(shared=True)

    def begin_change(self) -> bool:
        """Get the right to start or stop a server, unless somebody has it."""
        return self._change.take()

    def end_change(self) -> None:
        """Give that right back."""
        self._change.give_back()

    def leave(self) -> bool:
        """Cease to be a user; for the holder of the right to change.

        Returns:
            Whether that was the last one.
        """
        return self._users.take()

    def server(self) -> int:
        """Process id of the server that was started for its users; 0 when none runs."""
        if not self._server.take(shared=True):
            return self._server.signature()
        self._server.give_back()
        return 0

    # The server

    def serve(self) -> None:
        """Say that this process is the server."""
        if self._server.take():
            self._server.sign()

    def end_when_unused(self, stop: threading.Event, grace: float) -> None:
        """Set ``stop`` when there has been no user for ``grace`` seconds.

        The right to change is kept then: who comes next has to wait until this server has
        closed its store, and starts another.
        """
        since: float | None = None
        while not stop.wait(_POLL_SECONDS):
            if not self._both(shared=False):
                since = None
                continue
            since = since or time.monotonic()
            if time.monotonic() - since >= grace:
                stop.set()
                return
            self._users.give_back()
            self._change.give_back()

    def _both(self, *, shared: bool) -> bool:
        if not self._change.take():
            return False
        if self._users.take(shared=shared):
            return True
        self._change.give_back()
        return False
