"""The database: tables, transactions and its clock, the same on SQLite (one machine) and PostgreSQL (several)."""

from __future__ import annotations

import random
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Double, Engine, Integer, MetaData, Table, Text, create_engine, event, make_url
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from leaderboard.migrations import LATEST, migrate
from poster.errors import InputError

BUSY_SECONDS = 60  # how long a writer waits for the others on SQLite before it gives up
LOCK_SECONDS = 20  # how long one waits for a row on PostgreSQL
TURN_SECONDS = 0.01  # how often a writer asks for its turn on SQLite, and how long it lets others go first
IDLE_SECONDS = 30  # how long PostgreSQL lets a silent client, frozen or cut off, hold its locks

metadata = MetaData()


def _table(name: str, text: str, integer: str = "", number: str = "") -> Table:
    kinds = {**dict.fromkeys(text.split(), Text), **dict.fromkeys(integer.split(), BigInteger), **dict.fromkeys(number.split(), Double)}
    first = text.split()[0]
    return Table(name, metadata, *(Column(column, kind, primary_key=column == first) for column, kind in kinds.items()))


# The columns as queries see them; the constraints stand in migrations.py, and a test holds the two against each other.
submissions = _table(
    "submissions",
    "id name contract weights_sha256 stored_sha256 source training_data epoch_selection paper code submitted_by",
    "parameters",
    "created",
)
jobs = _table(
    "jobs",
    "id submission benchmark protocol weights_sha256 state fault worker message",
    "tries token cancel_asked",
    "lease_until deadline progress created started finished",
)
users = Table("users", metadata, Column("name", Text, primary_key=True))
charges = Table("charges", metadata, Column("job", Text), Column("username", Text), Column("at", Double))
results = _table("results", "id job record published_commit", "token", "created published")
logs = _table("logs", "job text")
workers = _table("workers", "name host device job benchmarks", "", "started seen")
schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))


class db_now(GenericFunction[float]):
    """Seconds since 1970 by the database's clock: the only clock that leases and quotas know."""

    type = Double()
    inherit_cache = True


@compiles(db_now, "sqlite")
def _sqlite_now(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(db_now, "postgresql")
def _postgresql_now(*_: Any, **__: Any) -> str:
    return "EXTRACT(EPOCH FROM clock_timestamp())::double precision"


def new_id() -> str:
    """A fresh identifier: 12 hexadecimal digits, unguessable enough to be unique, short enough to read out."""
    return secrets.token_hex(6)


def insert_for(connection: Connection) -> Any:
    """The ``insert`` of this connection's database, which knows ON CONFLICT."""
    return sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert


def upsert(connection: Connection, table: Table, values: dict[str, Any], changes: dict[str, Any]) -> Any:
    """A statement that adds a row, or makes the changes where its primary key is taken; either way the row is locked until the commit."""
    return insert_for(connection)(table).values(**values).on_conflict_do_update(index_elements=table.primary_key.columns, set_=changes)


class Store:
    """One database. Cheap to make, safe to share between threads; make a new one in a new process.

    Raises InputError when the URL is malformed or names a database this program does not speak.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent look at the database."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes; on SQLite it takes the write lock at once, so it never fails half way for want of it."""
        with self.engine.connect() as connection:
            connection = connection.execution_options(begin="BEGIN IMMEDIATE")
            with connection.begin():
                yield connection

    def migrate(self, target: int = LATEST) -> list[int]:
        """Bring the schema up to date; harmless when it is, or when others do the same at once."""
        with self.write() as connection:
            return migrate(connection, target)

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


def open_store(url: str) -> Store:
    """A store with an up-to-date schema. Raises InputError, naming the database without its password, when it does not answer."""
    store = Store(url)
    try:
        store.migrate()
    except DBAPIError as error:
        store.close()
        raise InputError(f"The database {public_name(url)} does not answer as one ({reason(error)}); start it, or set FER_DATABASE_URL to another.") from error
    return store


def public_name(url: str) -> str:
    """The database's URL without its password."""
    return make_url(url).render_as_string(hide_password=True)


def reason(error: DBAPIError) -> str:
    """What the database said, in one line, without the statement and its values."""
    return (str(error.orig).strip() or type(error.orig).__name__).splitlines()[0][:160].rstrip(".")


def is_outage(error: DBAPIError) -> bool:
    """Whether an error means that the database is away, full or busy, so that the same call may succeed later."""
    if error.connection_invalidated or isinstance(error, OperationalError):
        return True
    state = getattr(error.orig, "sqlstate", None) or ""
    return state[:2] in ("08", "25", "53", "57", "58") or state in ("40001", "40P01")


def _engine(url: str) -> Engine:
    malformed = "FER_DATABASE_URL is not a database URL; write sqlite:////folder/leaderboard.db or postgresql://user@host/database."
    try:
        parsed = make_url(url.replace("postgres://", "postgresql://", 1))
        kind = parsed.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise InputError(malformed) from error
    if kind == "sqlite":
        return _sqlite_engine(parsed.render_as_string(hide_password=False), parsed.database)
    if kind != "postgresql":
        raise InputError(f"FER_DATABASE_URL names {kind}; sqlite and postgresql are spoken here.")
    # A client that is frozen or cut off loses its locks, one that waits for them gives up, and one whose server vanished hears of it.
    limits = f"-c idle_in_transaction_session_timeout={IDLE_SECONDS}s -c lock_timeout={LOCK_SECONDS}s"
    network = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}
    try:
        return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, connect_args={"options": limits, **network})
    except ModuleNotFoundError as error:
        raise InputError("PostgreSQL needs the package psycopg; install it with: pip install -r requirements-cluster.txt") from error


def _sqlite_engine(url: str, file: str | None) -> Engine:
    if not file or file == ":memory:":
        raise InputError("FER_DATABASE_URL must name a file for SQLite, such as sqlite:////folder/leaderboard.db.")
    try:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {Path(file).parent} cannot be made ({error.strerror}); set FER_DATA to one that can be written.") from error
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the driver starts no transaction of its own: "begin" below does
        _set_wal(connection)
        for pragma in ("synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    committed = 0.0

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        statement = connection.get_execution_options().get("begin", "BEGIN")
        if statement == "BEGIN":
            connection.exec_driver_sql(statement)
            return
        if time.monotonic() - committed < TURN_SECONDS:
            time.sleep(TURN_SECONDS)
        _wait_for_turn(connection, statement)

    @event.listens_for(engine, "commit")
    def commit(_: Connection) -> None:
        nonlocal committed
        committed = time.monotonic()

    return engine


def _wait_for_turn(connection: Connection, statement: str) -> None:
    """Begin a transaction that writes: every writer asks at random instants, until BUSY_SECONDS are over, and pauses after each commit of its own.

    SQLite's own wait asks ever more rarely: among twenty writers the one that has waited longest would hardly ever come in.
    """
    driver: Any = connection.connection.dbapi_connection
    patience = time.monotonic() + BUSY_SECONDS
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        while time.monotonic() < patience:
            try:
                driver.execute(statement)
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    break
            time.sleep(random.uniform(0, TURN_SECONDS))
        connection.exec_driver_sql(statement)  # the last try: its error comes out as SQLAlchemy's
    finally:
        driver.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")


def _set_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL; the very first switch ignores the busy time-out when two processes open a new file at once, hence the wait of our own."""
    patience = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > patience:
                raise
            time.sleep(0.05)
