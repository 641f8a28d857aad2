# SPDX-License-Identifier: Apache-2.0
"""``ffe-otel influx``: what InfluxDB needs before events are written to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ffe_otel.cli.options import common, load
from ffe_otel.cli.output import dim, echo_json, mark, stop

if TYPE_CHECKING:
    from ffe_otel.config.model import InfluxDB
    from ffe_otel.observe.influx import InfluxClient

_NO_ADMIN = "create admin user first"


@click.group("influx")
def command() -> None:
    """Prepare InfluxDB for event measurements."""


@command.command()
@click.option("--admin-user", envvar="INFLUXDB_ADMIN_USER", help="User that may make others.")
@click.option(
    "--admin-password",
    envvar="INFLUXDB_ADMIN_PASSWORD",
    help="Its password; better as INFLUXDB_ADMIN_PASSWORD, where no list of processes shows it.",
)
@click.option(
    "--admin-password-file",
    envvar="INFLUXDB_ADMIN_PASSWORD_FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File that holds it.",
)
@click.option("--dry-run", is_flag=True, help="Print the statements, execute none.")
@common
def init(
    *,
    admin_user: str | None,
    admin_password: str | None,
    admin_password_file: Path | None,
    dry_run: bool,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Make database, retention policies, users and continuous queries where they are missing.

    Running it again changes nothing but the users' passwords. An InfluxDB that demands
    authentication and has no user yet gets the admin user as its first.
    """
    config = load(config_file, as_json=as_json).config.metrics.influxdb
    from ffe_otel.observe.influx import InfluxClient, InfluxError

    if admin_password_file is not None:
        admin_password = admin_password_file.read_text(encoding="utf-8").strip()
    admin = (admin_user or "", admin_password or "")
    client = InfluxClient(config, user=admin)
    try:
        rows = _first_user(client, admin, dry_run=dry_run)
        rows += _make(client, config, dry_run=dry_run)
    except InfluxError as error:
        stop(_advice(str(error), config, admin), 1, as_json=as_json)
    finally:
        client.close()
    _print(rows, config, as_json=as_json, dry_run=dry_run)


def _first_user(
    client: InfluxClient, admin: tuple[str, str], *, dry_run: bool
) -> list[dict[str, Any]]:
    from ffe_otel.observe.influx import InfluxError
    from ffe_otel.observe.influx.setup import quoted, text

    try:
        client.query("SHOW DATABASES")
    except InfluxError as error:
        if _NO_ADMIN not in str(error) or not all(admin):
            raise
        statement = (
            f"CREATE USER {quoted(admin[0])} WITH PASSWORD {text(admin[1])} WITH ALL PRIVILEGES"
        )
        if not dry_run:
            client.query(statement)
        return [{"what": f"admin user {admin[0]}", "changed": True, "statement": statement}]
    return []


def _make(client: InfluxClient, config: InfluxDB, *, dry_run: bool) -> list[dict[str, Any]]:
    from ffe_otel.observe.influx.setup import plan

    rows = []
    for step in plan(client, config):
        if step.statement and not dry_run:
            client.query(step.statement)
        rows.append(
            {"what": step.what, "changed": bool(step.statement), "statement": step.statement}
        )
    return rows


def _advice(problem: str, config: InfluxDB, admin: tuple[str, str]) -> str:
    message = f"InfluxDB at {config.url}: {problem}"
    if "cannot be reached" in problem:
        return f"{problem}; start it, or set metrics.influxdb.url"
    if _NO_ADMIN in problem or "parse authentication" in problem:
        return f"{message}; give --admin-user and INFLUXDB_ADMIN_PASSWORD"
    if "authorization failed" in problem:
        return f"{message}; the password of {admin[0]!r} is wrong, or there is no such user"
    return message


def _print(rows: list[dict[str, Any]], config: InfluxDB, *, as_json: bool, dry_run: bool) -> None:
    for row in rows:
        if "PASSWORD" in row["statement"]:
            before, _, rest = row["statement"].partition("'")
            after = rest.rpartition("'")[2]
            row["statement"] = f"{before}'***'{after}"
    if as_json:
        echo_json({"url": config.url, "dry_run": dry_run, "steps": rows})
        return
    for row in rows:
        if dry_run:
            click.echo(row["statement"] or dim(f"-- {row['what']}: there already"))
        else:
            note = "" if row["changed"] else dim("  there already")
            click.echo(f"{mark('ok')} {row['what']}{note}")
    if not config.username:
        click.echo(dim("no user for writing: metrics.influxdb.username is not set"))
