# SPDX-License-Identifier: Apache-2.0
"""The redactor: texts, values and mappings in, the same without secrets out."""

from __future__ import annotations

import contextlib
import re
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from ffe_otel.foundation import native
from ffe_otel.redaction.beside import Companions
from ffe_otel.redaction.detectors import make_detectors, usable
from ffe_otel.redaction.encoded import decode
from ffe_otel.redaction.found import Found, cut, merge, widen
from ffe_otel.redaction.gate import look, make_gate
from ffe_otel.redaction.names import NameIndex
from ffe_otel.redaction.nested import LONGEST_KNOWN, Walk
from ffe_otel.redaction.scanners import lowered
from ffe_otel.redaction.screening import LONGEST as LONGEST_SCREENED
from ffe_otel.redaction.screening import clean_texts
from ffe_otel.redaction.spans import LONG, SelfGated, Span, hide_markers, paced
from ffe_otel.redaction.tally import Tally
from ffe_otel.redaction.valid import fit_text, is_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from ffe_otel.redaction.catalogue import Catalogue, Rule
    from ffe_otel.redaction.gate import Gate, GateName

DEFAULT_LIMIT: Final = 65_536
FAILED: Final = "[redacted:failed]"
_LOOK_AHEAD: Final = 8_192
_SHORTEST: Final = 4
_MEMO_SIZE: Final = 8_192
_MOST_PASSES: Final = 8
_MOST_SHARED: Final = 256
_MOST_WALKS: Final = 64
_NOTHING: Final = Found()
T = TypeVar("T")


class _State(NamedTuple):
    """What looks at texts, and texts and keys in which it found nothing.

    ``clean`` are short ones that are remembered, ``screened`` those of batches under way.
    """

    gate: Gate
    self_gated: tuple[SelfGated, ...]
    clean: set[str]
    screened: set[str]
    keys: dict[str, Rule | None]
    dull: set[str]
    walks: dict[tuple[str, int | None], Walk]


