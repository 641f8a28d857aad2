# SPDX-License-Identifier: Apache-2.0
"""Apply every hook to the real engine's classes and take it off again; prints JSON."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from typing import Any

from ffe_otel.capture.hooking import HookSet
from ffe_otel.capture.hooks import all_hooks

ABSENT = object()


def owner_of(hook: Any) -> Any:
    owner: Any = importlib.import_module(hook.module)
    for part in hook.target.split(".")[:-1]:
        owner = getattr(owner, part, None)
    return owner


def attribute(hook: Any) -> Any:
    name = hook.target.rpartition(".")[2]
    return vars(owner_of(hook)).get(name, ABSENT)


def main() -> None:
    hooks = all_hooks()
    before = {hook.name: attribute(hook) for hook in hooks}
    installed = HookSet()
    installed.install(hooks)
    report = {
        status.hook.name: {
            "address": status.hook.address,
            "state": status.state.value,
            "detail": status.detail,
            "stays_async": inspect.iscoroutinefunction(attribute(status.hook))
            == inspect.iscoroutinefunction(before[status.hook.name]),
        }
        for status in installed.report()
    }
    installed.uninstall()
    for hook in hooks:
        report[hook.name]["given_back"] = attribute(hook) is before[hook.name]
    sys.stdout.write("\n" + json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
