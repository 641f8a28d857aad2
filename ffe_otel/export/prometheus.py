# SPDX-License-Identifier: Apache-2.0
"""Metrics for Prometheus: our own page, and the engine's page as it was.

Our instruments are on a registry and a page of their own. The engine's OpenTelemetry
instruments land in our meter provider too; a second reader puts them on
prometheus_client's default registry, from where the engine's own ``/metrics`` serves
them, as if we were not there.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import weakref
from dataclasses import replace
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app

from ffe_otel import semconv
from ffe_otel.export.exemplars import Exemplars
from ffe_otel.foundation import native
from ffe_otel.foundation.sockets import OwnedSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

    from opentelemetry.sdk.metrics.export import Metric as SdkMetric
    from opentelemetry.sdk.metrics.export import MetricReader, MetricsData
    from prometheus_client.metrics_core import Metric

    from ffe_otel.config.model import Prometheus

_log = logging.getLogger("ffe_otel.export")
_PORTS_TRIED = 100
_POLL_SECONDS = 0.25


def is_ours(scope_name: str) -> bool:
    """Whether an instrumentation scope is one of this project's."""
    return scope_name == semconv.SCOPE or scope_name.startswith(semconv.SCOPE + ".")


def keep(data: MetricsData, wanted: Callable[[str, SdkMetric], bool]) -> MetricsData:
    """Leave out what ``wanted(scope name, metric)`` does not want."""
    resources = []
    for resource in data.resource_metrics:
        scopes = []
        for scope in resource.scope_metrics:
            metrics = [m for m in scope.metrics if wanted(scope.scope.name, m)]
            if metrics:
                scopes.append(replace(scope, metrics=metrics))
        if scopes:
            resources.append(replace(resource, scope_metrics=scopes))
    # What was redacted stays known as that.
    return replace(data, resource_metrics=resources)


class ScopeReader(PrometheusMetricReader):
    """Puts the metrics of some scopes on a registry.

    Attributes:
        wants: whether the metrics of a scope are put there.
        shows_exemplars: whether anybody sees the exemplars.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        wanted: Callable[[str], bool],
        exemplars: Exemplars,
        *,
        scope_labels: bool,
        shows_exemplars: bool = True,
    ) -> None:
        """Serve scopes that are ``wanted``, with or without ``otel_scope_*`` labels."""
        super().__init__(scope_info_enabled=scope_labels, registry=registry)
        self.wants = wanted
        self.shows_exemplars = shows_exemplars
        self._exemplars = exemplars

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Do nothing: what a scrape finds is collected by the scrape.

        The SDK's would collect, and the data would wait beside the scrape's own: a page
        with every family twice, and memory that grows where nobody scrapes.
        """
        del timeout_millis
        return True

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> None:
        kept = keep(metrics_data, lambda scope, _metric: self.wants(scope))
        # The first data decide on target_info for good, so they must not be empty.
        if kept.resource_metrics:
            self._exemplars.remember(kept)
            super()._receive_metrics(kept, timeout_millis, **kwargs)


class _Page:
    """The collector of the page's registry: the reader's families, with exemplars."""

    def __init__(self, inner: CollectorRegistry, exemplars: Exemplars) -> None:
        self._inner = inner
        self._exemplars = exemplars
        self._lock = native.Lock()

    def collect(self) -> Iterator[Metric]:
        """Collect as a Prometheus scrape does."""
        # Two scrapes at once would find the data of both in the reader's one queue.
        with self._lock:
            families = list(self._inner.collect())
        for family in families:
            yield self._exemplars.attach(family)


