# SPDX-License-Identifier: Apache-2.0
"""``ffe-otel redact rules``: the rules in force, and whether they do what they promise."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from ffe_otel.cli.options import common, load
from ffe_otel.cli.output import dim, echo_json, mark, stop, table
from ffe_otel.redaction import CatalogueError, Redactor, configured_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ffe_otel.redaction import Catalogue, Rule

_SURFACE: Final = "cli"


@click.command("rules")
@click.option("--test", is_flag=True, help="Run every rule's examples; exit code 1 on a failure.")
@common
def rules(*, test: bool, config_file: Path | None, as_json: bool) -> None:
    """List the redaction rules: what they hide, and which of them are on."""
    options = load(config_file, as_json=as_json).config.redaction
    try:
        catalogue = configured_catalogue(options)
    except CatalogueError as error:
        stop(str(error), 2, as_json=as_json)
    listed = [(rule, True) for rule in catalogue.rules] + [(rule, False) for rule in catalogue.off]
    failures = {rule.id: list(_failures(rule, catalogue)) for rule, _ in listed if test}
    if as_json:
        echo_json({"rules": [_as_json(rule, failures.get(rule.id), on=on) for rule, on in listed]})
    elif test:
        _print_tests([rule for rule, _ in listed], failures)
    else:
        rows = [_row(rule, on=on) for rule, on in listed]
        for line in table(rows):
            click.echo(line)
    raise SystemExit(int(any(failures.values())))


def _failures(rule: Rule, catalogue: Catalogue) -> Iterator[str]:
    """What is wrong with a rule's examples, tried with the rules in force and this one."""
    others = [other for other in catalogue.rules if other.id != rule.id]
    index = next((i for i, r in enumerate(catalogue.rules) if r.id == rule.id), len(others))
    redactor = Redactor(replace(catalogue, rules=(*others[:index], rule, *others[index:])))
    for number, example in enumerate(rule.match, 1):
        text = example.replace("«", "").replace("»", "")
        expected = re.sub("«[^»]*»", rule.marker, example)
        if (found := redactor.text(text, _SURFACE)) != expected:
            yield f"match {number}: {expected!r} was expected, {found!r} came out"
    for number, example in enumerate(rule.no_match, 1):
        if (found := redactor.text(example, _SURFACE)) != example:
            yield f"no_match {number}: {example!r} should stay, {found!r} came out"


def _print_tests(tested: Sequence[Rule], failures: dict[str, list[str]]) -> None:
    for id_, problems in failures.items():
        for problem in problems:
            click.echo(f"{mark('fail')} {id_}: {problem}")
    if not any(failures.values()):
        examples = sum(len(rule.match) + len(rule.no_match) for rule in tested)
        click.echo(f"{mark('ok')} {examples} examples of {len(tested)} rules")


def _row(rule: Rule, *, on: bool) -> tuple[str, ...]:
    state = mark("ok") if on else dim("off")
    return (state, rule.id, dim(rule.kind), dim(rule.sensitivity), rule.description)


def _as_json(rule: Rule, failures: list[str] | None, *, on: bool) -> dict[str, object]:
    row: dict[str, object] = {
        "id": rule.id,
        "kind": rule.kind,
        "sensitivity": rule.sensitivity,
        "on": on,
        "description": rule.description,
        "why": rule.why,
    }
    return row if failures is None else row | {"failures": failures}
