# SPDX-License-Identifier: Apache-2.0
"""Stops calling what keeps failing, and tries again after a while."""

from __future__ import annotations

import inspect
import logging
import threading
import time
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class CircuitState(Enum):
    """What a breaker does with the next call."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class CircuitBreakerOpenError(Exception):
    """A call was refused because the breaker is open."""

    def __init__(
        self,
        message: str,
        last_error: Exception | None = None,
        failure_count: int = 0,
        last_failure_time: float | None = None,
    ) -> None:
        super().__init__(message)
        self.last_error = last_error
        self.failure_count = failure_count
        self.last_failure_time = last_failure_time


class CircuitBreaker:
    """Counts failures in a row; opens at a threshold; lets one call probe after a timeout.

    Args:
        failure_threshold: Failures in a row that open the circuit.
        recovery_timeout: Seconds to stay open before a probe is let through.
        expected_exception: Only exceptions of this type count as failures.
        name: Shown in the log.
    """

    def __init__(
        self,
        failure_threshold: int = 5,
        recovery_timeout: float = 60.0,
        expected_exception: type[Exception] = Exception,
        name: str | None = None,
    ) -> None:
        self.failure_threshold = failure_threshold
        self.recovery_timeout = recovery_timeout
        self.expected_exception = expected_exception
        self.name = name or "CircuitBreaker"
        self.state = CircuitState.CLOSED
        self.failure_count = 0
        self.last_failure_time: float | None = None
        self.last_error: Exception | None = None
        self.circuit_open_count = 0
        self._opened_at = 0.0
        self._probing = False
        self._lock = threading.Lock()
        logger.info(
            "%s initialized: threshold=%d, timeout=%.1fs",
            self.name,
            failure_threshold,
            recovery_timeout,
        )

    async def call(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function or await a coroutine function through the breaker.

        Raises:
            CircuitBreakerOpenError: The circuit is open and the call was not made.
        """
        if not inspect.iscoroutinefunction(func):
            return self.call_sync(func, *args, **kwargs)
        self._enter()
        try:
            result = await func(*args, **kwargs)
        except Exception as error:
            self._failed(error)
            raise
        self._succeeded()
        return result

    def call_sync(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function through the breaker.

        Raises:
            CircuitBreakerOpenError: The circuit is open and the call was not made.
        """
        self._enter()
        try:
            result = func(*args, **kwargs)
        except Exception as error:
            self._failed(error)
            raise
        self._succeeded()
        return result

    def _enter(self) -> None:
        with self._lock:
            waited = time.monotonic() - self._opened_at
            if self.state is CircuitState.OPEN and waited >= self.recovery_timeout:
                logger.info("%s entering HALF_OPEN state (testing recovery)", self.name)
                self.state = CircuitState.HALF_OPEN
            elif self.state is CircuitState.OPEN or self._probing:
                logger.warning(
                    "%s is %s, rejecting call (fail fast). Failures: %d/%d",
                    self.name,
                    self.state.value,
                    self.failure_count,
                    self.failure_threshold,
                )
                raise CircuitBreakerOpenError(
                    f"Circuit breaker '{self.name}' is {self.state.value}",
                    self.last_error,
                    self.failure_count,
                    self.last_failure_time,
                )
            self._probing = self.state is CircuitState.HALF_OPEN

    def _failed(self, error: Exception) -> None:
        with self._lock:
            self._probing = False
            if isinstance(error, self.expected_exception):
                self._on_failure(error)

    def _succeeded(self) -> None:
        with self._lock:
            self._probing = False
            self._on_success()

    def _on_success(self) -> None:
        if self.state is CircuitState.HALF_OPEN:
            logger.info("%s recovery successful, closing circuit", self.name)
            self._reset()
        self.failure_count = 0

    def _on_failure(self, last_error: Exception | None = None) -> None:
        self.failure_count += 1
        self.last_failure_time = time.time()
        self.last_error = last_error
        if self.failure_count >= self.failure_threshold:
            self._open_circuit()
        logger.warning(
            "%s failure %d/%d (state: %s, error: %s: %s)",
            self.name,
            self.failure_count,
            self.failure_threshold,
            self.state.value,
            type(last_error).__name__,
            last_error,
        )

    def _open_circuit(self) -> None:
        self._opened_at = time.monotonic()
        if self.state is not CircuitState.OPEN:
            self.state = CircuitState.OPEN
            self.circuit_open_count += 1
            logger.error(
                "%s OPENING circuit after %d failures. Will retry after %.1fs",
                self.name,
                self.failure_count,
                self.recovery_timeout,
            )

    def _reset(self) -> None:
        self.state = CircuitState.CLOSED
        self.failure_count = 0

    def get_stats(self) -> dict[str, Any]:
        """Return the breaker's name, state and counts."""
        return {
            "name": self.name,
            "state": self.state.value,
            "failure_count": self.failure_count,
            "failure_threshold": self.failure_threshold,
            "circuit_open_count": self.circuit_open_count,
            "recovery_timeout": self.recovery_timeout,
            "last_failure_time": self.last_failure_time,
            "last_error_type": type(self.last_error).__name__ if self.last_error else None,
        }
