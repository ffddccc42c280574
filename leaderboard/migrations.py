"""The schema as numbered steps, plain SQL that SQLite and PostgreSQL both read; a step that was released is never changed, only followed."""

from __future__ import annotations

from sqlalchemy import Connection, text

from poster.errors import InputError

MIGRATIONS: dict[int, tuple[str, ...]] = {
    1: (
        """CREATE TABLE submissions (
            id TEXT PRIMARY KEY, name TEXT NOT NULL, contract TEXT NOT NULL, weights_sha256 TEXT NOT NULL, stored_sha256 TEXT NOT NULL,
            parameters BIGINT NOT NULL, source TEXT NOT NULL, training_data TEXT NOT NULL, epoch_selection TEXT NOT NULL,
            paper TEXT NOT NULL, code TEXT NOT NULL, submitted_by TEXT NOT NULL, created DOUBLE PRECISION NOT NULL)""",
        """CREATE TABLE jobs (
            id TEXT PRIMARY KEY, submission TEXT NOT NULL REFERENCES submissions (id), benchmark TEXT NOT NULL, protocol TEXT NOT NULL,
            weights_sha256 TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
            fault TEXT NOT NULL DEFAULT '' CHECK (fault IN ('', 'submitter', 'ours')), tries INTEGER NOT NULL DEFAULT 0, token BIGINT NOT NULL DEFAULT 0,
            worker TEXT NOT NULL DEFAULT '', lease_until DOUBLE PRECISION, deadline DOUBLE PRECISION, cancel_asked INTEGER NOT NULL DEFAULT 0,
            progress DOUBLE PRECISION NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '', created DOUBLE PRECISION NOT NULL,
            started DOUBLE PRECISION, finished DOUBLE PRECISION)""",
        "CREATE INDEX jobs_waiting ON jobs (created, id) WHERE state IN ('queued', 'running')",
        "CREATE UNIQUE INDEX jobs_live ON jobs (weights_sha256, benchmark, protocol) WHERE state IN ('queued', 'running', 'done')",
        "CREATE TABLE users (name TEXT PRIMARY KEY)",
        "CREATE TABLE charges (job TEXT NOT NULL REFERENCES jobs (id), username TEXT NOT NULL REFERENCES users (name), at DOUBLE PRECISION NOT NULL)",
        "CREATE INDEX charges_of_user ON charges (username, at)",
        """CREATE TABLE results (
            id TEXT PRIMARY KEY, job TEXT NOT NULL UNIQUE REFERENCES jobs (id), token BIGINT NOT NULL, record TEXT NOT NULL,
            created DOUBLE PRECISION NOT NULL)""",
    ),
    # The outbox: a result is published when its commit is known.
    2: (
        "ALTER TABLE results ADD COLUMN published DOUBLE PRECISION",
        "ALTER TABLE results ADD COLUMN published_commit TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX results_outbox ON results (created, id) WHERE published IS NULL",
    ),
    # Who is at work, so that an idle queue and a queue without a worker look different.
    3: (
        """CREATE TABLE workers (
            name TEXT PRIMARY KEY, host TEXT NOT NULL, device TEXT NOT NULL, started DOUBLE PRECISION NOT NULL, seen DOUBLE PRECISION NOT NULL,
            job TEXT NOT NULL DEFAULT '')""",
    ),
    # Which benchmarks a worker has the data of, so that a job nobody can take looks different from one that waits its turn.
    4: ("ALTER TABLE workers ADD COLUMN benchmarks TEXT NOT NULL DEFAULT ''",),
    # What a job's evaluation said, so that its submitter reads it after a restart, whichever machine it ran on. Beside the jobs, as it is not published.
    5: ("CREATE TABLE logs (job TEXT PRIMARY KEY REFERENCES jobs (id), text TEXT NOT NULL)",),
}
LATEST = max(MIGRATIONS)
_LOCK = 0x706F73746572  # any number that means this schema to PostgreSQL's advisory locks


def schema_version(connection: Connection) -> int:
    """The number of the last step taken, 0 for an empty database."""
    return connection.execute(text("SELECT COALESCE(MAX(version), 0) FROM schema_version")).scalar_one()


def migrate(connection: Connection, target: int = LATEST) -> list[int]:
    """Take every step up to ``target`` inside the caller's transaction; returns those taken.

    Raises InputError when the database was written by a newer release.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    connection.execute(text("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)"))
    current = schema_version(connection)
    if current > LATEST:
        raise InputError(f"The database has schema {current}, this release knows {LATEST}; update the program before using it.")
    steps = range(current + 1, target + 1)
    for version in steps:
        for statement in MIGRATIONS[version]:
            connection.execute(text(statement))
        connection.execute(text("INSERT INTO schema_version (version) VALUES (:version)"), {"version": version})
    return list(steps)
