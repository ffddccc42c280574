"""The schema from version to version with data in it, the transactions, the clock and what a wrong URL is told."""

import multiprocessing
import os
import threading
import time

import pytest
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import IntegrityError

from leaderboard.migrations import LATEST, MIGRATIONS, schema_version
from leaderboard.store import BUSY_SECONDS, Store, db_now, metadata, open_store, users
from poster.errors import InputError

ROW = {
    "submissions": "('s', 'A', '{}', 'w', 'w', 1, 'file', 'unknown', 'unknown', '', '', 'ann', 1.5)",
    "jobs": "('j', 's', 'sketch', 'standard', 'w', 'done', '', 1, 1, 'me', NULL, NULL, 0, 1.0, 'done', 1.5, 1.5, 2.5)",
    "users": "('ann')",
    "charges": "('j', 'ann', 1.5)",
    "results": "('r', 'j', 1, '{}', 2.5)",
}  # as a release with schema 1 wrote them
LATER = {4: {"workers": "('w', 'h', 'cpu', 1.5, 2.5, 'j', 'sketch')"}}  # what later ones added


@pytest.mark.parametrize("start", sorted(MIGRATIONS))
def test_every_version_is_brought_up_to_date_with_its_data(database_url, start):
    store = Store(database_url)
    store.migrate(1)
    with store.write() as connection:
        for table, values in ROW.items():
            connection.execute(text(f"INSERT INTO {table} VALUES {values}"))
    assert store.migrate(start) == list(range(2, start + 1))
    with store.write() as connection:
        assert schema_version(connection) == start
        for table, values in LATER.get(start, {}).items():
            connection.execute(text(f"INSERT INTO {table} VALUES {values}"))
    assert store.migrate() == list(range(start + 1, LATEST + 1))
    assert store.migrate() == []
    with store.read() as connection:
        row = connection.execute(select(metadata.tables["results"])).one()
        assert (row.id, row.published, row.published_commit, row.created) == ("r", None, "", 2.5)
        for table in [*ROW, *LATER.get(start, {})]:
            assert connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one() == 1
    store.close()


def test_the_tables_in_code_are_those_in_the_database(store):
    inspector = inspect(store.engine)
    assert set(inspector.get_table_names()) == set(metadata.tables)
    for name, table in metadata.tables.items():
        found = {column["name"]: column["type"].python_type for column in inspector.get_columns(name)}
        assert found == {column.name: column.type.python_type for column in table.columns}, name


def test_a_newer_schema_is_refused(database_url):
    store = open_store(database_url)
    with store.write() as connection:
        connection.execute(text("INSERT INTO schema_version VALUES (:v)"), {"v": LATEST + 1})
    with pytest.raises(InputError, match=f"schema {LATEST + 1}, this release knows {LATEST}"):
        store.migrate()
    store.close()


def _open(url: str) -> None:
    open_store(url).close()


def test_many_processes_may_open_a_new_database_at_once(database_url):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_open, args=(database_url,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4


def test_the_clock_is_the_databases(store):
    with store.read() as connection:
        assert connection.execute(select(db_now())).scalar_one() == pytest.approx(time.time(), abs=2)


def test_sqlite_runs_as_safely_as_it_can(tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/a/b/leaderboard.db")
    with store.read() as connection:
        pragmas = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 60_000}
    with pytest.raises(IntegrityError), store.write() as connection:
        connection.execute(text("INSERT INTO charges VALUES ('nobody', 'nobody', 1)"))
    store.close()


def test_a_write_that_fails_leaves_nothing_behind(store):
    with pytest.raises(IntegrityError), store.write() as connection:
        connection.execute(users.insert(), [{"name": "ann"}, {"name": "bob"}, {"name": "ann"}])
    with store.read() as connection:
        assert connection.execute(select(users)).all() == []


def test_writers_wait_for_each_other_and_readers_for_nobody(store):
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with store.write() as connection:
            connection.execute(users.insert().values(name="first"))
            inside.set()
            leave.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait(10)
    with store.read() as connection:
        assert connection.execute(select(users)).all() == []
    threading.Timer(0.3, leave.set).start()
    with store.write() as connection:
        connection.execute(users.insert().values(name="second"))
    holder.join()
    with store.read() as connection:
        assert len(connection.execute(select(users)).all()) == 2


def _write_often(url: str, start: object, longest: object) -> None:
    store = Store(url)
    start.wait()
    for number in range(15):
        began = time.monotonic()
        with store.write() as connection:
            connection.execute(users.insert().values(name=f"{os.getpid()} {number}"))
        longest.put(time.monotonic() - began)
    store.close()


def test_many_writers_at_once_all_get_their_turn(store, database_url):
    """SQLite's own wait left one of twenty writers out until it gave up."""
    context, clients = multiprocessing.get_context("spawn"), 8
    start, longest = context.Barrier(clients), context.Queue()
    processes = [context.Process(target=_write_often, args=(database_url, start, longest)) for _ in range(clients)]
    for process in processes:
        process.start()
    waits = [longest.get(timeout=120) for _ in range(15 * clients)]
    for process in processes:
        process.join(60)
    with store.read() as connection:
        assert len(connection.execute(select(users)).all()) == 15 * clients
    assert max(waits) < BUSY_SECONDS


@pytest.mark.parametrize(
    "url, sentence",
    [
        ("nonsense", "not a database URL"),
        ("mysql://a/b", "mysql"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("nodb://a/b", "nodb"),
    ],
)
def test_a_wrong_url_is_answered_in_a_sentence(url, sentence):
    with pytest.raises(InputError, match=sentence):
        open_store(url)


def test_a_database_that_is_away_is_named_without_its_password():
    with pytest.raises(InputError, match="does not answer") as refused:
        open_store("postgresql://ann:secret@127.0.0.1:9/fer")
    assert "secret" not in str(refused.value) and "127.0.0.1:9" in str(refused.value)


def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    (tmp_path / "x.db").write_text("not a database, but long enough to be looked at as one" * 10)
    with pytest.raises(InputError, match="does not answer as one"):
        open_store(f"sqlite:///{tmp_path}/x.db")
    assert (tmp_path / "x.db").read_text().startswith("not a database")
