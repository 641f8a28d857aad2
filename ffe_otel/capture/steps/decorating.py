# SPDX-License-Identifier: Apache-2.0
"""Steps as decorators: each call of a function is measured by a step of its own."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

P = ParamSpec("P")
T = TypeVar("T")


def measured(
    function: Callable[P, T], fresh: Callable[[], AbstractContextManager[Any]]
) -> Callable[P, T]:
    """``function`` with a step around each call, until its coroutine ends if it has one.

    Args:
        function: a function, or an object that can be called like one.
        fresh: makes the step of one call.

    Raises:
        TypeError: for generator functions, whose body runs outside the call.
    """
    if _is(function, inspect.isgeneratorfunction) or _is(function, inspect.isasyncgenfunction):
        name = getattr(function, "__qualname__", type(function).__qualname__)
        raise TypeError(
            f"{name} is a generator function: use `with` around the code "
            "that consumes it, since its body does not run during the call"
        )
    if _is(function, inspect.iscoroutinefunction):

        @functools.wraps(function)
        async def measure_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            with fresh():
                return await function(*args, **kwargs)  # type: ignore[misc]

        return measure_async  # type: ignore[return-value]

    @functools.wraps(function)
    def measure(*args: P.args, **kwargs: P.kwargs) -> T:
        with fresh():
            return function(*args, **kwargs)

    return measure


def _is(function: Any, kind: Callable[[Any], bool]) -> bool:
    """Whether calling ``function`` calls a function of that kind, perhaps its ``__call__``."""
    while isinstance(function, functools.partial):
        function = function.func
    return kind(function) or (callable(function) and kind(type(function).__call__))
