# SPDX-License-Identifier: Apache-2.0
"""The context of whoever starts a thread or submits a call is current inside of it.

Covers ``threading.Thread`` with all its subclasses, ``threading.Timer`` among them, and
``ThreadPoolExecutor``, and so ``run_in_executor`` and ``asyncio.to_thread``.
"""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import attach, detach, get_current

from ffe_otel.export.patching import Patches

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

_RUN: Final = "run"
_ABSENT: Final = object()


def carry_context() -> Callable[[], None]:
    """Hand the context over from now on; returns the undoing."""
    patches = Patches()
    patches.wrap(threading.Thread, "start", _start)
    patches.wrap(ThreadPoolExecutor, "submit", _submit)
    return patches.undo


def _start(
    start: Callable[..., Any], thread: threading.Thread, args: Any, kwargs: dict[str, Any]
) -> Any:
    # On the object and not on the class: a subclass has a ``run`` of its own, and need not
    # call the one it inherits.
    try:
        run = _Run(thread, get_current(), vars(thread).get(_RUN, _ABSENT))
        thread.run = run  # type: ignore[method-assign]
    except Exception:  # noqa: BLE001 - a class that guards its attributes
        return start(*args, **kwargs)
    try:
        return start(*args, **kwargs)
    except BaseException:
        # Whoever handles it may start the same thread again.
        run.give_back()
        raise


class _Run:
    """``Thread.run`` in a context; leaves the thread as it was made before it begins."""

    __slots__ = ("_before", "_context", "_thread")

    def __init__(self, thread: threading.Thread, context: Context, before: object) -> None:
        self._thread = thread
        self._context = context
        self._before = before

    def give_back(self) -> None:
        """Take this off the thread again."""
        attributes = vars(self._thread)
        if attributes.get(_RUN) is self:
            if self._before is _ABSENT:
                del attributes[_RUN]
            else:
                attributes[_RUN] = self._before

    def __call__(self) -> None:
        self.give_back()
        token = attach(self._context)
        try:
            self._thread.run()
        finally:
            detach(token)


def _submit(
    submit: Callable[..., Any], _executor: object, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if not args:  # the executor says what is wrong with that
        return submit(*args, **kwargs)
    function, *rest = args
    called = functools.partial(_call, get_current(), function)
    return submit(called, *rest, **kwargs)


def _call(context: Context, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    token = attach(context)
    try:
        return function(*args, **kwargs)
    finally:
        detach(token)
