"""Publishing to a fake Hub over real HTTP and restoring from it: conflicts, 500s, cut connections, replays, hostile files, equality row by row."""

import io
import json
import logging
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select, update

from leaderboard.lease import claim, finish
from leaderboard.outbox import parse
from leaderboard.publish import PublishError, Restored, git_blob, publish, restore
from leaderboard.record import Record
from leaderboard.store import charges, jobs, new_id, open_store, results, submissions, users
from tests.leaderboard.conftest import add_job
from tests.leaderboard.fakehub import FakeHub, Fault

REPO, TOKEN = "org/results", "hf_of_the_owner"
LABELS = ("neutral", "happiness")


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    with FakeHub() as running:
        running.repo("dataset", REPO)
        yield running


@pytest.fixture
def config(config, hub):
    return replace(config, endpoint=hub.url, results_repo=REPO)


def measure(store, config, weights):
    """A finished job with predictions on the disk; its result's id."""
    add_job(store, config, weights, user=f"user {weights % 2}")
    job = claim(store, config, "w")
    id = new_id()
    record = Record(
        id, f"model {weights}", job.benchmark, 1, job.protocol, LABELS, ((3, 1), (1, 3)), job.weights_sha256,
        predictions=f"{id}.parquet", submitted_by=f"user {weights % 2}",
    )  # fmt: skip
    folder = config.data / "predictions"
    folder.mkdir(parents=True, exist_ok=True)
    columns = {"index": range(8), "key": [f"secret name {i}" for i in range(8)], "target": [0] * 4 + [1] * 4, "neutral": [0.6] * 8, "happiness": [0.4] * 8}
    pq.write_table(pa.table({**columns, "votes:neutral": [0.5] * 8, "agreement": [1.0] * 8}), folder / f"{id}.parquet")
    finish(store, job, record)
    return id


def rows(store, table, without=()):
    with store.read() as connection:
        found = connection.execute(select(table)).mappings().all()
    return sorted(tuple((name, value) for name, value in row.items() if name not in without) for row in found)


def tree(hub):
    return hub.repos["dataset", REPO].commits[-1][1]


def commits(hub):
    return len(hub.repos["dataset", REPO].commits) - 1


def test_results_are_published_once_as_immutable_files(store, config, hub):
    ids = [measure(store, config, weights) for weights in range(3)]
    assert publish(store, config, TOKEN) == 3 and publish(store, config, TOKEN) == 0
    assert set(tree(hub)) == {"README.md"} | {f"results/sketch/{id}{end}" for id in ids for end in (".json", ".parquet")}
    assert commits(hub) == 1
    head = hub.repos["dataset", REPO].commits[-1][0]
    assert all(dict(row)["published"] and dict(row)["published_commit"] == head for row in rows(store, results))


def test_no_label_of_a_test_image_leaves(store, config, hub):
    id = measure(store, config, 1)
    publish(store, config, TOKEN)
    table = pq.read_table(io.BytesIO(tree(hub)[f"results/sketch/{id}.parquet"]))
    assert table.column_names == ["index", "neutral", "happiness"] and not table.schema.metadata
    assert not any(b"secret name" in content for content in tree(hub).values())


def test_an_empty_store_is_rebuilt_row_for_row(store, config, hub, tmp_path):
    for weights in range(5):
        measure(store, config, weights)
        if weights > 2:
            publish(store, config, TOKEN)
    assert commits(hub) == 2
    empty = open_store(f"sqlite:///{tmp_path}/empty/leaderboard.db")
    elsewhere = replace(config, data=tmp_path / "empty")
    assert restore(empty, elsewhere, None) == Restored(5, 0, 0)
    for table in (submissions, jobs, users, charges):
        assert rows(empty, table) == rows(store, table)
    assert rows(empty, results, {"published"}) == rows(store, results, {"published"})
    for path in (config.data / "predictions").iterdir():
        mine, theirs = pq.read_table(path), pq.read_table(elsewhere.data / "predictions" / path.name)
        assert theirs.equals(mine.select(["index", "neutral", "happiness"]).replace_schema_metadata(None))
    assert restore(empty, elsewhere, None) == Restored(0, 5, 0)
    assert publish(empty, elsewhere, TOKEN) == 0, "what was restored is not published again"
    empty.close()


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("POST", "/commit/", 409, 2)],
        [Fault("POST", "/commit/", 412)],
        [Fault("POST", "/commit/", 500, 3)],
        [Fault("POST", "/commit/", "cut before")],
        [Fault("POST", "/commit/", "cut after")],
        [Fault("POST", "/preupload/", 503, 2), Fault("POST", "/paths-info/", "cut before"), Fault("GET", "/revision/", 500)],
        [Fault("GET", "/api/datasets", "cut before", 2), Fault("POST", "/commit/", "cut after"), Fault("POST", "/commit/", 500)],
    ],
)
def test_faults_cost_time_and_nothing_else(store, config, hub, faults):
    ids = {measure(store, config, weights) for weights in range(2)}
    hub.faults += faults
    assert publish(store, config, TOKEN) == 2
    assert {path.split("/")[2][:12] for path in tree(hub) if path.endswith(".json")} == ids and commits(hub) == 1
    assert all(dict(row)["published"] for row in rows(store, results))


