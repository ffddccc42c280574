"""Stands in for leaderboard/child.py where the queue is tested: a real process that answers the same way at once, without torch.

Its task is steered by files in the folder FER_CACHE names: "hold" keeps it busy until the file is gone, "seconds" for so long, "crash" lets it die
by a signal, "fail" by an exception, "refuse" and "broken" end it with that answer, "say" is what it writes to its log first, "scored" lets it die or
hold (by what the file says) when the scores are stored. While it holds, "running" names its process.
"""

import hashlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path


def say(**message):
    print(json.dumps(message), flush=True)


def main():
    task = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=lambda: (os.read(0, 1), os._exit(3)), daemon=True).start()
    steer = Path(os.environ["FER_CACHE"])
    if (steer / "say").exists():
        sys.stderr.write((steer / "say").read_text())
        sys.stderr.flush()
    if (steer / "crash").exists():
        os.kill(os.getpid(), signal.SIGSEGV)
    if (steer / "fail").exists():
        sys.exit("a bug on demand")
    if (steer / "refuse").exists():
        say(refused=(steer / "refuse").read_text(), fault="submitter")
        return
    if (steer / "broken").exists():
        say(broken="No space left on device")
        return
    (steer / "environment.json").write_text(json.dumps(dict(os.environ)))
    if (steer / "hold").exists():
        (steer / "running").write_text(str(os.getpid()))
    while (steer / "hold").exists():
        say(progress=0.5, message="scoring 4 of 8")
        time.sleep(0.05)
    seconds = float((steer / "seconds").read_text()) if (steer / "seconds").exists() else 0.0
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        say(progress=passed / seconds, message=f"scoring {passed:.1f} of {seconds}")
        time.sleep(0.05)
    if task["task"] == "probe":
        say(done={"seconds_per_image": 0.01, "answers": 3, "spread": 0.5})
        return
    out = Path(task["out"])
    held_back = (steer / "held back").exists()
    result = {
        "benchmark": task["benchmark"], "version": 1, "protocol": task["protocol"], "num_images": 8,
        "labels": ["neutral", "happiness"], "confusion": [[3, 1], [1, 3]],
        "weights_sha256": hashlib.sha256(Path(task["weights"]).read_bytes()).hexdigest(), "predictions": "result.parquet", "model": "posterpp_nano",
        "diagnosis": {"held_back": held_back, "sentence": "likely permuted labels"}, "software": {"python": "3"}, "device": task["device"], "dtype": "float32",
        "seconds": seconds, "finished": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    out.with_suffix(".parquet").write_bytes(b"PAR1")
    out.write_text(json.dumps(result))
    if (steer / "scored").exists():
        say(progress=0.3, message="scored", scored=True)
        if (steer / "scored").read_text() == "hold":
            time.sleep(600)
        os.kill(os.getpid(), signal.SIGSEGV)
    say(done={"result": str(out)})


if __name__ == "__main__":
    main()
