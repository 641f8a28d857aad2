# SPDX-License-Identifier: Apache-2.0
"""The redactor of a configuration: one for the engine's process and for the command line."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from ffe_otel.config.problems import Problem
from ffe_otel.config.veils import SKELETONS, veils
from ffe_otel.redaction.catalogue import Catalogue, CatalogueError, MissingRulesError
from ffe_otel.redaction.harvest import harvest_literals, harvest_settings
from ffe_otel.redaction.plugins import configured_catalogue, load_plugins
from ffe_otel.redaction.redactor import Redactor
from ffe_otel.redaction.withholding import WithholdingRedactor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ffe_otel.config import Config, LoadedConfig

_log = logging.getLogger(__name__)


def configured_redactor(config: Config, environ: Mapping[str, str]) -> Redactor:
    """Build the redactor that a configuration asks for.

    Where the packaged rules are missing it lets skeletons through only, and that is logged.

    Args:
        config: the whole of it, because all its secrets are hidden.
        environ: where further secrets are harvested, usually ``os.environ``.

    Raises:
        CatalogueError: the section ``redaction`` names what does not exist, or its rule file
            cannot be used.
    """
    options = config.redaction
    try:
        catalogue = configured_catalogue(options)
        harvested = (*harvest_settings(asdict(config)), *harvest_literals(environ))
    except MissingRulesError as error:
        _log.error("Only skeletons go out, no texts and no values: %s", error)
        return WithholdingRedactor(Catalogue(()), literals=options.secrets)
    kind = WithholdingRedactor if options.skeletons_only else Redactor
    return kind(
        catalogue,
        literals=(*options.secrets, *harvested),
        allow_query_parameters=options.allow_query_parameters,
    )


def understood(loaded: LoadedConfig) -> LoadedConfig:
    """A configuration whose section ``redaction`` a redactor can be built of.

    A rule to be switched off that does not exist is left out. Where a rule, a class or a rule
    file to be used is not understood, nobody knows what it was to hide: then
    ``redaction.skeletons_only`` is on. What is wrong stands among the problems.
    """
    options, plugins = loaded.config.redaction, load_plugins()
    problems: list[Problem] = []
    kept: dict[str, Any] = {
        "disabled_rules": (), "enabled_rules": (), "classes": (), "jurisdiction": "",
        "rules_file": "",
    }  # fmt: skip

    def works(name: str, value: object) -> bool:
        try:
            configured_catalogue(replace(options, **{**kept, name: value}), plugins)
        except Exception as error:  # noqa: BLE001 - a file of the user's and code of others
            key = f"redaction.{name}"
            reason = str(error) if isinstance(error, CatalogueError) else type(error).__name__
            message = reason.removeprefix(f"{key}: ")
            problems.append(Problem(loaded.origins[key], key, message, veils=veils(key)))
            return False
        return True

    for name in ("rules_file", "jurisdiction"):
        text = getattr(options, name)
        if text and works(name, text):
            kept[name] = text
    for name in ("enabled_rules", "classes", "disabled_rules"):
        kept[name] = tuple(each for each in getattr(options, name) if works(name, (each,)))
    veiled = options.skeletons_only or any(problem.veils for problem in problems)
    redaction = replace(options, **kept, skeletons_only=veiled)
    origins = {**loaded.origins}
    if veiled and not options.skeletons_only:
        origins[SKELETONS] = next(problem.origin for problem in problems if problem.veils)
    return replace(
        loaded,
        config=replace(loaded.config, redaction=redaction),
        origins=origins,
        problems=(*loaded.problems, *problems),
    )


def engine_redactor(config: Config, environ: Mapping[str, str], redactor: Redactor) -> Redactor:
    """The redactor for what the engine itself prints: with the classes on by default alone.

    What somebody may not send elsewhere may still be what the engine's own lines are for.

    Args:
        config: as for :func:`configured_redactor`.
        environ: the same.
        redactor: what that function made of them.
    """
    options = config.redaction
    if not options.classes and not options.jurisdiction:
        return redactor
    own = replace(options, classes=(), jurisdiction="")
    return configured_redactor(replace(config, redaction=own), environ)