def test_another_writer_who_comes_first_loses_nothing(store, config, hub):
    id = measure(store, config, 1)
    hub.before_commit = lambda: hub.repos["dataset", REPO].commit({"results/sketch/other.json": b"{}"})
    publish(store, config, TOKEN)
    assert {"results/sketch/other.json", f"results/sketch/{id}.json"} <= set(tree(hub)) and commits(hub) == 2


def test_a_crash_between_publishing_and_marking_is_harmless(store, config, hub, caplog):
    id = measure(store, config, 1)
    publish(store, config, TOKEN)
    before = tree(hub)
    with store.write() as connection:
        connection.execute(update(results).values(published=None, published_commit=""))
    with caplog.at_level(logging.ERROR):
        assert publish(store, config, TOKEN) == 1
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert tree(hub) == before and commits(hub) == 1 and errors == []
    assert dict(rows(store, results)[0])["id"] == id


def test_what_is_published_is_never_overwritten(store, config, hub, caplog):
    id = measure(store, config, 1)
    hub.repos["dataset", REPO].commit({f"results/sketch/{id}.json": b"older"})
    with caplog.at_level(logging.ERROR):
        publish(store, config, TOKEN)
    assert tree(hub)[f"results/sketch/{id}.json"] == b"older" and "already published with other content" in caplog.text


def test_a_hub_that_stays_away_leaves_everything_in_the_outbox(store, config, hub, caplog):
    measure(store, config, 1)
    hub.faults.append(Fault("POST", "/commit/", 500, 1000))
    with caplog.at_level(logging.DEBUG), pytest.raises(PublishError, match="nothing is lost"):
        publish(store, config, TOKEN)
    assert dict(rows(store, results)[0])["published"] is None and TOKEN not in caplog.text
    with pytest.raises(PublishError, match="nothing is lost"):
        publish(store, replace(config, endpoint="http://127.0.0.1:9"), TOKEN)


@pytest.mark.parametrize(
    "repo, token, sentence",
    [("", TOKEN, "FER_RESULTS_REPO"), ("org/missing", TOKEN, "no data set org/missing"), (REPO, None, "may not write"), ("../x", TOKEN, "FER_RESULTS_REPO is")],
)
def test_a_wrong_setting_is_told(store, config, hub, repo, token, sentence):
    measure(store, config, 1)
    with pytest.raises(Exception, match=sentence):
        publish(store, replace(config, results_repo=repo), token)


def hostile(good: bytes, path: str):
    """Published files that no honest publisher wrote: name -> (path, content)."""
    data = json.loads(good)

    def changed(*keys, value):
        copy = json.loads(good)
        inner = copy
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        return json.dumps(copy).encode()

    yield "not json", path, b"<html>"
    yield "deep", path, b"[" * 100_000
    yield "huge", path, good + b" " * 300_000
    yield "list", path, b"[]"
    yield "no rows", path, json.dumps({**data, "rows": None}).encode()
    yield "script", path, changed("model", value="<script>alert(1)</script>")
    yield "formula", path, changed("rows", "submission", "submitted_by", value="=1+1")
    yield "other benchmark", path, changed("benchmark", value="ferplus")
    yield "other place", "results/ferplus/abcdef123456.json", good
    yield "traversal", path, changed("predictions", value="../../etc/passwd")
    yield "id", path, changed("id", value="../x")
    yield "count", path, changed("confusion", value=[[3, 1], [1, -3]])
    yield "huge count", path, changed("confusion", value=[[10**300, 1], [1, 3]])
    yield "nan", path, good.replace(b'"created": ', b'"created": NaN, "x": ', 1)
    yield "running", path, changed("rows", "job", "state", value="running")
    yield "sql", path, changed("rows", "job", "state", value="done'; DROP TABLE jobs; --")
    yield "column", path, changed("rows", "job", "extra", value=1)
    yield "type", path, changed("rows", "job", "tries", value="many")
    yield "number beyond the column", path, changed("rows", "job", "tries", value=10**12)
    yield "the year 9999", path, changed("rows", "job", "created", value=1e300)
    yield "surrogate", path, changed("rows", "submission", "source", value="\ud800")
    yield "out of the folder", "results/sketch/../../../../escaped.json", good
    yield "other name", "results/sketch/A B.json", good
    yield "null", path, changed("rows", "job", "created", value=None)
    yield "bool", path, changed("rows", "result", "token", value=True)
    yield "nul byte", path, changed("rows", "job", "worker", value="a\0b")
    yield "contract", path, changed("rows", "submission", "contract", value="{}")
    yield "link", path, changed("rows", "submission", "paper", value="javascript:alert(1)")
    yield "weights", path, changed("rows", "submission", "weights_sha256", value="0" * 64)