class Redactor:
    """Takes out of texts and values what the catalogue's rules recognise.

    Thread-safe. Nothing public raises: what cannot be redacted is replaced as a whole and
    counted in :meth:`failures`.

    Attributes:
        withholds: nothing but skeletons passes; see ``ffe_otel.redaction.withholding``.
    """

    withholds = False

    def __init__(
        self,
        catalogue: Catalogue,
        literals: Iterable[str] = (),
        allow_query_parameters: Iterable[str] = (),
        *,
        gate: GateName = "auto",
    ) -> None:
        """Build a redactor.

        Args:
            catalogue: the rules in force.
            literals: values to hide wherever they occur; those of fewer than 4 characters
                are left out, with a warning, because they would tear every text to pieces.
            allow_query_parameters: names of query parameters that stay as they are.
            gate: which gate decides what to look for; all of them give the same result.
        """
        allowed = frozenset(name.lower() for name in allow_query_parameters)
        self._names = NameIndex(catalogue.of_kind("key"), catalogue.allowed_keys)
        self._companions = Companions(catalogue.of_kind("beside"))
        self._catalogue, self._allowed_parameters, self._gate_name = catalogue, allowed, gate
        self._literals = frozenset(usable(literals))
        self._state = self._build()
        self._allow = catalogue.allow
        self._allowed = [re.compile(pattern, re.ASCII) for pattern in catalogue.allow.patterns]
        self._shared: dict[tuple[int, int | None], tuple[object, Any]] = {}
        self._lock = native.Lock()
        self._tally = Tally()

    def learn(self, literals: Iterable[str]) -> None:
        """Hide these values, too, from now on; for what is known only after the start."""
        learned = frozenset(usable(literals)) - self._literals
        if learned:
            with self._lock:
                self._literals |= learned
                self._state = self._build()
                self._shared = {}

    def _build(self) -> _State:
        detectors = make_detectors(
            self._catalogue, self._names, sorted(self._literals), self._allowed_parameters
        )
        return _State(
            make_gate([d for d in detectors if not isinstance(d, SelfGated)], self._gate_name),
            tuple(d for d in detectors if isinstance(d, SelfGated)),
            set(),
            set(),
            {},
            set(),
            {},
        )

    @contextlib.contextmanager
    def screened(self, texts: Iterable[str]) -> Iterator[None]:
        """Look at many texts together, which costs a fraction of looking at each.

        Until the end of the context, :meth:`text` and the others know those that are clean.
        Texts that were not given, or are not clean, are looked at one by one as ever.
        """
        state = self._state
        found: list[str] = []
        # Where that fails, each text is looked at by itself.
        with contextlib.suppress(Exception):
            if self._gate_name != "none":
                new = {t for t in texts if _SHORTEST <= len(t) <= LONGEST_SCREENED} - state.clean
                new = {t for t in new if is_fit(t)}
                for clean in clean_texts(new, state.gate, state.self_gated):
                    state.screened.update(clean)
                    found += clean
        try:
            yield
        finally:
            state.screened.difference_update(found)

    def text(self, text: str, surface: str, limit: int | None = None) -> str:
        """Redact a text, then cut it to ``limit`` characters (64 Ki when not given).

        What is no valid Unicode stays; of records, all texts become valid.
        """
        try:
            return self._redacted(text, surface, limit)
        except Exception:  # noqa: BLE001 - fail closed, whatever it was
            self.failed(surface)
            return FAILED

    def value(self, value: object, key: str, surface: str, limit: int | None = None) -> Any:
        """Redact a value found under ``key`` (empty when there is none), nested ones too."""
        try:
            return self.strict_value(value, key, surface, limit)
        except Exception:  # noqa: BLE001 - fail closed, whatever it was
            self.failed(surface)
            return FAILED

    def mapping(
        self, mapping: Mapping[str, object], surface: str, limit: int | None = None
    ) -> dict[str, Any]:
        """Redact keys and values of a mapping."""
        try:
            return self.strict_mapping(mapping, surface, limit)
        except Exception:  # noqa: BLE001 - fail closed, whatever it was
            self.failed(surface)
            return {}

    def wants_metric(self, name: str) -> bool:
        """Whether a metric of that name may be shown at all."""
        del name
        return True

    def counts(self) -> Mapping[tuple[str, str], int]:
        """How often which rule hid something on which surface.

        The rule ``truncated`` counts texts that were cut.
        """
        return self._tally.counts()

    def failures(self) -> Mapping[str, int]:
        """Values and records, by surface, that were replaced because redaction failed."""
        return self._tally.failures()

    def failed(self, surface: str) -> None:
        """Count a failure; for callers that use the strict methods."""
        self._tally.failed(surface)

    def shared(self, original: T, limit: int | None, make: Callable[[T], T]) -> T:
        """Redact an object that many records share, such as a resource, only once.

        Args:
            original: the object; recognised by identity, and kept alive.
            limit: the limit ``make`` applies.
            make: redacts it.
        """
        known = self._shared.get((id(original), limit))
        if known is not None and known[0] is original:
            redacted: T = known[1]
            return redacted
        redacted = make(original)
        if len(self._shared) >= _MOST_SHARED:
            self._shared.clear()
        self._shared[id(original), limit] = (original, redacted)
        return redacted

    def strict_text(self, text: str, surface: str, limit: int | None = None) -> str:
        """A text of a record, for callers that handle failures of a whole record themselves."""
        redacted = self._redacted(text, surface, limit)
        if redacted.isascii() and "\0" not in redacted:
            return redacted
        return fit_text(redacted, surface)

    def _redacted(self, text: str, surface: str, limit: int | None = None) -> str:
        state = self._state
        if len(text) < _SHORTEST or text in state.clean:
            return text if limit is None or len(text) <= limit else text[:limit]
        kept = DEFAULT_LIMIT if limit is None else limit
        if len(text) <= kept and text in state.screened:
            return text
        # What lies beyond is dropped unread. The margin lets a secret that begins before
        # the cut be recognised by what follows it.
        window = text if len(text) <= kept else text[: kept + _LOOK_AHEAD]
        spans = self._located(window, state)
        # `is` first: of almost every text, and the length of a `Found` costs a call.
        if (spans is _NOTHING or not spans) and len(text) <= kept:
            _remember(text, state.clean)
            return text
        redacted, rules = cut(window, spans, kept)
        self._tally.hidden(surface, rules, truncated=len(text) > kept)
        return redacted

    def spans(self, text: str) -> Sequence[Span]:
        """What :meth:`text` replaces, sorted and apart from each other; counts nothing.

        The text is looked at as a whole, however long. Raises what a detector raises.
        """
        return self._located(text, self._state)

    def _located(self, text: str, state: _State) -> Found:
        spans = self._pass(text, state)
        if spans is _NOTHING:
            return spans
        for _ in range(_MOST_PASSES if spans else 0):
            # A marker makes a new neighbourhood, where more may be recognised.
            more = self._pass(cut(text, spans, sys.maxsize)[0], state)
            if not more:
                break
            spans = widen(spans, more, text)
        return spans

    def _pass(self, text: str, state: _State) -> Found:
        seen = hide_markers(text)
        found = self._detect(seen, state)
        decoded = decode(seen)
        if decoded is None and found is _NOTHING:
            return found
        if decoded is not None:
            found = found or Found()
            found.extend(
                Span(decoded.original(span.start), decoded.original(span.end), span.rule)
                for look in decoded.texts
                for span in paced(self._detect(look, state), look)
            )
        if not found:
            return found
        kept = Found(s for s in paced(found, seen) if not self._stays(text[s.start : s.end]))
        return merge(kept, seen)

    def _detect(self, text: str, state: _State) -> Found:
        low = lowered(text)
        is_long, ungated = len(low) > LONG, self._gate_name == "none"
        choices = state.gate(low)
        wanted = [
            detector
            for detector in (paced(state.self_gated, low) if is_long else state.self_gated)
            if ungated or detector.wanted(low)
        ]
        # Of almost every text, and the engine's own lines are looked at on its own thread.
        if not choices and not wanted:
            return _NOTHING
        found = Found()
        for choice in paced(choices, low) if is_long else choices:
            spans = look(choice, text, low)
            found.extend(paced(spans, low) if is_long else spans)
        for detector in paced(wanted, low) if is_long else wanted:
            spans = detector.find(text, low)
            found.extend(paced(spans, low) if is_long else spans)
        return found

    def _stays(self, value: str) -> bool:
        """Say whether the allow-list names a value."""
        return value in self._allow.values or any(p.fullmatch(value) for p in self._allowed)

    def strict_value(self, value: object, key: str, surface: str, limit: int | None = None) -> Any:
        """:meth:`value` for callers that handle failures of a whole record themselves."""
        rule = self._names.rule_for(key) if key else None
        return self._walk(surface, limit).value(value, rule, 0)

    def strict_mapping(
        self,
        mapping: Mapping[str, object],
        surface: str,
        limit: int | None = None,
        exempt: Collection[str] = (),
    ) -> dict[str, Any]:
        """:meth:`mapping` for callers that handle failures of a whole record themselves.

        The values of the keys ``exempt`` are known to hold no secret.
        """
        return self._walk(surface, limit).mapping(mapping, None, 0, exempt)

    def _walk(self, surface: str, limit: int | None) -> Walk:
        state = self._state
        walk = state.walks.get((surface, limit))
        if walk is not None:
            return walk
        # What is remembered is short, and must not be longer than what is kept.
        long_enough = limit is None or limit >= LONGEST_KNOWN
        screened = state.screened if limit is None or limit >= LONGEST_SCREENED else ()
        walk = Walk(
            self.strict_text, self._redacted, self._names, self._companions,
            self._tally.hidden_one, self._stays,
            surface, limit,
            state.keys if long_enough else {}, state.dull if long_enough else set(),
            state.clean if long_enough else (), screened,
        )  # fmt: skip
        if long_enough and len(state.walks) < _MOST_WALKS:
            state.walks[surface, limit] = walk
        return walk


def _remember(text: str, clean: set[str]) -> None:
    if len(text) <= LONGEST_KNOWN and is_fit(text):
        if len(clean) >= _MEMO_SIZE:
            clean.clear()
        clean.add(text)
