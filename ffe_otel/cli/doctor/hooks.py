# SPDX-License-Identifier: Apache-2.0
"""Whether the functions we hook are there, without importing the engine or by importing it."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ffe_otel.capture.hooking import HookSet, State
from ffe_otel.capture.hooks import all_hooks
from ffe_otel.cli.doctor.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ffe_otel.capture.hooking import Hook, HookStatus
    from ffe_otel.cli.output import State as Sign

_NEWER = "update ffe-otel, or report which version of the package you use"
_SIGNS: dict[State, Sign] = {
    State.PATCHED: "ok",
    State.PENDING: "unknown",
    State.REMOVED: "unknown",
    State.MISSING: "warn",
    State.CHANGED: "warn",
    State.FAILED: "fail",
}


def hooks(*, really_import: bool) -> Iterator[Check]:
    """A check for each package with hooks, and one for each hook that is not as it should be.

    Args:
        really_import: import the modules and apply the hooks. Otherwise their source is read,
            which cannot see what a class inherits.
    """
    by_package: dict[str, list[Hook]] = {}
    for hook in all_hooks():
        by_package.setdefault(hook.module.partition(".")[0], []).append(hook)
    for package, group in by_package.items():
        if package not in sys.modules and importlib.util.find_spec(package) is None:
            detail = f"not installed in this environment; {len(group)} hooks wait for it"
            yield Check(f"hooks on {package}", "unknown", detail)
        elif really_import:
            yield from _applied(package, group)
        else:
            yield from _read(package, group)


def _applied(package: str, group: Sequence[Hook]) -> Iterator[Check]:
    applied = HookSet()
    applied.install(group)
    failed = {}
    try:
        for module in dict.fromkeys(hook.module for hook in group):
            reason = _import(module)
            if reason:
                failed[module] = reason
        report = applied.report()
    finally:
        applied.uninstall()
    for module, reason in failed.items():
        if not all(hook.optional for hook in group if hook.module == module):
            detail = f"{module}: {reason}"
            yield Check("import", "warn", detail, "install what it needs; its hooks wait")
    bad = [status for status in report if _is_bad(status) and status.hook.module not in failed]
    yield _summary(package, len(group), sum(s.state is State.PATCHED for s in report), "patched")
    for status in bad:
        what = " ".join(part for part in (status.state.value, status.detail) if part)
        detail = f"{status.hook.address} is {what}"
        yield Check(f"hook {status.hook.name}", _SIGNS[status.state], detail, _NEWER)


def _read(package: str, group: Sequence[Hook]) -> Iterator[Check]:
    sources: dict[str, _Source | None] = {}
    absent = []
    for hook in group:
        if hook.module not in sources:
            sources[hook.module] = _Source.of(hook.module)
        source = sources[hook.module]
        if not hook.attribute and (source is None or not source.defines(hook.target)):
            absent.append(hook)
    yield _summary(package, len(group), len(group) - len(absent), "found in its source")
    for hook in absent:
        if not hook.optional:
            detail = f"{hook.address} is not in the source; it may be inherited"
            remedy = "'ffe-otel doctor --import' looks closer"
            yield Check(f"hook {hook.name}", "warn", detail, remedy)


def _summary(package: str, total: int, good: int, how: str) -> Check:
    state: Sign = "ok" if good == total else "unknown" if good else "warn"
    return Check(f"hooks on {package}", state, f"{good} of {total} {how}")


def _is_bad(status: HookStatus) -> bool:
    if status.hook.optional and status.state is State.MISSING:
        return False
    return status.state is not State.PATCHED


def _import(module: str) -> str:
    """Import a module; its prints go to standard error. Returns why it failed, if it did."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            importlib.import_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an engine's import may do anything
        return f"{type(error).__name__}: {error}"
    return ""


class _Source:
    """The names a module's source defines."""

    def __init__(self, tree: ast.Module) -> None:
        self._names = set(_definitions(tree, ""))
        self._imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }

    @classmethod
    def of(cls, module: str) -> _Source | None:
        """Of a module found by its place beside its package, which is not imported."""
        package, _, rest = module.partition(".")
        spec = importlib.util.find_spec(package)
        folders = list(spec.submodule_search_locations or ()) if spec else []
        files = [spec.origin] if spec and spec.origin and not rest else []
        for folder in folders:
            path = Path(folder, *rest.split(".")) if rest else Path(folder, "__init__")
            files += [f"{path}.py", f"{path}/__init__.py"]
        for file in files:
            with contextlib.suppress(OSError, SyntaxError, ValueError):
                return cls(ast.parse(Path(file).read_bytes()))
        return None

    def defines(self, target: str) -> bool:
        """Whether a target is defined, or belongs to a class that comes from elsewhere."""
        return target in self._names or target.partition(".")[0] in self._imported


def _definitions(node: ast.AST, prefix: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + child.name
        elif isinstance(child, ast.ClassDef):
            yield prefix + child.name
            yield from _definitions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.If | ast.Try | ast.With):
            yield from _definitions(child, prefix)
        elif isinstance(child, ast.Assign):
            yield from (prefix + name.id for name in child.targets if isinstance(name, ast.Name))
