"""Run by test_cluster.py in a process of its own: two Ray nodes on this machine, one killed in the middle; prints one JSON object."""

import json
import os
import sys
from pathlib import Path

os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0")  # no reports, and loopback only

import numpy as np
from ray.cluster_utils import Cluster

import poster
from eval.chunks import ChunkStore
from eval.inference import Compute, infer
from leaderboard.child import score
from leaderboard.cluster import infer_on_cluster
from poster.data.sketch import sketch_set


def main() -> None:
    weights, folder = Path(sys.argv[1]), Path(sys.argv[2])
    model = poster.load_model(weights)
    images = sketch_set()
    size = model.contract.input_size
    pixels = np.ascontiguousarray(images.source.array[:, :size, :size])
    compute = Compute(batch_size=2)
    local = infer(model, pixels, model.contract, compute, images.keys)
    node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 200 * 1024 * 1024}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    second = cluster.add_node(**node)
    os.environ["RAY_ADDRESS"] = cluster.address
    seen = []

    def progress(done: int, total: int) -> None:
        if not seen:
            cluster.remove_node(second, allow_graceful=False)
        seen.append(done)

    store = ChunkStore(folder / "chunks", {"test": 1})
    sharded = infer_on_cluster(model, pixels, model.contract, compute, images.keys, store, progress)
    results = {}
    for engine in ("local", "ray"):
        out = folder / engine / "result.json"
        out.parent.mkdir()
        score(lambda _: None, str(weights), "sketch", "self-test", "", "cpu", str(out), "s", engine, sample=0, seconds=600)
        results[engine] = json.loads(out.read_text())["confusion"]
    print(
        json.dumps(
            {
                "images": len(local.logits), "chunks": len(seen), "progress": seen, "kept": len(list((folder / "chunks").glob("chunk-*"))),
                "difference": float(np.abs(sharded.logits - local.logits).max()), "embeddings": float(np.abs(sharded.embeddings - local.embeddings).max()),
                "same_result": results["local"] == results["ray"], "same": bool((sharded.logits.argmax(1) == local.logits.argmax(1)).all()),
            }
        )
    )  # fmt: skip
    cluster.shutdown()


if __name__ == "__main__":
    main()
