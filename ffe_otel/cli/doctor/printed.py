# SPDX-License-Identifier: Apache-2.0
"""What of the engine's own output redaction does not see."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ffe_otel.capture.hooks import all_hooks
from ffe_otel.cli.doctor.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ffe_otel.config import Config

_NAME: Final = "the engine's own output"
_PRINT: Final = re.compile(r"^[ \t]*print\(", re.MULTILINE)
_COVERED: Final = {
    "console": "its log handlers are redacted on standard output and standard error; its files, "
    "syslog and sockets are not",
    "all": "its log handlers are redacted wherever they write",
}
_NEVER: Final = (
    "not redacted: print() and whatever else writes to the console itself, handlers with an "
    "emit() of their own that does not call format(), hooks for uncaught exceptions of its own, "
    "output of libraries in C and of child processes"
)


def printed(config: Config) -> Iterator[Check]:
    """What is covered as configured, what never is, and where the engine has such code."""
    wanted = config.redaction.engine_handlers
    if wanted == "off":
        detail = "its log handlers write secrets as they are: redaction.engine_handlers is off"
        yield Check(_NAME, "warn", detail, "set it to console, or to all")
    else:
        yield Check(_NAME, "ok", _COVERED[wanted])
    yield Check(_NAME, "unknown", _NEVER)
    for package in dict.fromkeys(hook.module.partition(".")[0] for hook in all_hooks()):
        yield from _in_source(package)


def _in_source(package: str) -> Iterator[Check]:
    spec = importlib.util.find_spec(package)
    for folder in map(Path, (spec.submodule_search_locations or ()) if spec else ()):
        prints = 0
        for path in sorted(folder.rglob("*.py")):
            with contextlib.suppress(OSError, ValueError, SyntaxError, RecursionError):
                text = path.read_text("utf-8")
                prints += len(_PRINT.findall(text))
                for name in _own_emits(text):
                    where = f"{package}/{path.relative_to(folder)}"
                    detail = f"{name} in {where} has an emit() of its own"
                    remedy = "let it write what self.format(record) gives, to its stream"
                    yield Check("log handler", "unknown", detail, remedy)
        if prints:
            detail = f"{package} has {prints} calls of print(), which redaction does not see"
            yield Check(_NAME, "unknown", detail)


def _own_emits(text: str) -> Iterator[str]:
    """Classes that are log handlers, by the names of their bases, and write by themselves."""
    if "def emit(" not in text:
        return
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ClassDef):
            continue
        is_handler = any(ast.unparse(base).endswith("Handler") for base in node.bases)
        defined = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
        if is_handler and "emit" in defined:
            yield node.name
