# SPDX-License-Identifier: Apache-2.0
"""What to do about an InfluxDB that takes no points, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ffe_otel.observe.influx.client import Verdict

if TYPE_CHECKING:
    from ffe_otel.config.model import InfluxDB
    from ffe_otel.observe.influx.client import Answer

MEND: Final = (
    "; its disk was full: now run `influxd backup -portable -database {database} DIR` there once, "
    "or its next restart may forget what it takes now"
)
"""What to do once a full disk is not full any more.

The write-ahead log of InfluxDB 1.6.7 keeps a torn entry, behind which it reads nothing at any
later start. A backup first brings what it has into other files.
"""


def is_full(answer: Answer) -> bool:
    """Whether the server's disk is full."""
    return answer.verdict is Verdict.SERVER_ERROR and "no space" in answer.text


def explain(answer: Answer, config: InfluxDB, url: str) -> str:
    """What a server answered, and what to do."""
    where = f"InfluxDB at {url}"
    said = f" ({answer.text})" if answer.text else ""
    match answer.verdict:
        case Verdict.CREDENTIALS:
            user = f"user {config.username!r}" if config.username else "requests without a user"
            return (
                f"{where} refuses {user}{said}; set metrics.influxdb.username and .password, "
                "or make the user with `ffe-otel influx init`"
            )
        case Verdict.NO_DATABASE:
            return (
                f"{where} has no database {config.database} with a retention policy "
                f"{config.retention_policy}{said}; run `ffe-otel influx init`"
            )
        case Verdict.UNREACHABLE:
            return (
                f"{where} cannot be reached{said}; start it, set metrics.influxdb.url, or "
                "metrics.influxdb.enabled: false"
            )
        case Verdict.BUSY:
            return f"{where} is overloaded{said}; it is asked again"
    if is_full(answer):
        # Version 1.6.7 refuses new series until it is started again, whatever is free by then.
        advice = "free space on its file system, then restart it; what waits is sent then"
    else:
        advice = "see its log"
    return f"{where} fails{said}; {advice}"
