# SPDX-License-Identifier: Apache-2.0
"""Which instrument and decision the engine's log records are about.

Assets are analysed side by side, so what is known travels in the OpenTelemetry context.
Risk check and execution take one decision after the other in a loop that no hook can see;
there the phase's own fields are turned to the decision at hand, and away from it where the
engine is known to be done with it.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context

from ffe_otel.capture.hooks.facts import field, text
from ffe_otel.capture.steps.base import fields_of, with_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.context import Context

_SEPARATORS: Final = str.maketrans("", "", "-/_")
_SUBJECT: Final = otel_context.create_key("ffe-otel-subject")
_LOOP_TASK: Final = otel_context.create_key("ffe-otel-loop-task")


def standard(name: Any) -> str | None:
    """An instrument as the agent writes it: data providers are asked for ``BTC-USD``, too."""
    return (text(name) or "").translate(_SEPARATORS).upper() or None


def asset_pair_of(source: Any) -> str | None:
    """The instrument of a decision, position or outcome."""
    names = (field(source, key) for key in ("asset_pair", "product", "product_id"))
    return next((pair for name in names if (pair := standard(name))), None)


@contextmanager
def about(asset_pair: str | None, decision_id: str | None = None) -> Iterator[None]:
    """What runs inside is about this instrument, and this decision where there is one yet."""
    token = otel_context.attach(_subject(asset_pair, decision_id))
    try:
        yield
    finally:
        otel_context.detach(token)


def about_decision(decision: Any) -> AbstractContextManager[None]:
    """What runs inside is about a decision."""
    return about(asset_pair_of(decision), text(field(decision, "id")))


def about_trade(trade: Any) -> AbstractContextManager[None]:
    """What runs inside is about a trade that was closed."""
    return about(asset_pair_of(trade), text(field(trade, "decision_id")))


def _subject(asset_pair: str | None, decision_id: str | None) -> Context:
    context = otel_context.get_current()
    context = with_fields(context, asset_pair=asset_pair, decision_id=decision_id)
    return otel_context.set_value(_SUBJECT, fields_of(context), context)


def decided(decision_id: str | None) -> None:
    """The analysis that the current code is part of has led to this decision."""
    fields: Any = otel_context.get_value(_SUBJECT)
    if fields is not None and decision_id is not None:
        fields["decision_id"] = decision_id


def turn_to(asset_pair: str | None = None, decision_id: str | None = None) -> None:
    """What the current phase logs from here on is about this decision, or about none."""
    fields = fields_of()
    if fields is None:
        return
    for name, value in (("asset_pair", asset_pair), ("decision_id", decision_id)):
        if value is None:
            fields.pop(name, None)
        else:
            fields[name] = value


@contextmanager
def in_the_loop() -> Iterator[None]:
    """The current task runs the agent's loop, so that others under it have work of their own."""
    # The id only: a pool thread keeps the context it was started in for life.
    token = otel_context.attach(otel_context.set_value(_LOOP_TASK, _task()))
    try:
        yield
    finally:
        otel_context.detach(token)


def stay_with(asset_pair: str | None) -> None:
    """Keep a task with its instrument for the rest of its life, if it is one an asset has.

    The agent logs why an analysis failed after it, in the task it made for the asset.
    """
    loop_task, task = otel_context.get_value(_LOOP_TASK), _task()
    if None not in (loop_task, task) and task != loop_task:
        otel_context.attach(_subject(asset_pair, None))


def _task() -> int | None:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no event loop runs in this thread
        return None
    return id(task) if task is not None else None
