# SPDX-License-Identifier: Apache-2.0
"""An engine that logs every secret of a plan, with handlers of its own or with none.

``ffe-otel run -- python canary_logging.py PLAN.json HANDLERS`` where ``HANDLERS`` is ``none``,
or ``late`` for handlers on standard output and standard error that come after capture.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import ffe_otel

_log = logging.getLogger("engine")
_FLUSH_EVERY = 400


class JsonFormatter(logging.Formatter):
    """Everything a record holds, as engines write it for collectors."""

    def format(self, record: logging.LogRecord) -> str:
        line = {**record.__dict__, "message": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _handlers() -> None:
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(mark)s: %(message)s")
    machine = logging.StreamHandler(sys.stderr)
    machine.setFormatter(JsonFormatter())
    _log.addHandler(machine)


def _say(number: int, row: dict) -> None:
    named, setting = {"mark": row["mark"]}, {row["key"]: row["value"]}
    match bool(row["key"]), number % 2:
        case True, 0:
            _log.warning("settings: %s", setting, extra=named)
        case True, _:
            _log.warning("connected", extra={**named, "settings": setting})
        case False, 0:
            _log.warning(row["text"], extra=named)
        case _:
            try:
                _refuse(row["text"])
            except ConnectionError:
                _log.exception("cannot connect", extra=named)


def _refuse(text: str) -> None:
    raise ConnectionError(text)


def main() -> None:
    plan, handlers = sys.argv[1:]
    handle = ffe_otel.install()
    if handlers != "none":
        _handlers()
    for number, row in enumerate(json.loads(Path(plan).read_text())):
        _say(number, row)
        if number % _FLUSH_EVERY == 0:
            handle.flush(30)
    handle.flush(30)


if __name__ == "__main__":
    main()
