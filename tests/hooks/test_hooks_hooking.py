# SPDX-License-Identifier: Apache-2.0
"""Patching a package that is imported later, and giving it back."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import itertools
import logging
import sys
import traceback

import pytest

from ffe_otel.capture.hooking import Hook, HookSet, State

SOURCE = """
import asyncio


class Base:
    def inherited(self, value):
        return ("inherited", value)


class Agent(Base):
    def __init__(self):
        self.state = "idle"
        self.handlers = {"work": self.work}

    def plain(self, first, second=2, *, third=3):
        return (first, second, third)

    async def work(self, value):
        await asyncio.sleep(0)
        if isinstance(value, BaseException):
            raise value
        return value * 2

    def fails(self):
        raise LookupError("engine's own")

    @staticmethod
    def static(value):
        return value + 1

    @classmethod
    def of_class(cls, value):
        return (cls.__name__, value)

    def produces(self):
        yield 1


def function(value):
    return -value
"""

_numbers = itertools.count()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The name of a package that nobody imported yet."""
    name = f"hooked_package_{next(_numbers)}"
    (tmp_path / f"{name}.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    sys.modules.pop(name, None)


@pytest.fixture
def hook_set():
    hooks = HookSet()
    yield hooks
    hooks.uninstall()


class Seen:
    """A hook body that remembers what it saw."""

    def __init__(self):
        self.calls = []

    def __call__(self, call):
        entry = {"instance": call.instance, "arguments": call.get}
        self.calls.append(entry)
        try:
            entry["result"] = yield
        except BaseException as error:
            entry["error"] = repr(error)
            raise


def hook(package, target, wrapper, *parameters, **options):
    return Hook(target, package, target, wrapper, parameters, **options)


def states(hooks):
    return {status.hook.name: status.state for status in hooks.report()}


def test_a_module_imported_later_is_patched_then(package, hook_set):
    seen = Seen()
    hook_set.install([hook(package, "Agent.plain", seen, "first", "second", "third")])
    assert states(hook_set) == {"Agent.plain": State.PENDING}
    assert package not in sys.modules

    agent = importlib.import_module(package).Agent()

    assert agent.plain(1, third=5) == (1, 2, 5)
    assert states(hook_set) == {"Agent.plain": State.PATCHED}
    (call,) = seen.calls
    assert call["instance"] is agent
    assert call["result"] == (1, 2, 5)
    assert [call["arguments"](name) for name in ("first", "second", "third")] == [1, None, 5]
    assert call["arguments"]("second", 7) == 7


def test_a_module_that_is_imported_is_patched_at_once(package, hook_set):
    module = importlib.import_module(package)
    seen = Seen()
    hook_set.install([hook(package, "function", seen, "value")])

    assert module.function(3) == -3
    assert seen.calls[0]["arguments"]("value") == 3


def test_coroutine_functions_stay_coroutine_functions(package, hook_set):
    hook_set.install([hook(package, "Agent.work", Seen())])
    module = importlib.import_module(package)

    agent = module.Agent()

    assert inspect.iscoroutinefunction(module.Agent.work)
    assert inspect.iscoroutinefunction(agent.work)
    assert asyncio.iscoroutinefunction(agent.handlers["work"])
    assert asyncio.run(agent.handlers["work"](4)) == 8
    assert not inspect.iscoroutinefunction(agent.plain)


def test_bound_methods_an_object_captured_are_observed(package, hook_set):
    seen = Seen()
    hook_set.install([hook(package, "Agent.work", seen)])
    agent = importlib.import_module(package).Agent()

    asyncio.run(agent.handlers["work"](4))

    assert [call["result"] for call in seen.calls] == [8]


@pytest.mark.parametrize("error", [ValueError("x"), asyncio.CancelledError(), KeyboardInterrupt()])
def test_what_a_coroutine_raises_comes_out_as_it_is(package, hook_set, error):
    seen = Seen()
    hook_set.install([hook(package, "Agent.work", seen)])
    agent = importlib.import_module(package).Agent()

    with pytest.raises(type(error)) as caught:
        run_to_end(agent.work(error))

    assert caught.value is error
    assert repr(error) in [call.get("error") for call in seen.calls]
    assert hook_set.report()[0].failures == 0


def run_to_end(coroutine):
    while True:
        coroutine.send(None)


def test_our_frames_do_not_stay_in_the_engine_s_traceback(package, hook_set):
    hook_set.install([hook(package, "Agent.fails", Seen())])
    agent = importlib.import_module(package).Agent()

    with pytest.raises(LookupError) as caught:
        agent.fails()

    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-1] == "fails"
    assert "__call__" not in names
    assert "_raised" not in names


def test_static_and_class_methods(package, hook_set):
    seen = Seen()
    hook_set.install(
        [
            hook(package, "Agent.static", seen, "value"),
            hook(package, "Agent.of_class", seen, "value"),
        ]
    )
    agent = importlib.import_module(package).Agent

    assert agent.static(1) == 2
    assert agent().static(2) == 3
    assert agent.of_class(4) == ("Agent", 4)
    assert [call["arguments"]("value") for call in seen.calls] == [1, 2, 4]


