# SPDX-License-Identifier: Apache-2.0
"""Rules and detectors that other distributions bring.

A distribution names an object under the entry point group ``ffe_otel.redaction_rules``: a
:class:`Contribution`, or a function without parameters that returns one. What cannot be
loaded is left out and said: in the log when capture starts, and by ``ffe-otel doctor``.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

from ffe_otel.redaction.catalogue import CatalogueError, Contribution, load_catalogue

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from ffe_otel.config.model import Redaction
    from ffe_otel.redaction.catalogue import Catalogue

GROUP: Final = "ffe_otel.redaction_rules"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plugins:
    """What was found: contributions by the name of their entry point, and problems."""

    contributions: dict[str, Contribution] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def load_plugins() -> Plugins:
    """Load every contribution and try it on the packaged rules, one after the other."""
    found = Plugins()
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        name = f"{entry.name} ({entry.dist.name if entry.dist else entry.value})"
        try:
            contribution = _load(entry)
            catalogue = load_catalogue(contributions=[*found.contributions.values(), contribution])
            for rule in catalogue.of_kind("detector"):
                catalogue.makers[rule.id](rule)
        except Exception as error:  # noqa: BLE001 - code of others
            found.problems[name] = f"{type(error).__name__}: {error}"
        else:
            found.contributions[name] = contribution
    return found


def _load(entry: EntryPoint) -> Contribution:
    loaded = entry.load()
    contribution = loaded() if callable(loaded) else loaded
    if not isinstance(contribution, Contribution):
        raise CatalogueError(
            f"{entry.value} gives {type(contribution).__name__}, "
            "not ffe_otel.redaction.Contribution"
        )
    return contribution


def configured_catalogue(settings: Redaction, plugins: Plugins | None = None) -> Catalogue:
    """The rules that a configuration asks for, those of plugins included.

    Args:
        settings: the section ``redaction``.
        plugins: by default all that are installed; those with problems are logged.

    Raises:
        CatalogueError: the configuration names what does not exist, or its rule file cannot
            be used.
    """
    if plugins is None:
        plugins = load_plugins()
        for name, problem in plugins.problems.items():
            _log.error(
                "The redaction rules of %s are left out, what they would hide is not hidden: %s",
                name,
                problem,
            )
    return load_catalogue(
        settings.rules_file or None,
        settings.disabled_rules,
        enabled=settings.enabled_rules,
        classes=settings.classes,
        jurisdiction=settings.jurisdiction,
        contributions=plugins.contributions.values(),
    )
