# SPDX-License-Identifier: Apache-2.0
"""Ends that Python announces to nobody: ``os._exit`` and the family of ``os.execv``.

Neither runs exit callbacks. What ended in the last tenths of a second is brought to the spool
first, which is a matter of milliseconds, and at most of ``SECONDS``.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final

from ffe_otel.export.patching import Patches

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS: Final = 0.25
# What the others, execl to execvpe, end in.
_ENDS: Final = ("_exit", "execv", "execve")


def watch(store: Callable[[float], object]) -> Callable[[], None]:
    """Call ``store`` before each such end of this process.

    A forked child may have inherited locks that nobody is going to release; it is left alone.

    Args:
        store: brings what is in memory to the spool, within so many seconds.

    Returns:
        Takes that back.
    """
    process = os.getpid()

    def wrapper(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        if os.getpid() == process:
            # The process ends all the same, whatever is wrong.
            with contextlib.suppress(Exception):
                store(SECONDS)
        return wrapped(*args, **kwargs)

    patches = Patches()
    for name in _ENDS:
        if hasattr(os, name):
            patches.wrap(os, name, wrapper)
    return patches.undo