def test_hostile_files_are_skipped_with_a_log_line_and_the_good_ones_restored(store, config, hub, tmp_path, caplog):
    bad, good = measure(store, config, 1), measure(store, config, 2)
    publish(store, config, TOKEN)
    repo = hub.repos["dataset", REPO]
    content = tree(hub)[f"results/sketch/{bad}.json"]
    for number, (name, path, attack) in enumerate(hostile(content, f"results/sketch/{bad}.json")):
        with pytest.raises(ValueError):
            parse(path, attack)
        empty = open_store(f"sqlite:///{tmp_path}/{number}/leaderboard.db")
        files = {key: value for key, value in repo.commits[1][1].items() if bad not in key}
        repo.commits[2:] = [(f"{number:040x}", {**files, path: attack})]
        with caplog.at_level(logging.WARNING):
            assert restore(empty, replace(config, data=tmp_path / str(number)), None) == Restored(1, 0, 1), name
        assert [dict(row)["id"] for row in rows(empty, results)] == [good], name
        assert "skipped 'results/" in caplog.records[-1].getMessage() and "<script>" not in caplog.text
        empty.close()
    assert not list(tmp_path.parent.rglob("escaped.json")) and not list(tmp_path.rglob("incoming/*"))


def test_a_second_result_of_the_same_job_is_skipped_by_the_database_itself(store, config, hub, tmp_path, caplog):
    id = measure(store, config, 1)
    publish(store, config, TOKEN)
    copy = json.loads(tree(hub)[f"results/sketch/{id}.json"])
    copy["id"] = copy["rows"]["result"]["id"] = "zzzzzzzzzzzz"
    hub.repos["dataset", REPO].commit({"results/sketch/zzzzzzzzzzzz.json": json.dumps({**copy, "predictions": ""}).encode()})
    for table in (charges, results, jobs):
        with store.write() as connection:
            connection.execute(table.delete())
    with caplog.at_level(logging.WARNING):
        assert restore(store, config, None) == Restored(1, 0, 1)
    assert "zzzzzzzzzzzz.json': the database does not take it" in caplog.text and [dict(row)["id"] for row in rows(store, results)] == [id]


@pytest.mark.parametrize("content", [b"not parquet", b"PAR1" * 10, None])
def test_hostile_predictions_are_left_out_and_the_result_restored(store, config, hub, tmp_path, content):
    id = measure(store, config, 1)
    publish(store, config, TOKEN)
    if content is None:  # with a column that does not belong
        buffer = io.BytesIO()
        pq.write_table(pa.table({"index": range(8), "neutral": [0.5] * 8, "happiness": [0.5] * 8, "target": [0] * 8}), buffer)
        content = buffer.getvalue()
    hub.repos["dataset", REPO].commit({f"results/sketch/{id}.parquet": content})
    empty = open_store(f"sqlite:///{tmp_path}/empty/leaderboard.db")
    assert restore(empty, replace(config, data=tmp_path / "empty"), None).results == 1
    assert list((tmp_path / "empty/predictions").iterdir()) == []
    empty.close()


def test_a_restore_cut_off_in_the_middle_goes_on_the_next_time(store, config, hub, tmp_path):
    for weights in range(4):
        measure(store, config, weights)
    publish(store, config, TOKEN)
    empty, there = open_store(f"sqlite:///{tmp_path}/empty/leaderboard.db"), replace(config, data=tmp_path / "empty")
    path = sorted(path for path in tree(hub) if path.endswith(".json"))[2]
    hub.faults.append(Fault("HEAD", path, 500, 100))
    with pytest.raises(PublishError, match="nothing is lost"):
        restore(empty, there, None)
    hub.faults.clear()
    restored = restore(empty, there, None)
    assert restored.results + restored.present == 4 and restored.present >= 1 and restored.skipped == 0
    empty.close()


def test_the_blob_id_is_gits():
    assert git_blob(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"
