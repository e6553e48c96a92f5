"""Databases of any PostgreSQL, by its URL: create one, drop one, wait until it answers.

The work is done by `psql`, so that it needs no event loop. Passwords go through the environment: arguments are public.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from urllib.parse import unquote, urlsplit, urlunsplit

from tongbao.kernel.postgres.binaries import PostgresError, binary

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_POLL_SECONDS = 0.05


def create_database(dsn: str, name: str, template: str | None = None) -> str:
    """Create database `name`, a copy of `template` if given, on the server of `dsn`; returns the new database's URL.

    Nobody may be connected to the template meanwhile. Raises PostgresError, also when the database exists.
    """
    query(dsn, f"create database {_identifier(name)}" + (f" template {_identifier(template)}" if template else ""))
    return with_database(dsn, name)


def drop_database(dsn: str, name: str) -> None:
    """Drop database `name` if it exists, ending the sessions in it. `dsn` must be of another database of that server."""
    query(dsn, f"drop database if exists {_identifier(name)} with (force)")


def with_database(dsn: str, name: str) -> str:
    """The URL of another database of the same server."""
    # Not geturl(): it would drop the empty host of postgresql://user:password@/name?host=…
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


def wait_until_ready(dsn: str, timeout: float, *, still: Callable[[], bool] = lambda: True) -> None:
    """Return once `dsn` answers a query.

    Raises PostgresError after `timeout` seconds, or at once if the password is refused or `still` says that waiting is in vain.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            query(dsn, "select 1")
            return
        except PostgresError as error:
            if "password authentication failed" in str(error) or not still():
                raise
            if time.monotonic() >= deadline:
                raise PostgresError(f"PostgreSQL did not answer within {timeout:g} s: {error}") from None
        time.sleep(_POLL_SECONDS)


def query(dsn: str, sql: str) -> str:
    """Run one statement and return its rows as plain text, a line each. Raises PostgresError with the server's words."""
    address, environment = for_programs(dsn)
    # The statement goes in by stdin, like the password by the environment: neither shows in the list of processes.
    command = [str(binary("psql")), "-XqAtw", "-v", "ON_ERROR_STOP=1", "-d", address]
    done = subprocess.run(command, input=sql + ";\n", capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise PostgresError(done.stderr.strip() or f"psql ended with {done.returncode}")
    return done.stdout.strip()


def for_programs(dsn: str) -> tuple[str, dict[str, str]]:
    """How PostgreSQL's own programs are told of a database: its URL without the password, and an environment that has it."""
    address, password = _split_password(dsn)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return address, environment | {"PGCONNECT_TIMEOUT": "10"} | ({"PGPASSWORD": password} if password else {})


def _split_password(dsn: str) -> tuple[str, str]:
    parts = urlsplit(dsn)
    credentials, at, host = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    return urlunsplit(parts._replace(netloc=user + at + host)), unquote(password)


def _identifier(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no plain database name")
    return f'"{name}"'
