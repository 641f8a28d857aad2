# SPDX-License-Identifier: Apache-2.0
"""The reference engine has the interface of the real one wherever that one can be observed.

``engine_interface.txt`` has a line for each function: where it is, whether it is a coroutine
function, and its parameters, ``=`` after those that have a default.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
from finance_feedback_engine.agent.states import STATE_METRIC_VALUES, AgentState

LINES = (Path(__file__).parent / "engine_interface.txt").read_text(encoding="utf-8").splitlines()


def _shown(name: str, parameter: inspect.Parameter) -> str:
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    has_default = parameter.default is not inspect.Parameter.empty
    return f"{stars.get(parameter.kind, '')}{name}{'=' if has_default else ''}"


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split()[0])
def test_each_function_is_where_it_is_in_the_real_engine(line: str) -> None:
    where, kind, *parameters = line.split()
    module_name, _, path = where.partition(":")
    found: Any = importlib.import_module(f"finance_feedback_engine.{module_name}")
    for part in path.split("."):
        owner, found = found, inspect.getattr_static(found, part)
    if "." in path:
        assert path.rpartition(".")[2] in vars(owner), "hooks replace what the class itself has"
    is_async = inspect.iscoroutinefunction(inspect.unwrap(found))
    assert ("async" if is_async else "sync") == kind
    signature = inspect.signature(found)
    assert [_shown(*item) for item in signature.parameters.items()] == parameters


def test_states_and_their_numbers_are_those_of_the_real_engine() -> None:
    names = sorted(STATE_METRIC_VALUES, key=STATE_METRIC_VALUES.__getitem__)
    assert [state.name for state in names] == [
        *("IDLE", "RECOVERING", "LEARNING", "PERCEPTION", "REASONING", "RISK_CHECK", "EXECUTION"),
    ]
    assert [STATE_METRIC_VALUES[state] for state in names] == list(range(len(AgentState)))
