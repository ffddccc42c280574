"""Results on one machine are told apart by their images; predictions that do not fit are not used."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from leaderboard.kept import correct_images, current_board
from leaderboard.lease import claim, finish
from leaderboard.record import Record
from leaderboard.status import stored_records
from leaderboard.store import new_id
from tests.leaderboard.conftest import add_job

LABELS = ("neutral", "happiness")


def measure(store, config, weights, wrong):
    """A finished job on 100 images of which the given ones are wrong."""
    add_job(store, config, weights)
    job, id = claim(store, config, "w"), new_id()
    targets = np.arange(100) % 2
    predicted = np.where(np.isin(np.arange(100), wrong), 1 - targets, targets)
    confusion = tuple(tuple(int(((targets == i) & (predicted == j)).sum()) for j in (0, 1)) for i in (0, 1))
    folder = config.data / "predictions"
    folder.mkdir(parents=True, exist_ok=True)
    columns = {"index": range(100), "key": [str(i) for i in range(100)], "target": targets, "neutral": 1.0 - predicted, "happiness": 1.0 * predicted}
    pq.write_table(pa.table(columns), folder / f"{id}.parquet")
    finish(
        store,
        job,
        Record(id, f"model {weights}", job.benchmark, 1, job.protocol, LABELS, confusion, job.weights_sha256, predictions=f"{id}.parquet", submitted_by="ann"),
    )
    return id


def test_the_board_tells_results_apart_by_their_images(store, config):
    better, worse = measure(store, config, 1, range(10)), measure(store, config, 2, range(18))
    groups = {row.id: row.tie_group for row in current_board(store, config).of("sketch")}
    assert groups == {better: "a", worse: "b"}, "90 and 82 of 100 differ by McNemar's test, not by that for independent samples"
    (config.data / "predictions" / f"{worse}.parquet").rename(config.data / "gone")
    elsewhere = replace(config, data=config.data / "elsewhere")
    assert {row.tie_group for row in current_board(store, elsewhere).of("sketch")} == {"a"}


def test_predictions_that_do_not_fit_their_result_are_not_used(store, config):
    id = measure(store, config, 1, range(10))
    (record,) = stored_records(store)
    assert set(correct_images(config, [record])) == {id}
    other = replace(record, confusion=((50, 0), (0, 50)))
    assert correct_images(config, [other]) == {}
