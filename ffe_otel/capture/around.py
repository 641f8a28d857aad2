# SPDX-License-Identifier: Apache-2.0
"""Running code of ours around a call of the engine's without ever standing in its way.

The code is a generator function of one ``Call``: what stands before its ``yield`` runs
before the engine's function, ``yield`` gives the result or raises what the function
raised, what stands after runs afterwards. Results and exceptions of the engine's
function, cancellation included, always pass through untouched; what fails in the
generator itself is counted under the hook's name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from typing import Any

from ffe_otel.capture import runtime

_ABSENT: Any = object()


class Call:
    """One call: the instance, and arguments by name wherever they were passed.

    Attributes:
        instance: the object the method belongs to; ``None`` for plain functions.
    """

    __slots__ = ("_args", "_kwargs", "_positions", "instance")

    def __init__(
        self,
        instance: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        positions: dict[str, int],
    ) -> None:
        self.instance = instance
        self._args, self._kwargs, self._positions = args, kwargs, positions

    def get(self, name: str, default: Any = None) -> Any:
        """The argument ``name``, or ``default`` when the caller did not pass it."""
        if name in self._kwargs:
            return self._kwargs[name]
        index = self._positions.get(name)
        return self._args[index] if index is not None and index < len(self._args) else default


Body = Callable[[Call], Generator[None, Any, None]]


class Around:
    """Makes wrappers that run a body around a function, and counts what fails in bodies.

    Attributes:
        active: wrappers only pass calls on while this is false.
        failures: failures of our own code by hook name.
    """

    def __init__(self) -> None:
        self.active = False
        self.failures: dict[str, int] = {}

    def wrapper(
        self, name: str, body: Any, function: Any, positions: dict[str, int]
    ) -> Callable[..., Any]:
        """A wrapt wrapper: ``async def`` for coroutine functions, so that they stay such.

        A plain function that handed on the coroutine would make
        ``inspect.iscoroutinefunction`` false, and the engine's circuit breaker then
        returns the coroutine as the result of the call.
        """
        plain = getattr(function, "__func__", function)
        make = self._async if inspect.iscoroutinefunction(plain) else self._sync
        return make(name, body, positions)

    def _sync(self, name: str, body: Body, positions: dict[str, int]) -> Callable[..., Any]:
        def call(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            running = self._begin(name, body, Call(instance, args, kwargs, positions))
            if running is None:
                return wrapped(*args, **kwargs)
            try:
                result = wrapped(*args, **kwargs)
            except BaseException as error:
                self._raised(name, running, error)
                raise
            self._returned(name, running, result)
            return result

        return call

    def _async(self, name: str, body: Body, positions: dict[str, int]) -> Callable[..., Any]:
        async def call(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
            running = self._begin(name, body, Call(instance, args, kwargs, positions))
            if running is None:
                return await wrapped(*args, **kwargs)
            try:
                result = await wrapped(*args, **kwargs)
            except BaseException as error:
                self._raised(name, running, error)
                raise
            self._returned(name, running, result)
            return result

        return call

    def _begin(self, name: str, body: Body, call: Call) -> Generator[None, Any, None] | None:
        if not self.active:
            return None
        try:
            running = body(call)
            next(running)
        except Exception:  # noqa: BLE001 - telemetry must not reach the engine
            self.failed(name)
            return None
        return running

    def _returned(self, name: str, running: Generator[None, Any, None], result: Any) -> None:
        try:
            running.send(result)
        except StopIteration:
            return
        except Exception:  # noqa: BLE001 - telemetry must not reach the engine
            self.failed(name)
            return
        running.close()
        self.failed(name)

    def _raised(self, name: str, running: Generator[None, Any, None], error: BaseException) -> None:
        # Passing through the generator would leave its frames, and all they refer to, in
        # the traceback that the engine logs and keeps.
        traceback = error.__traceback__
        try:
            running.throw(error)
        except StopIteration:
            pass
        except BaseException as raised:  # noqa: BLE001 - the engine's own error is raised instead
            if raised is not error and raised.__cause__ is not error:
                self.failed(name)
        error.__traceback__ = traceback

    def failed(self, name: str) -> None:
        """Count a failure of the hook's own code; called while the exception is handled."""
        self.failures[name] = self.failures.get(name, 0) + 1
        rt = runtime.get()
        if rt is not None:
            rt.failed(f"hook {name}")


class Observed:
    """A data descriptor that tells of every assignment to an instance attribute.

    The value stays in the instance's own dictionary, so that instances live on unchanged
    when the descriptor is taken away.
    """

    def __init__(self, name: str, attribute: str, notify: Any, around: Around) -> None:
        self._name, self._attribute = name, attribute
        self._notify, self._around = notify, around

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        try:
            return vars(instance)[self._attribute]
        except KeyError:
            message = f"{type(instance).__name__!r} object has no attribute {self._attribute!r}"
            raise AttributeError(message, name=self._attribute, obj=instance) from None

    def __set__(self, instance: Any, value: Any) -> None:
        values = vars(instance)
        old = values.get(self._attribute)
        values[self._attribute] = value
        if not self._around.active:
            return
        try:
            self._notify(instance, old, value)
        except Exception:  # noqa: BLE001 - telemetry must not reach the engine
            self._around.failed(self._name)

    def __delete__(self, instance: Any) -> None:
        try:
            del vars(instance)[self._attribute]
        except KeyError:
            raise AttributeError(self._attribute) from None
