"""``python -m eval COMMAND``: the table of commands; each lives in `eval/commands` and is imported only when asked for."""

import sys

from poster.cli import dispatch

COMMANDS = {
    "benchmarks": "which benchmarks exist, which are here, how to get the others",
    "score": "a checkpoint on a benchmark: scores, intervals, diagnosis",
    "compare": "is the difference between two results real?",
    "rank": "several results on one benchmark: ranks and tie groups",
    "rescore": "every score again from stored predictions, without the model",
    "heatmaps": "what a model's heatmaps are worth: deletion, insertion, landmark mass, sanity checks",
    "heatmaps-page": "the page about a model's heatmaps, from two measurements",
    "photos": "do colour, size, blur, crops and the app's own face finder hurt? A page of it, from FERPlus turned into photos",
    "photos-page": "that page again, from the stored measurement",
    "ablation": "which head and which fusion is better, and how sure that is: the runs of `poster ablate` compared",
    "speed": "latency, throughput, parameters and FLOPs of a checkpoint on this machine",
    "agree": "does every runtime say what the network as written says, picture by picture?",
    "bench": "every runtime against the plain network, and a whole evaluation against a plain loop",
    "growth": "time and memory of an evaluation against its number of images, with a drawing",
    "report": "a stored result as one self-contained HTML page",
    "card": "the model card of a checkpoint trained here, from its results",
    "verify": "a recognition backbone on pair sets (LFW, CFP-FP, AgeDB-30 ...)",
    "linear-probe": "an embedding's worth for expressions: a linear classifier on the training part",
    "crop": "cut the faces out of a data set of whole pictures (CAER-S)",
}


def main(argv: list[str]) -> int:
    """Run one command; the exit code is 0 done, 2 the user's input, 1 ours."""
    return dispatch("eval", __doc__, COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
