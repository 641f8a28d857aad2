# SPDX-License-Identifier: Apache-2.0
"""Texts of the engine's own without secrets, on the thread that prints them."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ffe_otel.redaction.surfaces import Surface
from ffe_otel.redaction.valid import valid_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ffe_otel.redaction import Redactor

LONGEST: Final = 65_536
"""Characters up to which a text is looked at on the engine's thread."""
FAILED: Final = "[redacted:redaction-failed]"
TOO_LONG: Final = "[redacted:too-long]"
# Of one record with all of its handlers' formats, and of other threads' in between.
_MOST_RECENT: Final = 16
# Colours and links of terminals: `api_key` and its value are neighbours for a reader only.
_CONTROL: Final = re.compile(
    r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,2048}(?:\x07|\x1b\\))"
)
LONGEST_REPORT: Final = 1_048_576
"""The same for reports of errors, after which nothing is in a hurry."""
# Names as code has them; whatever else somebody made a logger's name of may hold a secret.
_PART: Final = r"[A-Za-z_-]{1,64}[0-9]{0,3}"
_NAME: Final = re.compile(rf"{_PART}(?:\.{_PART}){{0,8}}")


class _Busy(threading.local):
    now = False


class Screen:
    """Takes secrets out of what the engine prints. Never raises and takes no lock.

    Args:
        redactor: with the rules for the engine's own output.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._recent: dict[str, str] = {}
        self._busy = _Busy()

    def learn(self, literals: Iterable[str]) -> None:
        """Hide these values as well from now on."""
        self._redactor.learn(literals)
        self._recent = {}

    def line(self, formatted: Any, record: logging.LogRecord) -> Any:
        """A record as a handler formatted it, without secrets.

        Args:
            formatted: usually a text; what is no text keeps its type where nothing is secret.
            record: what to say of it where the text cannot go out.

        Returns:
            ``formatted`` itself where nothing is secret.
        """
        if type(formatted) is not str:
            return self._other(formatted, record)
        # The record has other handlers, most of them with the same format.
        known = self._recent.get(formatted)
        if known is not None:
            return known
        if len(formatted) > LONGEST:
            why = f"{TOO_LONG} {len(formatted)} characters"
            return self._keep(skeleton(record, why, formatted))
        redacted = self._redacted(formatted)
        return self._keep(skeleton(record, FAILED, formatted)) if redacted is None else redacted

    def text(self, text: str, longest: int = LONGEST) -> str | None:
        """Any other text without secrets; None where that cannot be told."""
        known = self._recent.get(text)
        if known is not None:
            return known
        return None if len(text) > longest else self._redacted(text)

    def value(self, key: str, value: object) -> object:
        """A value that goes out under a name: itself, or what is to stand in its place."""
        text = value if type(value) is str else _text_of(value)
        if text is None:
            return FAILED
        safe = self.text(text)
        if safe is None:
            return FAILED
        if safe != text:
            return safe
        kept = self._redactor.value(text, key, Surface.PRINTED)
        return value if kept == text else kept

    def _redacted(self, text: str) -> str | None:
        # A detector that logs would come back here for ever.
        busy = self._busy
        if busy.now:
            return None
        busy.now = True
        recent = self._recent
        try:
            plain = _CONTROL.sub("", text) if "\x1b" in text else text
            redacted = self._redactor.strict_text(plain, Surface.PRINTED, len(plain))
            if redacted is plain or redacted == valid_text(plain):
                redacted = text
            elif plain[:1] == "{":
                redacted = self._as_json(plain, redacted)
        except Exception:  # noqa: BLE001 - fails closed, whatever the reason
            self._redactor.failed(Surface.PRINTED)
            return None
        finally:
            busy.now = False
        if len(text) <= LONGEST:
            if len(recent) >= _MOST_RECENT:
                recent.clear()
            # Where rules were learnt meanwhile, this is the old one and nobody's any more.
            recent[text] = recent[redacted] = redacted
        return redacted

    def _keep(self, safe: str) -> str:
        """Know a text as safe, when the next seam shows it."""
        recent = self._recent
        if len(recent) >= _MOST_RECENT:
            recent.clear()
        recent[safe] = safe
        return safe

    def _as_json(self, text: str, redacted: str) -> str:
        """What was JSON as JSON again: a marker in the place of a number is none."""
        if _is_json(redacted) or not _is_json(text):
            return redacted
        value = self._redactor.strict_value(json.loads(text), "", Surface.PRINTED)
        return self._redactor.strict_text(json.dumps(value), Surface.PRINTED)

    def _other(self, formatted: Any, record: logging.LogRecord) -> Any:
        text = _text_of(formatted)
        if text is None:
            return skeleton(record, FAILED, "")
        safe = self.line(text, record)
        if safe is not text and safe != text:
            return safe.encode() if isinstance(formatted, bytes) else safe
        return formatted


def skeleton(record: logging.LogRecord, why: str, like: str) -> str:
    """What is certain to be no secret: time, level, and the logger where it is named as code.

    Args:
        record: the record.
        why: what stands in place of the message.
        like: what the handler would have printed; a skeleton of JSON is JSON.
    """
    when, level, name = _when(record), _level(record), _name(record)
    if like[:1] == "{" and like.rstrip()[-1:] == "}":
        return json.dumps({"timestamp": when, "level": level, "logger": name, "message": why})
    return f"{when} {level} {name} {why}"


def _when(record: logging.LogRecord) -> str:
    try:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    except (TypeError, ValueError, OverflowError, OSError):
        return "-"


def _level(record: logging.LogRecord) -> str:
    number = record.levelno
    return logging.getLevelName(number) if type(number) is int else "-"


def _name(record: logging.LogRecord) -> str:
    name = record.name
    if type(name) is not str:
        return "-"
    return name if name in sys.modules or _NAME.fullmatch(name) else "-"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _text_of(value: object) -> str | None:
    try:
        if isinstance(value, bytes):
            return value.decode("utf-8", "backslashreplace")
        return str.__str__(str(value))
    except Exception:  # noqa: BLE001 - the value is the engine's, so is its __str__
        return None
