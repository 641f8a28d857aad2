# SPDX-License-Identifier: Apache-2.0
"""What was found, as a table that says where to look."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from canary_search import Search

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from canary_plan import Row
    from canary_run import Output
    from canary_search import Found

_PACKED = "store:"


def findings(output: Output, rows: Sequence[Row]) -> Iterator[tuple[str, Found]]:
    """Where each secret of the rows was found."""
    search = Search(rows)
    for place, data in output.parts.items():
        for found in search.find(data, output.own_ids, packed=place.startswith(_PACKED)):
            yield place, found


def first_findings(found: Iterable[tuple[str, Found]]) -> dict[str, tuple[str, Found]]:
    """The first finding of each row that leaked, by its mark, with where it was."""
    result: dict[str, tuple[str, Found]] = {}
    for place, one in found:
        result.setdefault(one.row.mark, (place, one))
    return result


def recall(rows: Iterable[Row], leaked: Collection[str]) -> dict[str, float]:
    """The share of each kind's rows that did not leak; ``leaked`` holds marks."""
    rows = tuple(rows)
    planted = Counter(row.kind for row in rows)
    kept = Counter(row.kind for row in rows if row.mark not in leaked)
    return {kind: kept[kind] / number for kind, number in planted.items()}


def table(rows: Iterable[Row], leaked: Mapping[str, tuple[str, Found]]) -> str:
    """A line for every kind and surface that leaks, the worst first."""
    planted = Counter(row.kind for row in rows)
    kinds = Counter(one.row.kind for _, one in leaked.values())
    surfaces = Counter((one.row.kind, one.row.surface) for _, one in leaked.values())
    examples = {(where[1].row.kind, where[1].row.surface): where for where in leaked.values()}
    lines = ["", f"{'kind':28} {'surface':20} {'leaked':>8}  first context"]
    for kind, count in kinds.most_common():
        lines.append(f"{kind:28} {'(all)':20} {count:4}/{planted[kind]}")
        for (other, surface), number in surfaces.most_common():
            if other == kind:
                place, one = examples[kind, surface]
                lines.append(
                    f"{'':28} {surface:20} {number:8}  {place}, {one.form}: {one.around[-90:]!r}"
                )
    return "\n".join(lines)
