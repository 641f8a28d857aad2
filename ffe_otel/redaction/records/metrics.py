# SPDX-License-Identifier: Apache-2.0
"""Redaction of collected metrics: names, labels, exemplars, resource and scope.

Hardly any label ever holds a secret, and a collection repeats all of them every few
seconds, so parts that need no change are passed on as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from ffe_otel.redaction.surfaces import Surface

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from opentelemetry.sdk.metrics.export import Metric, ResourceMetrics, ScopeMetrics

    from ffe_otel.redaction.redactor import Redactor

T = TypeVar("T")


@dataclass(frozen=True)
class RedactedMetrics(MetricsData):
    """Metrics without secrets, which are not redacted again.

    Its sequences are tuples: whoever adds to them has to make other metrics of it.
    """


def redact_metrics(data: MetricsData, redactor: Redactor, limit: int | None = None) -> MetricsData:
    """Redact what one collection gave.

    A metric that cannot be redacted is left out and counted.

    Args:
        data: what the SDK collected; stays as it is.
        redactor: the rules.
        limit: characters kept of each text, cut after redaction.
    """
    if isinstance(data, RedactedMetrics):
        return data
    try:
        return RedactedMetrics(
            tuple([_resource_metrics(r, redactor, limit) for r in data.resource_metrics])
        )
    except Exception:  # noqa: BLE001 - fail closed, whatever it was
        redactor.failed(Surface.LABEL)
        return RedactedMetrics(())


def _resource_metrics(
    metrics: ResourceMetrics, redactor: Redactor, limit: int | None
) -> ResourceMetrics:
    def redact(resource: Resource) -> Resource:
        attributes = redactor.strict_mapping(resource.attributes, Surface.RESOURCE, limit)
        return Resource(attributes, resource.schema_url)

    return replace(
        metrics,
        resource=redactor.shared(metrics.resource, limit, redact),
        scope_metrics=tuple([_scope_metrics(s, redactor, limit) for s in metrics.scope_metrics]),
    )


def _scope_metrics(metrics: ScopeMetrics, redactor: Redactor, limit: int | None) -> ScopeMetrics:
    def redact(scope: InstrumentationScope) -> InstrumentationScope:
        return InstrumentationScope(
            redactor.strict_text(scope.name, Surface.SCOPE, limit),
            scope.version and redactor.strict_text(scope.version, Surface.SCOPE, limit),
            scope.schema_url and redactor.strict_text(scope.schema_url, Surface.SCOPE, limit),
            redactor.strict_mapping(scope.attributes or {}, Surface.SCOPE, limit),
        )

    return replace(
        metrics,
        scope=redactor.shared(metrics.scope, limit, redact),
        metrics=tuple(
            _each(_wanted(metrics, redactor), lambda m: _metric(m, redactor, limit), redactor)
        ),
    )


def _wanted(metrics: ScopeMetrics, redactor: Redactor) -> Iterable[Metric]:
    return (metric for metric in metrics.metrics if redactor.wants_metric(metric.name))


def _each(items: Iterable[T], redact: Callable[[T], T], redactor: Redactor) -> Iterator[T]:
    for item in items:
        try:
            yield redact(item)
        except Exception:  # noqa: BLE001 - fail closed, whatever it was
            redactor.failed(Surface.LABEL)


def _metric(metric: Metric, redactor: Redactor, limit: int | None) -> Metric:
    name = redactor.strict_text(metric.name, Surface.NAME, limit)
    description = redactor.strict_text(metric.description or "", Surface.NAME, limit)
    data: Any = metric.data
    old: Sequence[Any] = data.data_points
    shown = _whole(old, redactor, limit) if redactor.withholds else old
    new = [_point(point, redactor, limit) for point in shown]
    if name == metric.name and description == (metric.description or "") and _same(old, new):
        return metric
    return replace(metric, name=name, description=description, data=replace(data, data_points=new))


def _whole(points: Sequence[Any], redactor: Redactor, limit: int | None) -> Sequence[Any]:
    """Points whose labels all pass: without some of them two would be one."""
    return [
        point
        for point in points
        if redactor.strict_mapping(point.attributes or {}, Surface.LABEL, limit)
        == (point.attributes or {})
    ]


def _same(old: Sequence[Any], new: Sequence[Any]) -> bool:
    return len(old) == len(new) and all(a is b for a, b in zip(old, new, strict=True))


def _point(point: Any, redactor: Redactor, limit: int | None) -> Any:
    old = point.attributes or {}
    labels = redactor.strict_mapping(old, Surface.LABEL, limit)
    exemplars = [_exemplar(e, redactor, limit) for e in point.exemplars]
    if labels == old and _same(point.exemplars, exemplars):
        return point
    return replace(point, attributes=labels, exemplars=exemplars)


def _exemplar(exemplar: Any, redactor: Redactor, limit: int | None) -> Any:
    old = exemplar.filtered_attributes or {}
    attributes = redactor.strict_mapping(old, Surface.EXEMPLAR, limit)
    return exemplar if attributes == old else replace(exemplar, filtered_attributes=attributes)
