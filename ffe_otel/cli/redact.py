# SPDX-License-Identifier: Apache-2.0
"""``ffe-otel redact``: take secrets out of texts, say where they are, or whether there are any."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ffe_otel.cli.options import common, load
from ffe_otel.cli.output import clean, dim, glyphs, mark, note, stop
from ffe_otel.cli.redact_input import STANDARD_INPUT, InputError, encode, files, read
from ffe_otel.cli.redact_rules import rules
from ffe_otel.redaction import CatalogueError, configured_redactor
from ffe_otel.redaction.stream import RedactedStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ffe_otel.redaction import Redactor, Rule
    from ffe_otel.redaction.stream import Piece

_AROUND: Final = 48


@dataclass(frozen=True, slots=True)
class Finding:
    """One secret: where it is, and what stands around it; the secret itself is not here."""

    file: str
    line: int
    column: int
    rule: Rule
    around: str

    def as_json(self) -> dict[str, object]:
        """The finding for a program."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "rule": self.rule.id,
            "sensitivity": self.rule.sensitivity,
            "why": f"{self.rule.description}. {self.rule.why}",
            "around": self.around,
        }


@dataclass(slots=True)
class Report:
    """What was found so far."""

    files: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    errors: list[dict[str, str]] = field(default_factory=list)

    def failed(self, file: str, problem: str) -> None:
        """Note an input that could not be read to its end, and say so."""
        self.errors.append({"file": file, "error": problem})
        note(f"{mark('fail')} {file}: {problem}")

    def exit_code(self, *, check: bool) -> int:
        """2 when an input is missing from the result, 1 when a check found something."""
        return 2 if self.errors else int(check and bool(self.rules))


class _Redact(click.Command):
    """A command with FILEs that hands over to ``rules`` when that is its first argument."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        if args[:1] == ["rules"]:
            return rules.make_context(f"{info_name} rules", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command("redact", cls=_Redact)
@click.argument("paths", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--explain", is_flag=True, help="Say which rule hides what where, and why.")
@click.option(
    "--check", is_flag=True, help="Exit code 1 when a FILE holds a secret; for logs in CI."
)
@common
def command(
    *,
    paths: tuple[Path, ...],
    explain: bool,
    check: bool,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Take secrets out of FILEs, or of standard input, and print the rest.

    The rules are those of the engine's process: the configuration counts, and so do secrets
    that the environment names. FILE may be gzip; with --check and --explain it may be a
    folder. With --json findings come as JSON, one a line, and a summary at the end.

    'ffe-otel redact rules' lists the rules ('./rules' is a file of that name).

    Exit codes: 0 done, 1 --check found something, 2 something could not be read.
    """
    config = load(config_file, as_json=as_json).config
    try:
        redactor = configured_redactor(config, os.environ)
    except CatalogueError as error:
        stop(str(error), 2, as_json=as_json)
    report = Report()
    inputs = paths or (STANDARD_INPUT,)
    if explain or check or as_json:
        _report(inputs, redactor, report, explain=explain, check=check, as_json=as_json)
    else:
        _filter(inputs, redactor, report)
    raise SystemExit(report.exit_code(check=check))


def _filter(inputs: Sequence[Path], redactor: Redactor, report: Report) -> None:
    output = sys.stdout.buffer
    for path in inputs:
        for piece in _pieces(path, redactor, report):
            output.write(encode(piece.redacted()))
            output.flush()


def _report(
    inputs: Sequence[Path],
    redactor: Redactor,
    report: Report,
    *,
    explain: bool,
    check: bool,
    as_json: bool,
) -> None:
    for path in _files(inputs, redactor, report):
        name = _name(path, redactor)
        report.files += 1
        before = report.rules.copy()
        for piece in _pieces(path, redactor, report):
            for finding in _findings(piece, name):
                report.rules[finding.rule.id] += 1
                if as_json:
                    click.echo(json.dumps(finding.as_json(), ensure_ascii=True))
                elif explain:
                    _print(finding)
        if check and not as_json and (found := report.rules - before):
            click.echo(f"{mark('fail')} {name}: {_listed(found)}")
    if as_json:
        summary = {"files": report.files, "found": report.rules.total()}
        click.echo(json.dumps(summary | {"rules": report.rules, "errors": report.errors}))
    elif not report.rules and not report.errors:
        click.echo(f"{mark('ok')} nothing to redact in {_count(report.files, 'file')}")
    elif explain or check:
        note(f"{_count(report.files, 'file')}: {_listed(report.rules) or 'nothing found'}")


def _files(inputs: Sequence[Path], redactor: Redactor, report: Report) -> Iterator[Path]:
    for path in inputs:
        try:
            yield from files((path,))
        except InputError as error:
            report.failed(_name(path, redactor), redactor.text(str(error), "cli"))


def _pieces(path: Path, redactor: Redactor, report: Report) -> Iterator[Piece]:
    stream = RedactedStream(redactor)
    name = _name(path, redactor)
    try:
        if path.is_dir():
            raise InputError("this is a folder; folders go with --check or --explain")  # noqa: TRY301
        yield from _through(stream, path)
    except InputError as error:
        report.failed(name, str(error))
    except Exception as error:  # noqa: BLE001 - its text and traceback may show a secret
        problem = f"redacting failed with {type(error).__name__} behind line {stream.line}"
        report.failed(name, f"{problem}; the rest of this input is left out")


def _through(stream: RedactedStream, path: Path) -> Iterator[Piece]:
    try:
        for text in read(path):
            yield from stream.pause() if text is None else stream.feed(text)
    except InputError:
        yield from stream.finish()
        raise
    yield from stream.finish()


def _findings(piece: Piece, name: str) -> Iterator[Finding]:
    """The findings of a piece, in order."""
    redacted, shift = "", 0
    for span in piece.spans:
        redacted = redacted or piece.redacted()
        line, column = piece.place(span.start)
        start = span.start + shift
        end = start + len(span.rule.marker)
        shift = end - span.end
        yield Finding(name, line, column, span.rule, _around(redacted, start, end))


def _around(redacted: str, start: int, end: int) -> str:
    """A marker and what stands beside it in its line, all other secrets masked as well."""
    dots = glyphs().ellipsis
    before = redacted[redacted.rfind("\n", 0, start) + 1 : start]
    after = redacted[end:].partition("\n")[0] if end < len(redacted) else ""
    head = before if len(before) <= _AROUND else dots + before[-_AROUND:]
    tail = after if len(after) <= _AROUND else after[:_AROUND] + dots
    return clean(head + redacted[start:end] + tail)


def _print(finding: Finding) -> None:
    place = click.style(f"{finding.file}:{finding.line}:{finding.column}", bold=True)
    rule = click.style(finding.rule.id, fg="yellow")
    click.echo(f"{place} {rule} ({finding.rule.sensitivity})")
    click.echo(f"    {finding.around}")
    click.echo(dim(f"    {finding.rule.description}. {finding.rule.why}"))


def _name(path: Path, redactor: Redactor) -> str:
    if path == STANDARD_INPUT:
        return "standard input"
    return clean(redactor.text(str(path), "cli"))


def _listed(rules: Counter[str]) -> str:
    return ", ".join(f"{rule} {number}" for rule, number in rules.most_common())


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
