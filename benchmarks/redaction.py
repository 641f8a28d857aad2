# SPDX-License-Identifier: Apache-2.0
"""What redaction costs: clean texts beside other ways, hostile texts, other threads' waiting.

    pip install -e '.[re2]' logfire
    python benchmarks/redaction.py [--rounds 15] [--only clean|hostile|stall] [--json]

Clean texts: every candidate is given the same texts in turn, round by round, in an order that
changes. No text occurs twice, in any round. "One by one" is the same catalogue as regular
expressions, one a rule, substituted in turn with ``re``; rules that have none, such as wallet
phrases, are left out there. Times are CPU time of the thread, so that other work on the machine
counts less; a ratio is the median of the rounds' ratios. logfire's scrubber is left out when it
is not installed.

Hostile texts: units made of the catalogue's anchors, names and examples are repeated, the
slowest and the steepest ones up to 1 MB; the exponent is the slope of time over size.

Waiting: a thread that asks for 0.2 ms of sleep again and again notes the longest it had to
wait while another one redacts texts of 1 MB for half a second; the median over the rounds. The
same beside a thread that sleeps is the machine's share, beside a loop in Python what any busy
thread costs the others (the interpreter's switch interval is 5 ms). A busy machine drowns that,
so the redacting thread's longest stretch of CPU time without a rest is shown as well, as the
median, and the least, in which chance has no share. Garbage collections are left out there and
shown apart: they hold the interpreter, too, for as long as the process has objects, and whoever
makes many objects brings them about.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import itertools
import json
import math
import random
import re
import statistics
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from ffe_otel.foundation import pace
from ffe_otel.redaction import Redactor, load_catalogue
from ffe_otel.redaction.checks import CHECKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ffe_otel.redaction import Catalogue, Rule

Candidate = tuple[str, "Callable[[str], object]"]
WHOLE = 1 << 40
"""A limit that cuts nothing."""
SIZES = (1 << 14, 1 << 16, 1 << 18, 1 << 20)
LITERALS = ("correct-horse-battery-staple", "0f1e2d3c-fake-4b5a", "Tr0ub4dor&3-fake")
WORDS = [
    "price", "volume", "trend", "support", "resistance", "momentum", "risk", "leverage", "candle",
    "order", "fill", "cycle", "decision", "provider", "latency", "cached", "position", "the", "of",
    "for", "in", "at", "with", "after", "before", "signal", "spread", "keeps", "asked", "debate",
]  # fmt: skip


SYLLABLES = [
    "an", "er", "in", "or", "st", "en", "at", "re", "ti", "al", "on", "te", "ed", "is", "ro", "le",
    "mu", "con", "per", "sta", "der", "la", "vi", "ne", "gra",
]  # fmt: skip


def made_up(rng: random.Random) -> str:
    """A word of one to four syllables."""
    return "".join(rng.choices(SYLLABLES, k=rng.randint(1, 4)))


RARE = [made_up(random.Random(number)) for number in range(3_000)]
"""Logs have a few thousand words, some of them in every other line."""
WEIGHTS = [1 / (rank + 5) for rank in range(len(RARE))]


def clean_texts(length: int, count: int, seed: int) -> list[str]:
    """Distinct texts as the engine logs them, without anything to redact."""
    rng = random.Random(seed)
    found: list[str] = []
    while len(found) < count:
        parts = [_opening(rng)]
        while sum(map(len, parts)) + len(parts) < length:
            parts.append(_fragment(rng))
        found.append(" ".join(parts)[: length + 1].rpartition(" ")[0])
    return found


def _opening(rng: random.Random) -> str:
    clock = f"{rng.randint(10, 23)}:{rng.randint(10, 59)}:{rng.randint(10, 59)}"
    opening = (
        f"2026-11-{rng.randint(10, 28)} {clock},{rng.randint(100, 999)} INFO "
        f"finance_feedback_engine.{rng.choice(WORDS)}:"
    )
    return opening if rng.randrange(4) else f"{opening} trace_id={rng.getrandbits(128):032x}"


def _fragment(rng: random.Random) -> str:
    notation = {
        0: lambda: f"GET https://api.example/v1/prices?symbol=BTCUSD&limit={rng.randint(1, 99)} ok",
        1: lambda: f"tokens: {rng.randint(1, 999)}",
        2: lambda: f'{{"asset_pair": "EURUSD", "price": {rng.random():.5f}, "ok": true}}',
        3: lambda: f"'/opt/engine/{rng.choice(WORDS)}.py', line {rng.randint(1, 999)}",
        # Once in about 150 words comes one that was never seen before.
        4: lambda: "".join(rng.choices("abcdefghiklmnoprstuvw", k=8)) * (rng.randrange(6) == 0),
    }.get(kind := rng.randrange(24))
    if notation is not None:
        return notation()
    if kind < 9:
        return f"{rng.choice(WORDS)}={rng.random() * 60_000:.2f}"
    return rng.choice(WORDS) if kind < 16 else rng.choices(RARE, WEIGHTS)[0]


def one_by_one(catalogue: Catalogue) -> tuple[Callable[[str], str], int]:
    """The catalogue as one regular expression a rule; and how many rules have one."""
    steps = [
        (re.compile(pattern, flags).sub, _replacement(rule))
        for rule in catalogue.rules
        for pattern, flags in _pattern(rule)
    ]

    def redact(text: str) -> str:
        for sub, replacement in steps:
            text = sub(replacement, text)
        return text

    return redact, len(steps)


def _pattern(rule: Rule) -> Iterator[tuple[str, int]]:
    names = "|".join("[ _.-]?".join(map(re.escape, name.split())) for name in rule.names)
    if rule.kind == "key":
        value = {"line": r"[^\r\n\"']+", "scheme": r"(?:\w{1,12} )?[^\s,;&\"'<]+"}.get(
            rule.extent, r"[^\s,;&\"'<]+"
        )
        yield rf"(?:{names})[\"']?\s{{0,8}}[:=]\s{{0,8}}[\"']?(?P<secret>{value})", re.IGNORECASE
    elif rule.kind == "query":
        yield rf"[?&;](?:{names})=(?P<secret>[^&#;\s\"'<>]+)", re.IGNORECASE
    elif rule.kind == "shape":
        yield rule.pattern, re.ASCII
    elif rule.kind == "userinfo":
        yield r"://[^\s/@:\"']{0,256}:(?P<secret>[^\s@\"']{1,256})@", 0
    elif rule.kind == "pem":
        label = r"-----{} [A-Z0-9 ]{{0,40}}PRIVATE KEY-----"
        yield rf"{label.format('BEGIN')}[\s\S]{{0,8192}}?{label.format('END')}", 0
    elif rule.kind == "literal":
        yield "|".join(map(re.escape, LITERALS)), 0


def _replacement(rule: Rule) -> Callable[[re.Match[str]], str]:
    check = CHECKS.get(rule.check, CHECKS[""])

    def replace(match: re.Match[str]) -> str:
        whole = match[0]
        secret = match.groupdict().get("secret", whole)
        return whole.replace(secret, rule.marker) if check(secret) else whole

    return replace


def candidates(catalogue: Catalogue) -> tuple[list[Candidate], int]:
    """Everything that is compared, the reference last."""
    found: list[Candidate] = []
    for name, gate in (("ours, re2", "re2"), ("ours, fallback", "python")):
        if gate == "re2" and importlib.util.find_spec("re2") is None:
            continue
        redactor = Redactor(catalogue, LITERALS, gate=gate)  # type: ignore[arg-type]
        found.append((name, _of(redactor)))
    if importlib.util.find_spec("logfire") is not None:
        from logfire._internal.scrubbing import Scrubber

        scrubber = Scrubber(None)
        found.append(("logfire's scrubber", lambda text: scrubber.scrub_value(("a",), text)))
    reference, rules = one_by_one(catalogue)
    return [*found, ("one by one, re", reference)], rules


def _of(redactor: Redactor) -> Callable[[str], object]:
    return lambda text: redactor.text(text, "body", WHOLE)


def compare(
    length: int, count: int, redacting: list[Candidate], rounds: int
) -> list[dict[str, Any]]:
    """Microseconds of CPU a text for each candidate, and the ratio to the last one."""
    spent: dict[str, list[float]] = {name: [] for name, _ in redacting}
    for number in range(rounds + 1):
        texts = clean_texts(length, count, number)
        order = random.Random(number).sample(redacting, len(redacting))
        for name, redact in order:
            begin = time.thread_time()
            for text in texts:
                redact(text)
            spent[name].append((time.thread_time() - begin) / count * 1e6)
    rows = []
    reference = spent[redacting[-1][0]][1:]
    for name, _ in redacting:
        # The first round fills caches.
        times = spent[name][1:]
        ratios = [mine / other for mine, other in zip(times, reference, strict=True)]
        rows.append(
            {
                "candidate": name,
                "median": statistics.median(times),
                "least": min(times),
                "most": max(times),
                "ratio": statistics.median(ratios),
            }
        )
    return rows


def hostile_units(catalogue: Catalogue) -> list[str]:
    """What detectors react to, to be repeated."""
    units = [
        "a", "0", "A1", "=", "/", "\\", "'", '"', "(", "{", ":", ",", "-----", "\n", "é", "\0",
        "eyJ", "eyJaaaaaaaa", "eyJaaaaaaaaaa.", "://", "a://b:", "://:x/", "a://b@", "@",
        "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nAA\n",
        "bearer aaaaaaaa", "bearer ", "basic aaaaaaaa", "1:AA", "12345678:AA", "12345678:AAa",
        "&key=", "?key=&", "&amp;sig=", '("token",', "('token', ", "--token ", "--token --",
        '\\"token\\":', "token%3D", "token%3D%22", "token=('", "token=['a',", "secret=,a",
        "[redacted:", "[redacted:jwt]", "token=a[redacted:jwt]", "token[redacted:jwt]=",
        "cookie://", "cookie: ", "token://", "authorization: digest ", "<password>", "password>",
        "api key ", "API key as ", "a.token=", "token=a.", "token:token", "x_token ",
        "token=token(", "password='\\\\\\'", "é password=é", "password=\n",
        "account number 1", "a@b.", "1 2 3 4 ",
        "4111 1111 ", "+41 79 ", "127.0.0.", "GB82 ", "101-004-1234567-", "000-000-00000",
    ]  # fmt: skip
    for rule in catalogue.rules:
        units += rule.anchors
        units += [f"{name.replace(' ', '_')}{mark}" for name in rule.names[:3] for mark in "=:, "]
        units += [f'"{name.replace(" ", "_")}": "' for name in rule.names[:3]]
        for example in rule.match:
            plain = example.replace("«", "").replace("»", "")
            units += [plain, plain[: len(plain) // 2], example.split("»")[0].replace("«", "")[:-2]]
    return list(dict.fromkeys(filter(None, units)))


def hostile(redactor: Redactor, units: Iterable[str]) -> list[dict[str, Any]]:
    """CPU time over size of the units that are slowest or steepest at first sight."""
    tried = [(unit, _times(redactor, unit, SIZES[:2])) for unit in units]
    slow = sorted(tried, key=lambda one: -one[1][-1])[:30]
    steep = sorted(tried, key=lambda one: one[1][0] / one[1][-1])[:20]
    rows = []
    for unit in dict.fromkeys(unit for unit, _ in (*slow, *steep)):
        times = _times(redactor, unit, SIZES)
        rows.append({"unit": unit, "seconds": times[-1], "exponent": _slope(times)})
    return sorted(rows, key=lambda row: -row["seconds"])


def _times(redactor: Redactor, unit: str, sizes: Sequence[int]) -> list[float]:
    return [_timed(redactor, (unit * (size // len(unit) + 1))[:size]) for size in sizes]


def _timed(redactor: Redactor, text: str) -> float:
    begin = time.thread_time()
    redactor.strict_text(text, "body", WHOLE)
    return time.thread_time() - begin


def _slope(times: list[float]) -> float:
    xs, ys = [math.log(size) for size in SIZES], [math.log(t) for t in times]
    mean_x, mean_y = statistics.mean(xs), statistics.mean(ys)
    over = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return over / sum((x - mean_x) ** 2 for x in xs)


def stalls(work: Callable[[], object], seconds: float = 0.5) -> tuple[float, ...]:
    """How long another thread waited at worst, the longest stretch and the longest collection.

    All in ms. A stretch is the CPU time that the working thread took between two rests.
    """
    late: list[float] = []
    stretches: list[float] = []
    end = threading.Event()
    real = pace.sleep

    def watch() -> None:
        while not end.is_set():
            begin = time.perf_counter()
            time.sleep(0.0002)
            late.append((time.perf_counter() - begin) * 1e3)

    def rest(seconds: float) -> None:
        stretches.append(time.thread_time() - collected[0])
        real(seconds)

    def collecting(phase: str, _: object) -> None:
        if threading.get_ident() == worker:
            now = time.thread_time()
            if phase == "start":
                begun.append(now)
            elif begun:
                took = now - begun.pop()
                collected[:] = collected[0] + took, max(collected[1], took)

    worker = threading.get_ident()
    begun: list[float] = []
    collected = [0.0, 0.0]
    gc.callbacks.append(collecting)
    watcher = threading.Thread(target=watch)
    watcher.start()
    pace.sleep = rest
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        stretches.append(time.thread_time() - collected[0])
        work()
        stretches.append(time.thread_time() - collected[0])
    pace.sleep = real
    gc.callbacks.remove(collecting)
    end.set()
    watcher.join()
    longest = max(after - before for before, after in itertools.pairwise(stretches))
    return max(late), longest * 1e3, collected[1] * 1e3


def stall_texts() -> dict[str, str]:
    """Texts of 1 MB: what is logged, with and without secrets, and what hurts."""
    size = SIZES[-1]
    lines = clean_texts(230, size // 230 + 1, 3)
    secrets = (f"{line} api_key=FAKE{n:012d}" for n, line in enumerate(lines))
    messages = [{"role": "user", "content": text} for text in clean_texts(2000, size // 2100, 5)]
    return {
        "clean log lines": "\n".join(lines)[:size],
        "a prompt in JSON": json.dumps({"model": "example", "messages": messages})[:size],
        "a secret every line": "\n".join(secrets)[:size],
        "nothing but secrets": "".join(f"token=FAKEfake{n:08d} " for n in range(size // 23)),
        "one secret": "token=" + "aB3x" * (size // 4),
        "%-encoded secrets": "%20token%3Dabcd1234ef" * (size // 21),
        "wallet words": "abandon " * (size // 8),
        "(": "(" * size,
        "one line of 'a'": "a" * size,
        "not ASCII": "é" * size,
        "password='": "password='" * (size // 10),
        "eyJ": "eyJ" * (size // 3),
        "digits": "4111 1111 " * (size // 10),
        "unclosed PEM": "-----BEGIN PRIVATE KEY-----\n" + "A" * size,
    }


def run_clean(catalogue: Catalogue, rounds: int) -> dict[str, Any]:
    """Both sizes of clean text."""
    redacting, rules = candidates(catalogue)
    print(f"{len(catalogue.rules)} rules, {rules} of them one by one\n")
    found: dict[str, Any] = {}
    for name, length, count in (("230 B line", 230, 2000), ("2 kB text", 2000, 300)):
        texts = clean_texts(length, count, 1)
        changed = sum(redacting[0][1](text) != text for text in texts)
        found[name] = compare(length, count, redacting, rounds)
        print(f"{count} x {name}, {changed} of them changed\n")
        print("| candidate | µs a text, median (least to most) | to one by one |\n|---|---|---|")
        for row in found[name]:
            spread = f"{row['median']:.2f} ({row['least']:.2f} to {row['most']:.2f})"
            print(f"| {row['candidate']} | {spread} | {row['ratio']:.3f} |")
        print(flush=True)
    return found


def run_hostile(catalogue: Catalogue) -> dict[str, Any]:
    """All hostile units."""
    units = hostile_units(catalogue)
    rows = hostile(Redactor(catalogue, LITERALS), units)
    exponents = [row["exponent"] for row in rows]
    print(f"{len(units)} units, {len(rows)} of them up to {SIZES[-1]} characters: exponent "
          f"median {statistics.median(exponents):.2f}, most {max(exponents):.2f}\n")  # fmt: skip
    print("| slowest units | s at 1 MB | exponent |\n|---|---|---|")
    steep = sorted(rows, key=lambda row: -row["exponent"])[:6]
    for row in [*rows[:10], *(row for row in steep if row not in rows[:10])]:
        print(f"| `{row['unit'][:40]!r}` | {row['seconds']:.3f} | {row['exponent']:.2f} |")
    print(flush=True)
    return {"rows": rows}


def run_stall(catalogue: Catalogue, rounds: int) -> dict[str, Any]:
    """All texts of 1 MB with both gates, and the controls, round by round."""
    tasks: dict[tuple[str, str], Callable[[], object]] = {
        ("(it sleeps)", ""): lambda: time.sleep(0.01),
        ("(a Python loop)", ""): lambda: sum(i & 1 for i in range(100_000)),
    }
    for gate in ("re2", "python"):
        redact = _of(Redactor(catalogue, LITERALS, gate=gate))  # type: ignore[arg-type]
        tasks |= {(name, gate): partial(redact, text) for name, text in stall_texts().items()}
    measured: dict[tuple[str, str], list[tuple[float, ...]]] = {task: [] for task in tasks}
    for number in range(rounds):
        for task in random.Random(number).sample(list(tasks), len(tasks)):
            measured[task].append(stalls(tasks[task]))
    print(f"{rounds} rounds\n")
    print("| beside | gate | ms of waiting, longest | ms without a rest (least) | ms collecting |")
    print("|---|---|---|---|---|")
    found = {}
    for (name, gate), values in measured.items():
        waits, stretches, collections = zip(*values, strict=True)
        stretch = f"{statistics.median(stretches):.1f} ({min(stretches):.1f})"
        print(
            f"| {name} | {gate} | {statistics.median(waits):.1f} | {stretch} "
            f"| {statistics.median(collections):.1f} |"
        )
        found[f"{name} {gate}".strip()] = {
            "waits": waits,
            "stretches": stretches,
            "collections": collections,
        }
    return found


def main() -> None:
    """Measure and print tables, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=("clean", "hostile", "stall"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    catalogue = load_catalogue()
    found: dict[str, Any] = {"python": sys.version}
    if options.only in {None, "clean"}:
        found["clean"] = run_clean(catalogue, options.rounds)
    if options.only in {None, "hostile"}:
        found["hostile"] = run_hostile(catalogue)
    if options.only in {None, "stall"}:
        found["stall"] = run_stall(catalogue, options.rounds)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
