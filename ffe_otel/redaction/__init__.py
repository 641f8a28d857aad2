# SPDX-License-Identifier: Apache-2.0
"""Redaction: what is secret, and how it is taken out of records before they leave."""

from ffe_otel.redaction.catalogue import Catalogue, CatalogueError, Rule, load_catalogue
from ffe_otel.redaction.harvest import harvest_literals
from ffe_otel.redaction.redactor import Redactor

__all__ = [
    "Catalogue",
    "CatalogueError",
    "Redactor",
    "Rule",
    "harvest_literals",
    "load_catalogue",
]
