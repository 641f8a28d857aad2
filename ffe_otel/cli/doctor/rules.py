# SPDX-License-Identifier: Apache-2.0
"""The redaction rules in force, and those of plugins that could not be loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffe_otel.cli.doctor.check import Check
from ffe_otel.redaction import CatalogueError, configured_catalogue
from ffe_otel.redaction.plugins import load_plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ffe_otel.config import Config


def rules(config: Config) -> Iterator[Check]:
    """What the configuration makes of the rules, then one check for each plugin."""
    plugins = load_plugins()
    try:
        catalogue = configured_catalogue(config.redaction, plugins)
    except CatalogueError as error:
        yield Check("redaction", "fail", str(error), "capture does not start with this")
    else:
        chosen = [rule.id for rule in catalogue.rules if not rule.enabled]
        extra = f", with {', '.join(chosen)}" if chosen else ""
        yield Check("redaction", "ok", f"{len(catalogue.rules)} rules{extra}")
    for name in plugins.contributions:
        yield Check("redaction plugin", "ok", name)
    for name, problem in plugins.problems.items():
        remedy = "its rules are left out: correct it, or uninstall it"
        yield Check("redaction plugin", "fail", f"{name}: {problem}", remedy)