def test_uninstall_gives_back_every_object_by_identity(package):
    targets = ("Agent.plain", "Agent.work", "Agent.static", "Agent.of_class", "Agent.inherited")
    hooks = HookSet()
    module = importlib.import_module(package)
    before = dict(vars(module.Agent))
    hooks.install([hook(package, target, Seen()) for target in (*targets, "function")])
    hooks.install([hook(package, "Agent.state", print, attribute=True)])
    assert set(states(hooks).values()) == {State.PATCHED}
    function = module.function.__wrapped__
    agent = module.Agent()

    hooks.uninstall()

    after = vars(module.Agent)
    assert set(after) == set(before)
    assert all(after[name] is value for name, value in before.items())
    assert module.function is function
    assert agent.state == "idle"
    assert set(states(hooks).values()) == {State.REMOVED}


def test_a_captured_method_is_inert_after_uninstall(package):
    hooks, seen = HookSet(), Seen()
    hooks.install([hook(package, "Agent.work", seen)])
    agent = importlib.import_module(package).Agent()

    hooks.uninstall()

    assert asyncio.run(agent.handlers["work"](4)) == 8
    assert seen.calls == []


def test_a_module_imported_after_uninstall_is_left_alone(package):
    hooks = HookSet()
    hooks.install([hook(package, "Agent.plain", Seen())])
    hooks.uninstall()

    module = importlib.import_module(package)

    assert inspect.isfunction(vars(module.Agent)["plain"])


def test_a_patch_that_somebody_wrapped_again_stays_and_does_nothing(package):
    hooks, seen = HookSet(), Seen()
    hooks.install([hook(package, "Agent.plain", seen)])
    module = importlib.import_module(package)
    ours = module.Agent.plain

    def theirs(self, *args, **kwargs):
        return ("theirs", ours(self, *args, **kwargs))

    module.Agent.plain = theirs
    hooks.uninstall()

    assert module.Agent().plain(1) == ("theirs", (1, 2, 3))
    assert seen.calls == []
    assert "somebody else" in hooks.report()[0].detail


def test_installing_twice_wraps_once(package, hook_set):
    seen = Seen()
    hooks = [hook(package, "Agent.plain", seen)]
    hook_set.install(hooks)
    module = importlib.import_module(package)
    hook_set.install(hooks)
    other = HookSet()
    other.install(hooks)

    module.Agent().plain(1)

    assert len(seen.calls) == 1
    assert other.report()[0].detail == "hooked already"
    other.uninstall()


def test_what_is_gone_or_different_is_said_once_and_never_raised(package, hook_set, caplog):
    hooks = [
        hook(package, "Agent.plain", Seen(), "first", "renamed"),
        hook(package, "Agent.gone", Seen()),
        hook(package, "Vanished.method", Seen()),
        hook(package, "Agent.elsewhere", Seen(), optional=True),
        hook(package, "Agent.produces", Seen()),
        hook(package, "Agent.plain2", print, attribute=True),
    ]
    hook_set.install(hooks)
    with caplog.at_level(logging.WARNING, logger="ffe_otel.capture.hooking"):
        module = importlib.import_module(package)
        hook_set.install(hooks)

    assert module.Agent().plain(1) == (1, 2, 3)
    assert states(hook_set) == {
        "Agent.plain": State.CHANGED,
        "Agent.gone": State.MISSING,
        "Vanished.method": State.MISSING,
        "Agent.elsewhere": State.MISSING,
        "Agent.produces": State.CHANGED,
        "Agent.plain2": State.PATCHED,
    }
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 4
    assert f"{package}:Agent.plain is changed (has no parameter renamed any more)" in said[0]
    assert list(module.Agent().produces()) == [1]


def test_a_changed_target_is_observed_with_what_is_left(package, hook_set):
    seen = Seen()
    hook_set.install([hook(package, "Agent.plain", seen, "first", "renamed")])

    importlib.import_module(package).Agent().plain(1)

    (call,) = seen.calls
    assert (call["arguments"]("first"), call["arguments"]("renamed")) == (1, None)


def before_the_call(call):
    raise RuntimeError("ours")
    yield


def after_the_call(call):
    yield
    raise RuntimeError("ours")


def after_a_failure(call):
    try:
        yield
    except LookupError:
        raise RuntimeError("ours") from None


def twice(call):
    yield
    yield


def never(call):
    return
    yield


@pytest.mark.parametrize(
    ("wrapper", "failures"),
    [(before_the_call, 2), (after_the_call, 1), (after_a_failure, 1), (twice, 1), (never, 2)],
)
def test_failures_of_a_hook_are_counted_and_go_no_further(package, hook_set, wrapper, failures):
    hook_set.install(
        [
            Hook("plain", package, "Agent.plain", wrapper),
            Hook("fails", package, "Agent.fails", wrapper),
        ]
    )
    agent = importlib.import_module(package).Agent()

    assert agent.plain(1) == (1, 2, 3)
    with pytest.raises(LookupError, match="engine's own"):
        agent.fails()

    assert sum(status.failures for status in hook_set.report()) == failures


def test_assignments_to_an_attribute_are_told(package, hook_set):
    told = []

    def tell(instance, old, new):
        told.append((old, new))
        if new == "broken":
            raise RuntimeError("ours")

    hook_set.install([hook(package, "Agent.state", tell, attribute=True)])
    module = importlib.import_module(package)

    agent = module.Agent()
    agent.state = "half_open"
    agent.state = "broken"

    assert told == [(None, "idle"), ("idle", "half_open"), ("half_open", "broken")]
    assert (agent.state, vars(agent)["state"]) == ("broken", "broken")
    assert hook_set.report()[0].failures == 1
    del agent.state
    assert not hasattr(agent, "state")
    with pytest.raises(AttributeError, match="state"):
        del agent.state
    hook_set.uninstall()
    agent.state = "open"
    assert len(told) == 3
