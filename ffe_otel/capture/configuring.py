# SPDX-License-Identifier: Apache-2.0
"""The configuration of a process that has to start, whatever is wrong with it.

What cannot be used is left out by itself and said once, on standard error; see
docs/decisions/0021.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from ffe_otel.capture.start import say
from ffe_otel.config import Origin, Problem, load_usable
from ffe_otel.config.problems import TOLD, digest
from ffe_otel.config.standard import check
from ffe_otel.redaction import Redactor, harvest_literals, load_catalogue, understood

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ffe_otel.config import Config

_LEFT_OUT = "each is left out and its default holds, everything else stays in force"
_SKELETONS = (
    "WHAT WAS TO BE HIDDEN IS NOT KNOWN, so only skeletons go out: ids, times, names of ours and "
    "statuses, no texts and no values. Correct the lines above; 'ffe-otel config check' looks again"
)


def correct_variables() -> Callable[[], None]:
    """Take what cannot be used out of OpenTelemetry's variables, and say so.

    Returns:
        Puts it back.
    """
    found = check(os.environ)
    _tell(found.problems, found.guesses)
    before = {name: os.environ.get(name) for name in found.changes}
    _set(found.changes)
    return lambda: _set({n: text for n, text in before.items() if _is(n, found.changes[n])})


def usable_config() -> Config:
    """What can be used of the configuration; never raises."""
    try:
        loaded = understood(load_usable())
    except Exception as error:  # noqa: BLE001 - the engine has to start
        problem = Problem(Origin("default"), "", f"cannot be loaded ({type(error).__name__})")
        _tell([replace(problem, veils=True)], ())
        plain = load_usable(environ={n: os.environ.get(n, "") for n in ("HOME", "XDG_STATE_HOME")})
        return replace(plain.config, redaction=replace(plain.config.redaction, skeletons_only=True))
    _tell(loaded.problems, loaded.guesses)
    return loaded.config


def _tell(problems: Sequence[Problem], guesses: Sequence[Problem]) -> None:
    said = digest([*problems, *guesses])
    # Workers and restarts of this program have the same problems.
    if not (problems or guesses) or os.environ.get(TOLD) == said:
        return
    os.environ[TOLD] = said
    hide = without_secrets()
    for guess in guesses:
        say(hide(str(guess)))
    if problems:
        noun = "problem" if len(problems) == 1 else "problems"
        lines = "\n".join(f"  {hide(str(problem))}" for problem in problems)
        say(f"the configuration has {len(problems)} {noun}; {_LEFT_OUT}:\n{lines}")
    if any(problem.veils for problem in problems):
        say(_SKELETONS)


def without_secrets() -> Callable[[str], str]:
    """Makes a message fit to be shown.

    A wrong value may be a secret in the wrong place, or come from a variable that holds one.
    """
    try:
        catalogue = load_catalogue()
        # A key of ours and what is wrong with it is no name with its secret.
        rules = tuple(rule for rule in catalogue.rules if rule.kind != "key")
        redactor = Redactor(replace(catalogue, rules=rules), harvest_literals(os.environ))
    except Exception:  # noqa: BLE001 - then nothing is shown
        return lambda _: "(a problem that cannot be shown safely)"
    return lambda text: redactor.text(text, "log")


def _set(changes: dict[str, str | None]) -> None:
    for name, text in changes.items():
        if text is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = text


def _is(name: str, text: str | None) -> bool:
    return os.environ.get(name) == text
