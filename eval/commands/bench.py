"""``python -m eval bench [--data DIR] [--device cpu|cuda] [--out BENCH.json] [--json]``: one table of ratios, measured in turns in one run."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from eval import terminal
from eval.result import check_output
from poster.data.memo import write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="the folder with FERPlus, for the end-to-end line; left out without it")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for the sweep over batches and precisions")
    parser.add_argument("--out", metavar="BENCH.json", default="runs/bench.json", help="where the figures go")
    parser.add_argument("--quick", action="store_true", help="the smallest network alone, two rounds: seconds, to see that all works")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from eval import bench, bench_data
    from eval.inference import Compute

    started = time.monotonic()
    compute = Compute(options.device)
    out = Path(options.out)
    check_output(out, ".json")
    notes: list[str] = []
    with terminal.ProgressBar(sys.stderr) as bar:
        if compute.is_gpu:
            from eval import bench_gpu

            rows = [*bench_gpu.networks(compute.device, bar), *bench_gpu.from_cache(compute.device, bar), bench_data.loader(compute.device)]
        else:
            few: dict[str, Any] = {"plan": bench.PLAN[:1], "rounds": 2} if options.quick else {}
            rows = [*bench.networks(bar, **few), bench_data.loader()]
            if options.data:
                line, accuracy = bench_data.whole_run(options.data, bar)
                rows.append(line)
                notes.append(f"accuracy of the plain loop {accuracy['plain']:.2f} %, of the evaluation {100 * accuracy['ours']:.2f} %")
            else:
                notes.append("the whole evaluation was not measured; give the folder with FERPlus: --data DIR (make bench DATA=DIR)")
    setting = {**bench.setting(), "device": compute.device, **compute.environment()}
    seconds = round(time.monotonic() - started, 1)
    answer = {"setting": setting, "rows": [one.to_json() for one in rows], "notes": notes, "seconds": seconds}
    write_atomically(out, (json.dumps(answer, indent=1) + "\n").encode())
    return {**answer, "result": str(out)}, f"{table(rows)}\n{sentences(setting, notes, seconds, out)}"


def table(rows: list[Any]) -> str:
    """One line a row: rates, the ratio with its spread, the ratio in processor seconds, the share of the peak."""
    lines = [f"{'what':<58}{'baseline':>10}{'ours':>10}{'ratio':>8}{'spread':>14}{'cpu':>7}{'share':>7}"]
    for one in rows:
        spread, share = f"{one.lowest:.2f}-{one.highest:.2f}", "" if one.share is None else f"{one.share:.0%}"
        cpu = "" if one.cpu_ratio is None else f"{one.cpu_ratio:.2f}"
        lines.append(f"{one.what:<58}{one.baseline:>10.4g}{one.ours:>10.4g}{one.ratio:>8.2f}{spread:>14}{cpu:>7}{share:>7}")
    return "\n".join(lines)


def sentences(setting: dict[str, Any], notes: list[str], seconds: float, out: Path) -> str:
    """What the table holds for."""
    about = (
        "Rates in images a second; ratio: the median over rounds in which both took their turn, with its spread; cpu: the same in processor seconds;\n"
        "share: of the best matrix product or convolution of this machine in that precision, counting the network's operations as it is written."
    )
    return "\n".join([about, f"{setting['machine']}; bf16 by {', '.join(setting['bf16']) or 'no instruction'}", *notes, f"{seconds:.0f} s; figures in {out}"])
