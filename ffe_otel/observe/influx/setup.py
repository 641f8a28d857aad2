# SPDX-License-Identifier: Apache-2.0
"""What ``ffe-otel influx init`` makes: database, retention policies, users, continuous queries.

Every step looks at what is there first, so that a second run changes nothing. The
continuous queries bring a minute's values into the policy warm and an hour's into cold;
measurements there have the fields of the events and some that summarise them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ffe_otel import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ffe_otel.config.model import InfluxDB
    from ffe_otel.observe.influx.client import InfluxClient

HOT, WARM, COLD = "hot", "warm", "cold"
# From where, to where, each how much, and how far back points that come late still count.
_STEPS: Final = ((HOT, WARM, "1m", "1h"), (WARM, COLD, "1h", "2d"))
# Of a field that summarises: its source in events, and its source in an earlier summary.
_SUMMARIES: Final = {
    semconv.EVENT_AGENT_STATE: (("last", "state_value", ""), ("max", "cycle_count", "")),
    semconv.EVENT_TRADE: (
        ("sum", "pnl_dollars", ""),
        ("max", "duration_seconds", ""),
        ("last", "confidence", ""),
    ),
    semconv.EVENT_API_LATENCY: (
        ("mean", "duration_ms", ""),
        ("max", "duration_ms", "duration_ms_max"),
        ("count", "duration_ms", "calls"),
        ("last", "status_code", ""),
    ),
    semconv.EVENT_LLM_CALL: (
        ("mean", "duration_ms", ""),
        ("max", "duration_ms", "duration_ms_max"),
        ("count", "duration_ms", "calls"),
        ("sum", "tokens_used", ""),
        ("sum", "cost_usd", ""),
    ),
}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that is to exist, and the statement that makes it so; empty when it does."""

    what: str
    statement: str = ""


def quoted(name: str) -> str:
    """An identifier of InfluxQL."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def text(value: str) -> str:
    """A string of InfluxQL."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def plan(client: InfluxClient, config: InfluxDB) -> Iterator[Step]:
    """Yield what is to exist, one step after the other; execute each before the next.

    Raises:
        InfluxError: the server refuses to tell what it has.
    """
    database = quoted(config.database)
    policies = {HOT: config.hot_days, WARM: config.warm_days, COLD: config.cold_days}
    names = _column(client, "SHOW DATABASES", "name")
    create = (
        f"CREATE DATABASE {database} WITH DURATION {config.hot_days}d REPLICATION 1 "
        f"NAME {quoted(HOT)}"
    )
    yield Step(f"database {config.database}", "" if config.database in names else create)
    yield from _policies(client, database, policies)
    yield from _users(client, database, config)
    yield from _queries(client, config.database)


def _policies(client: InfluxClient, database: str, policies: dict[str, int]) -> Iterator[Step]:
    found = {row["name"]: row for row in _rows(client, f"SHOW RETENTION POLICIES ON {database}")}
    for name, days in policies.items():
        what = f"retention policy {name}, {days} days" + (", the default" if name == HOT else "")
        verb = "ALTER" if name in found else "CREATE"
        statement = (
            f"{verb} RETENTION POLICY {quoted(name)} ON {database} DURATION {days}d REPLICATION 1"
            + (" DEFAULT" if name == HOT else "")
        )
        row = found.get(name, {})
        right = row.get("duration") == f"{days * 24}h0m0s" and (name != HOT or row.get("default"))
        yield Step(what, "" if right else statement)


def _users(client: InfluxClient, database: str, config: InfluxDB) -> Iterator[Step]:
    found = set(_column(client, "SHOW USERS", "user"))
    for name, password, right in (
        (config.username, config.password, "WRITE"),
        (config.reader_username, config.reader_password, "READ"),
    ):
        if not name:
            continue
        user = quoted(name)
        verb = (
            f"SET PASSWORD FOR {user} = {text(password)}"
            if name in found
            else f"CREATE USER {user} WITH PASSWORD {text(password)}"
        )
        # A password cannot be looked up, so it is set each time.
        yield Step(f"user {name}", verb)
        grants = {row["database"]: row["privilege"] for row in _rows(
            client, f"SHOW GRANTS FOR {user}"
        )}  # fmt: skip
        has = grants.get(config.database) == right
        what = f"user {name} may {right.lower()} {config.database}"
        yield Step(what, "" if has else f"GRANT {right} ON {database} TO {user}")


def _queries(client: InfluxClient, database: str) -> Iterator[Step]:
    found: dict[str, str] = {}
    for series in client.query("SHOW CONTINUOUS QUERIES")[0].get("series", []):
        if series["name"] == database:
            found = dict(series.get("values", []))
    for measurement, fields in _SUMMARIES.items():
        for source, target, every, late in _STEPS:
            name = f"{target}_{measurement}"
            query = _continuous_query(database, name, measurement, fields, source, target,
                                      every, late)  # fmt: skip
            what = f"continuous query {name}, every {every}"
            if name in found and _same(found[name], query):
                yield Step(what)
                continue
            if name in found:
                yield Step(
                    f"the earlier continuous query {name} is gone",
                    f"DROP CONTINUOUS QUERY {quoted(name)} ON {quoted(database)}",
                )
            yield Step(what, query)


def _continuous_query(
    database: str, name: str, measurement: str, fields: tuple[tuple[str, str, str], ...],
    source: str, target: str, every: str, late: str,
) -> str:  # fmt: skip
    selected = ", ".join(
        _summary(function, field, alias, first=source == HOT) for function, field, alias in fields
    )
    return (
        f"CREATE CONTINUOUS QUERY {quoted(name)} ON {quoted(database)} "  # noqa: S608 - quoted
        f"RESAMPLE EVERY {every} FOR {late} BEGIN SELECT {selected} "
        f"INTO {quoted(database)}.{quoted(target)}.{quoted(measurement)} "
        f"FROM {quoted(database)}.{quoted(source)}.{quoted(measurement)} "
        f"GROUP BY time({every}), * END"
    )


def _summary(function: str, field: str, alias: str, *, first: bool) -> str:
    name = alias or field
    if not first and alias:
        # A summary of summaries: numbers of calls are added up, a maximum is one of maxima.
        field, function = alias, "sum" if function == "count" else function
    return f"{function}({quoted(field)}) AS {quoted(name)}"


def _same(found: str, wanted: str) -> bool:
    """Compare without what InfluxDB writes its own way: quotes and white space."""

    def plain(query: str) -> str:
        return "".join(query.replace('"', "").split()).lower()

    return plain(found) == plain(wanted)


def _rows(client: InfluxClient, statement: str) -> list[dict[str, Any]]:
    return [
        dict(zip(series["columns"], values, strict=True))
        for series in client.query(statement)[0].get("series", [])
        for values in series.get("values", [])
    ]


def _column(client: InfluxClient, statement: str, name: str) -> list[str]:
    return [row[name] for row in _rows(client, statement)]
