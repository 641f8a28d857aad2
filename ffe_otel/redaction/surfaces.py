# SPDX-License-Identifier: Apache-2.0
"""Where in telemetry a secret can sit; the ``surface`` label of the counters."""

from __future__ import annotations

from enum import StrEnum


class Surface(StrEnum):
    """A part of a record. ``SPAN`` and ``LOG`` also stand for the record as a whole.

    ``PRINTED`` is what the engine itself writes.
    """

    SPAN = "span"
    NAME = "name"
    ATTRIBUTE = "attribute"
    EVENT = "event"
    LINK = "link"
    STATUS = "status"
    TRACE_STATE = "trace_state"
    RESOURCE = "resource"
    SCOPE = "scope"
    LOG = "log"
    BODY = "body"
    LABEL = "label"
    EXEMPLAR = "exemplar"
    PRINTED = "printed"
