# SPDX-License-Identifier: Apache-2.0
"""The redactor of a configuration: one for the engine's process and for the command line."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ffe_otel.redaction.harvest import harvest_literals, harvest_settings
from ffe_otel.redaction.plugins import configured_catalogue
from ffe_otel.redaction.redactor import Redactor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ffe_otel.config import Config


def configured_redactor(config: Config, environ: Mapping[str, str]) -> Redactor:
    """Build the redactor that a configuration asks for.

    Args:
        config: the whole of it, because all its secrets are hidden.
        environ: where further secrets are harvested, usually ``os.environ``.

    Raises:
        CatalogueError: the section ``redaction`` names what does not exist, or its rule file
            cannot be used.
    """
    options = config.redaction
    return Redactor(
        configured_catalogue(options),
        literals=(
            *options.secrets,
            *harvest_settings(asdict(config)),
            *harvest_literals(environ),
        ),
        allow_query_parameters=options.allow_query_parameters,
    )