class MetricsPage:
    """Serves our metrics over HTTP on a thread of its own.

    Attributes:
        registry: what is served.
    """

    def __init__(self, config: Prometheus) -> None:
        self._config = config
        self._server: _Server | None = None
        self._thread: native.Thread | None = None
        self._lock = native.Lock()
        self.inner = CollectorRegistry()
        self.exemplars = Exemplars()
        self.registry = CollectorRegistry()
        self.registry.register(_Page(self.inner, self.exemplars))
        if hasattr(os, "register_at_fork"):
            abandon = weakref.WeakMethod(self._abandon)

            def after_fork() -> None:
                if method := abandon():
                    method()

            os.register_at_fork(after_in_child=after_fork)

    @property
    def port(self) -> int | None:
        """Port it listens on, ``None`` while it does not."""
        return self._server.server_port if self._server is not None else None

    @property
    def address(self) -> str | None:
        """URL of the page, ``None`` while it does not listen."""
        port = self.port
        if port is None:
            return None
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        return f"http://{host}:{port}{self._config.path}"

    def start(self) -> bool:
        """Listen on the configured port, or the next free one.

        Returns:
            ``False`` when nothing could be bound, which is logged; it never raises.
        """
        return self._listen(self._config.port)

    def give_way(self, port: int) -> None:
        """Move to another port when the page is on ``port``, which the engine wants."""
        if self.port != port:
            return
        self.close()
        if self._listen(port + 1):
            _log.info("the metrics page moved to %s: the engine uses port %d", self.address, port)

    def close(self) -> None:
        """Stop listening."""
        with self._lock:
            server, thread = self._server, self._thread
            self._server = self._thread = None
        if thread is not None:
            thread.join(_POLL_SECONDS * 4)
        if server is not None:
            server.server_close()

    def _abandon(self) -> None:
        """In a forked child: nobody serves the inherited socket, so do not hold the port."""
        server, self._server, self._thread = self._server, None, None
        self._lock = native.Lock()
        if server is not None:
            server.server_close()

    def _listen(self, first: int) -> bool:
        last = first + _PORTS_TRIED if first else 1
        problem: Exception | None = None
        for port in range(first, min(last, 65536)):
            try:
                server = make_server(
                    self._config.host, port, self._app(), _Server, handler_class=_Quiet
                )
            # A host's name that is none is a value of a wrong kind to Python.
            except (OSError, ValueError) as error:
                problem = error
                continue
            with self._lock:
                self._server, self._thread = server, native.Thread(self._serve)
                native.keep_starting(self._thread)
            if first and port != self._config.port:
                _log.info("port %d is taken; the metrics page is %s", first, self.address)
            return True
        _log.warning(
            "no metrics page: cannot listen on %s, ports %d to %d (%s); set "
            "metrics.prometheus.port, or metrics.prometheus.enabled: false",
            self._config.host,
            first,
            last - 1,
            problem,
        )
        return False

    def _serve(self) -> None:
        server = self._server
        # Not serve_forever: who asks that to end waits for it without a deadline.
        while server is not None and self._server is server:
            if not server.socket.ours:
                self._listen_again(server)
                return
            with contextlib.suppress(OSError, ValueError):  # nobody came, or closed in between
                server.process_request(*server.get_request())

    def _listen_again(self, lost: _Server) -> None:
        # Somebody closed our socket. What has its number now is not ours to listen on.
        with self._lock:
            if self._server is not lost:
                return
            self._server = self._thread = None
        lost.server_close()
        self._listen(lost.server_port)

    def _app(self) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
        metrics: Any = make_wsgi_app(self.registry)
        path = self._config.path

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            status, text = "404 Not Found", f"metrics are at {path}\n"
            if environ.get("PATH_INFO") == path:
                try:
                    found: Iterable[bytes] = metrics(environ, start_response)
                except Exception as error:  # noqa: BLE001 - a callback of anybody's instrument
                    status = "500 Internal Server Error"
                    text = f"metrics cannot be collected: {type(error).__name__}\n"
                else:
                    return found
            start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
            return [text.encode()]

        return app


class _Server(WSGIServer):
    socket: OwnedSocket

    def __init__(self, address: Any, handler: Any) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler, bind_and_activate=False)
        self.socket = OwnedSocket.of(self.socket)
        # The socket waits, not a selector: gevent's would run an event loop on our thread.
        self.socket.settimeout(_POLL_SECONDS)
        try:
            self.server_bind()
            self.server_activate()
        except BaseException:
            self.server_close()
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread of its own: a client may take its time."""

        def answer() -> None:
            try:
                self.finish_request(request, client_address)
            except Exception:  # noqa: BLE001 - a client that went away
                _log.debug("a request for the metrics page failed", exc_info=True)
            finally:
                self.shutdown_request(request)

        if not native.Thread(answer).start():
            self.shutdown_request(request)

    def server_bind(self) -> None:
        # Not WSGIServer's: it looks the host's name up, which can take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _Quiet(WSGIRequestHandler):
    timeout = 10  # seconds for a client that says nothing

    def log_message(self, *_args: Any) -> None:
        """A scrape every few seconds is nobody's news."""


def readers(page: MetricsPage | None, *, registry: bool = True) -> list[MetricReader]:
    """Make the readers of this process' meter provider.

    Args:
        page: where our scopes go; ``None`` leaves that reader out.
        registry: put all other scopes on the default registry.

    Returns:
        The page's reader, and that of the default registry.
    """
    made: list[MetricReader] = []
    if page is not None:
        made.append(ScopeReader(page.inner, is_ours, page.exemplars, scope_labels=False))
    if registry:
        made.append(
            ScopeReader(
                REGISTRY,
                lambda scope: not is_ours(scope),
                Exemplars(),
                scope_labels=True,
                shows_exemplars=False,
            )
        )
    return made
