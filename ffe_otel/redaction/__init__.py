# SPDX-License-Identifier: Apache-2.0
"""Redaction: what is secret, and how it is taken out of records before they leave."""

from ffe_otel.redaction.catalogue import (
    Catalogue,
    CatalogueError,
    Contribution,
    Rule,
    load_catalogue,
)
from ffe_otel.redaction.configured import configured_redactor, engine_redactor, understood
from ffe_otel.redaction.harvest import harvest_literals, harvest_settings
from ffe_otel.redaction.plugins import configured_catalogue
from ffe_otel.redaction.redactor import Redactor
from ffe_otel.redaction.spans import Detector, Span

__all__ = [
    "Catalogue",
    "CatalogueError",
    "Contribution",
    "Detector",
    "Redactor",
    "Rule",
    "Span",
    "configured_catalogue",
    "configured_redactor",
    "engine_redactor",
    "harvest_literals",
    "harvest_settings",
    "load_catalogue",
    "understood",
]
