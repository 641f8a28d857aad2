# SPDX-License-Identifier: Apache-2.0
"""What the self-check found out about the SDK that is installed.

Asked without an installation, as by a provider that somebody makes alone, it is found out
then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ffe_otel.sdk.aggregating import Direct, Ways

if TYPE_CHECKING:
    from collections.abc import Mapping

# What may work or not; the table of ffe_otel.sdk.selfcheck says what each is.
SPANS: Final = "spans"
CONTEXT: Final = "current context"
WAITING: Final = "waiting measurements"
MATCHES: Final = "measurements by view"
AGGREGATIONS: Final = "sums of measurements"
RECORDS: Final = "log records"
READERS: Final = "metric readers"
RECEIVING: Final = "received metrics"
PREFERENCES: Final = "preferences of metric exporters"
EXPORTERS: Final = "exporters of processors"
BATCHES: Final = "batch processors"
SPAN_PARTS: Final = "parts of span processors"
LOG_PARTS: Final = "parts of log processors"


@dataclass(frozen=True, slots=True)
class Findings:
    """What does not do what it is relied on for.

    Attributes:
        problems: why, by the names above.
    """

    problems: Mapping[str, str] = field(default_factory=dict)

    def works(self, part: str) -> bool:
        """Whether a part does what it is used for."""
        return part not in self.problems

    @property
    def metrics(self) -> Ways:
        """What may be done past the SDK's methods for metrics."""
        matches = self.works(MATCHES)
        direct = Direct(matches, matches and self.works(AGGREGATIONS))
        return Ways(self.works(WAITING), direct)


class _Owner:
    def __init__(self) -> None:
        self.findings: Findings | None = None


_owner = _Owner()


def current() -> Findings:
    """What was found last; the check is done when there was none."""
    found = _owner.findings
    return renew() if found is None else found


def renew() -> Findings:
    """Check the SDK's parts, and keep what is found."""
    from ffe_otel.sdk.selfcheck import examine

    found = _owner.findings = examine()
    return found
